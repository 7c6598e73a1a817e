// How crowded the machine is, for the few tests that hold a time to what a quiet machine needs.

import { availableParallelism, loadavg } from 'node:os'

/** How many processes there are for each core; 1 on a machine that has room. */
export function crowding(): number {
  return Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())
}
