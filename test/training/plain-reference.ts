// The rules of features in time, written as plainly as they read: of a history the row that an entity has at a moment.

import type { Asked, Happened, History } from './histories.ts'

type Cell = number | bigint | string | null

/** Nulls are the least, texts by code points. */
function compare(a: Cell, b: Cell): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null)
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : Number(a > b)
}

function isGreater(a: Happened, b: Happened, hasCreated: boolean): boolean {
  const cells = (row: Happened): Cell[] => [
    row.time,
    hasCreated ? row.made : null,
    row.key,
    row.other,
    row.time,
    row.made,
    row.value,
    row.name,
  ]
  const others = cells(b)
  for (const [i, cell] of cells(a).entries()) {
    const order = compare(cell, others[i] ?? null)
    if (order !== 0) return order > 0
  }
  return false
}

export function featuresAsOf(
  { rows, isComposite, hasCreated, knownAsOf }: History,
  { key, other, time }: Asked,
  ttlSeconds: number | null,
): Happened | null {
  if (key === null || time === null || (isComposite && other === null)) return null
  let best: Happened | null = null
  for (const row of rows) {
    if (row.key !== key || (isComposite && row.other !== other)) continue
    if (row.time === null || row.time > time) continue
    if (ttlSeconds !== null && row.time < time - BigInt(ttlSeconds) * 1_000_000n) continue
    if (knownAsOf && (!hasCreated || row.made === null || row.made > time)) continue
    if (best === null || isGreater(row, best, hasCreated)) best = row
  }
  return best
}
