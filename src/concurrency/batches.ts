// A row of items in batches that are not too large.

export interface BatchLimits<T> {
  most?: number
  /** What all items of a batch weigh together; one that weighs more is a batch of its own. */
  maxWeight?: number
  weightOf?: (item: T) => number
}

export function* inBatches<T>(
  items: Iterable<T>,
  {
    most = Number.POSITIVE_INFINITY,
    maxWeight = Number.POSITIVE_INFINITY,
    weightOf = () => 0,
  }: BatchLimits<T>,
): Generator<readonly T[]> {
  let batch: T[] = []
  let weight = 0
  for (const item of items) {
    const own = weightOf(item)
    if (batch.length > 0 && (batch.length >= most || weight + own > maxWeight)) {
      yield batch
      batch = []
      weight = 0
    }
    batch.push(item)
    weight += own
  }
  if (batch.length > 0) yield batch
}
