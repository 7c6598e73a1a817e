// What the reading of a bound plan's operators shares: relations with their columns' types, and what stands around them.

import type { Relation } from '../../sql/algebra.ts'
import { nodesOf, type PlanNode, type PlanType, UnreadPlan } from './bound-plan.ts'

/** A relation, and its columns' types. */
export interface Bound {
  relation: Relation
  types: readonly PlanType[]
  /** For each column the first that is the same in every row. */
  same?: readonly number[]
}

/** The row that a correlated subquery is evaluated for, as its DELIM_GET reads it. */
export interface Outside {
  /** By position on the join's left side. */
  columns: readonly number[]
  types: readonly PlanType[]
  /** Of the join's right side. */
  level: number
}

/** What the operator right above makes of columns, by position. */
export interface Above {
  /** It leaves out rows in which they are null. */
  filled?: readonly number[]
  /** They are lists, of which it takes nothing but what list_sort makes of them. */
  sorted?: readonly number[]
}

export interface Scope {
  outside: Outside | null
  /** On how many row-by-row joins' right sides this stands. */
  level: number
  /** The types of what WITH defines. */
  defined: ReadonlyMap<unknown, readonly PlanType[]>
}

export type Bind = (node: PlanNode, scope: Scope, above?: Above) => Bound

export const bigint: PlanType = { id: 'BIGINT', isCollated: false }
export const boolean: PlanType = { id: 'BOOLEAN', isCollated: false }

/** How deep operators may stand in each other: each level is some calls deep, in the proofs too. */
export const maxNested = 400

export function fail(reason: string): never {
  throw new UnreadPlan(reason)
}

export function inputOf(node: PlanNode, scope: Scope, bind: Bind, above: Above = {}): Bound {
  const [input, second] = nodesOf(node.children)
  if (input === undefined || second !== undefined)
    throw new UnreadPlan(`its ${String(node.type)} has other than one input`)
  return bind(input, scope, above)
}
