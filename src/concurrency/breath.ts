// Long work in one piece, cut so that requests go on in between.

import { setImmediate } from 'node:timers/promises'

const afterMs = 8

/** To be awaited between steps: it pauses once enough has been done since the last pause. */
export function createBreath(): () => Promise<void> | undefined {
  let since = performance.now()
  return () => {
    if (performance.now() - since < afterMs) return undefined
    return setImmediate().then(() => {
      since = performance.now()
    })
  }
}
