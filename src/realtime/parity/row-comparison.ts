// Whether two sets of rows are the same, as far as their statement promises it.

import type { Promised } from '../../sql/determinism.ts'

/**
 * - SAME: also where a column that rounds differs by no more than a relative 1e-12.
 * - UNDETERMINED: they differ only where the statement leaves it to the engine.
 * - ROUNDED: they differ by more, but in columns that round alone (sums that cancel out, say).
 * - DIFFERENT: they differ in what the statement determines.
 */
export type Comparison = 'SAME' | 'UNDETERMINED' | 'ROUNDED' | 'DIFFERENT'

const tolerance = 1e-12

/** Rows as JSON texts, in any order. */
export function compareRows(
  expected: readonly string[],
  found: readonly string[],
  { columns, rows }: Promised,
): Comparison {
  if (isSame([...expected].sort(), [...found].sort())) return 'SAME'
  if (rows.level !== 'EXACT') return 'UNDETERMINED'
  const inexact = [...columns].filter(([, { level }]) => level !== 'EXACT')
  if (inexact.length === 0 || expected.length !== found.length) return 'DIFFERENT'
  const isExact = (name: string) => (columns.get(name)?.level ?? 'EXACT') === 'EXACT'
  const rounding = inexact.filter(([, { level }]) => level === 'ROUNDING').map(([name]) => name)
  const [ours, theirs] = [expected, found].map((side) => arranged(side, isExact, rounding))
  if (ours === undefined || theirs === undefined) return 'DIFFERENT'
  const textsOf = (side: readonly Arranged[]) => side.map(({ exact }) => exact)
  if (!isSame(textsOf(ours), textsOf(theirs))) return 'DIFFERENT'
  const isClose = ours.every((row, i) => isWithin(row.rounding, theirs[i]?.rounding ?? []))
  if (!isClose) return inexact.length > rounding.length ? 'UNDETERMINED' : 'ROUNDED'
  return inexact.length === rounding.length ? 'SAME' : 'UNDETERMINED'
}

interface Arranged {
  /** The row without what may differ, as JSON text. */
  exact: string
  rounding: readonly unknown[]
}

/** By what is exact, then by what rounds, so that rows which belong together have the same place. */
function arranged(
  rows: readonly string[],
  isExact: (name: string) => boolean,
  rounding: readonly string[],
): Arranged[] {
  return rows
    .map((text): Arranged => {
      const row = Object.entries(JSON.parse(text) as Record<string, unknown>)
      const values = new Map(row)
      return {
        exact: JSON.stringify(row.filter(([name]) => isExact(name))),
        rounding: rounding.map((name) => values.get(name) ?? null),
      }
    })
    .sort((a, b) => order(a.exact, b.exact) || orderOfLists(a.rounding, b.rounding))
}

function orderOfLists(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [i, value] of a.entries()) {
    const by = order(value, b[i])
    if (by !== 0) return by
  }
  return 0
}

/** Numbers by size, whatever else after them, by its text. */
function order(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'number' || typeof b === 'number') return typeof a === 'number' ? -1 : 1
  const [left, right] = [String(a), String(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

function isWithin(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.every((value, i) => {
    const other = b[i]
    if (typeof value !== 'number' || typeof other !== 'number') return value === other
    return Math.abs(value - other) <= tolerance * Math.max(Math.abs(value), Math.abs(other))
  })
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i])
}
