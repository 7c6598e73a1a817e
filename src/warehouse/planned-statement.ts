// A statement ready to run, alike in every warehouse: its columns, and the one SELECT around it that all paths share.

import { quoteName } from '../sql/sql-text.ts'
import type { Column, ColumnType } from '../values/columns.ts'
import type { BaseTable } from './port.ts'
import { pick, placesOf } from './saved-columns.ts'

/** How values of a type travel, as far as every engine's do alike. */
export interface Carrier {
  type: ColumnType
  /** In the words of the Parquet engine. */
  storage: string
  /** The engine's name of the type, without what does not bear on which values are equal. */
  native: string
}

export interface PlannedStatement<Carried = unknown> {
  columns: readonly Column[]
  carriers: readonly Carried[]
  /** Each column as it is read, under the name that it has in the select. */
  expressions: readonly string[]
  tables: readonly BaseTable[]
  /** The user's text, which fits into parentheses when a newline follows it. */
  sql: string
  /** What the statement is called in the select, perhaps with its columns. */
  alias: string
}

export interface Selection {
  /** What stands before the user's text. */
  prefix: string
  text: string
}

/** With other expressions than the columns', where they are given. */
export function selectFrom(
  { sql, alias, ...plan }: Pick<PlannedStatement, 'sql' | 'alias' | 'expressions'>,
  expressions: readonly string[] = plan.expressions,
): Selection {
  const prefix = `SELECT ${expressions.join(', ')} FROM (\n`
  return { prefix, text: `${prefix}${sql}\n) ${alias}` }
}

/** The statement as it was saved: its columns alone, in their order. */
export function pickSaved<Planned extends PlannedStatement>(
  plan: Planned,
  saved: readonly Column[] | undefined,
): Planned {
  const places = saved === undefined ? null : placesOf(saved, plan.columns)
  if (places === null) return plan
  const { columns, carriers, expressions } = plan
  return {
    ...plan,
    columns: pick(columns, places),
    carriers: pick(carriers, places),
    expressions: pick(expressions, places),
  }
}

/** Texts are told with the engine's own type, by which keys of them are compared. */
export function toColumn(name: string, { type, storage, native }: Carrier): Column {
  return { name, type, nullable: true, storage, ...(type === 'STRING' && { native }) }
}

/** `x AS "a"` */
export function named(expression: string, name: string): string {
  return `${expression} AS ${quoteName(name)}`
}
