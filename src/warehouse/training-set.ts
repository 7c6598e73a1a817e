// A training set as a warehouse is asked for it: a spine's rows, each with the features as of its time.

import type { Column } from '../values/columns.ts'

/** Rows that a statement gives; of its columns those that count. */
export interface SetRelation {
  sql: string
  columns: readonly Column[]
}

export interface SetReference extends SetRelation {
  /** What stands in the statement in place of the moment that it asks for, which is each spine row's own; null where it asks for none. */
  asking: string | null
  /** Columns of the relation, and the spine's that are compared with them. */
  keys: readonly { key: Column; column: Column }[]
  /** Without it rows are joined by the key alone, of which there is one at most. */
  timestamp: Column | null
  created: Column | null
  eventTtlSeconds: number | null
  /** Read twice it gives the same rows. */
  isExact: boolean
  /** Columns of the relation, and their names in the set. */
  features: readonly { column: Column; name: string }[]
}

export interface TrainingSet {
  spine: SetRelation
  /** The spine's; null where no reference has a time. */
  timestamp: Column | null
  references: readonly SetReference[]
  /** Rows that were created later than the spine's time are left out, and those of which that is not known. */
  knownAsOf: boolean
}

/** Statements each of which gives the set, in its order, and fails where a key has several rows. */
export type ComposedSet = readonly [string, ...string[]]

export function columnsOfSet({ spine, references }: TrainingSet): Column[] {
  const features = references.flatMap((reference) => reference.features)
  return [...spine.columns, ...features.map(({ column, name }) => ({ ...column, name, nullable: true }))]
}
