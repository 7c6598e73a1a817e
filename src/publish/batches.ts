// How a job is cut into batches. A batch's number names its rows in the warehouse's ledger, so the cut depends on nothing but the number.

export interface Cut {
  /** The first item of a batch, from 0. */
  start(batch: number): number
  /** The batch that begins at an item. */
  batchAt(item: number): number
}

/** Batches of one size. */
export function cutEvenly(size: number): Cut {
  return { start: (batch) => batch * size, batchAt: (item) => Math.floor(item / size) }
}

/** Batches that double from `first`, `doublings` times, and stay that size: something is done soon, and much in the end. */
export function cutGrowing({ first, doublings }: { first: number; doublings: number }): Cut {
  const full = first * 2 ** doublings
  const growing = first * (2 ** doublings - 1)
  return {
    start: (batch) => (batch <= doublings ? first * (2 ** batch - 1) : growing + (batch - doublings) * full),
    batchAt: (item) =>
      item < growing
        ? 31 - Math.clz32(Math.floor(item / first) + 1)
        : doublings + Math.floor((item - growing) / full),
  }
}
