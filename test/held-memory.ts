// What this process holds in memory once all that nobody holds is gone.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
export const collectGarbage = runInNewContext('gc') as () => void

/** In bytes. */
export function heldMemory() {
  collectGarbage()
  // Buffers that the first found are freed beside it: the next waits for that.
  collectGarbage()
  return usedMemory()
}

/** What is held and what is garbage: never less than what is held, and told without a collection. */
export function usedMemory() {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
