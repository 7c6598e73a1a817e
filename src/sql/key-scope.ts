// What an expression means among a relation's columns and those of the rows from outside.

import { type Expression, findWithin, isColumn } from './algebra.ts'
import type { ColumnId, KeyedRelation, Pair } from './keyed-relations.ts'

export interface Scope {
  /** The rows from outside, from the nearest on: their columns' ids. */
  outer: readonly (readonly ColumnId[])[]
  /** What WITH has defined, by id. */
  defined: ReadonlyMap<string, KeyedRelation>
}

export function outerIds({ outer }: Scope): readonly ColumnId[] {
  return outer.flat()
}

/** The column that an expression passes on as it is. */
export function idOf(item: Expression, columns: readonly ColumnId[], { outer }: Scope): ColumnId | undefined {
  if (item.kind === 'column') return columns[item.index]
  return item.kind === 'outer' ? outer[item.depth - 1]?.[item.index] : undefined
}

export function idsOf(
  items: readonly Expression[],
  columns: readonly ColumnId[],
  scope: Scope,
): readonly ColumnId[] {
  return items.flatMap((item) => idOf(item, columns, scope) ?? [])
}

/** The two columns that a condition holds equal. */
export function equalIds(condition: Expression, columns: readonly ColumnId[], scope: Scope): Pair | null {
  if (condition.kind !== 'equal') return null
  const left = idOf(condition.left, columns, scope)
  const right = idOf(condition.right, columns, scope)
  if (left === undefined || right === undefined) return null
  return { left, right, isNullSafe: condition.isNullSafe === true }
}

export const ambiguity = 'whether NOT IN, or an IN within an expression, is null depends on all rows'

/** Whether an expression uses a column that a null of any row may decide. */
export function usesAmbiguous(
  { ambiguous }: KeyedRelation,
  items: readonly Expression[],
  columns: readonly ColumnId[],
): boolean {
  if (ambiguous.size === 0) return false
  return items.some((item) =>
    findWithin(item, isColumn).some(({ index }) => ambiguous.has(columns[index] ?? 0)),
  )
}
