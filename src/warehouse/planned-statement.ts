// A statement ready to run, alike in every warehouse: its columns, and the one SELECT around it that all paths share.

import { type Asking, checkMoment, fill, momentLiteral, unfill } from '../sql/as-of.ts'
import { quoteName } from '../sql/sql-text.ts'
import type { Column, ColumnType } from '../values/columns.ts'
import type { Dialect } from './dialect.ts'
import type { BaseTable, StatementRequest } from './port.ts'
import { pick, placesOf } from './saved-columns.ts'
import { type TimelineTerms, timelineAround } from './timeline.ts'

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
  /** The user's text, with a moment where it asks for one; it fits into parentheses when a newline follows it. */
  sql: string
  /** Null where it asks for no moment. */
  asking: Asking | null
  /** What stands in place of as_of(). */
  moment: string
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

/** Of its rows those that meet a condition on the columns of `t`, or of these what their timeline leaves. */
export function selectWhere(
  plan: Pick<PlannedStatement, 'sql' | 'alias' | 'expressions'>,
  where: string,
  timeline: TimelineTerms | null,
  expressions: readonly string[] = plan.expressions,
): Selection {
  if (timeline === null) {
    const { prefix, text } = selectFrom(plan, expressions)
    return { prefix, text: `${text} WHERE ${where}` }
  }
  const { before, behind } = timelineAround(timeline)
  const prefix = `SELECT ${expressions.join(', ')} FROM ${before}`
  return { prefix, text: `${prefix}${plan.sql}${behind(plan.alias, where)}` }
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

/** The statement as it is asked for: as it was saved, as of its moment. Throws BAD_USER_INPUT where that is missing, or in vain. */
export function asAsked<Planned extends PlannedStatement>(
  plan: Planned,
  { saved, asOf }: Pick<StatementRequest, 'saved' | 'asOf'>,
  dialect: Dialect,
): Planned {
  checkMoment(plan.asking, asOf)
  const picked = pickSaved(plan, saved)
  return asOf === undefined ? picked : withMoment(picked, momentLiteral(asOf, momentType(dialect)))
}

export function withMoment<Planned extends PlannedStatement>(plan: Planned, moment: string): Planned {
  return plan.asking === null ? plan : { ...plan, sql: fill(plan.asking, moment), moment }
}

/** For errors: the text that the engine is given, and how it is made the user's own. */
export function writtenOf({ sql, asking, moment }: Pick<PlannedStatement, 'sql' | 'asking' | 'moment'>) {
  return { sql, ...(asking !== null && { restore: (text: string) => unfill(text, moment) }) }
}

export function momentType({ types }: Dialect): string {
  return types.TIMESTAMP ?? 'TIMESTAMP'
}

/** The statement with an expression in place of as_of(), ready to stand in parentheses when a newline follows it. */
export function atMoment(plan: PlannedStatement, expression: string): string {
  const { sql, alias, columns } = withMoment(plan, `(${expression})`)
  return plan.alias === 't' ? sql : `SELECT * FROM (\n${sql}\n) ${tableOf(alias, columns)}`
}

function tableOf(alias: string, columns: readonly Column[]): string {
  return `${alias.replace(/\(.*/s, '')}(${columns.map(({ name }) => quoteName(name)).join(', ')})`
}

/** `x AS "a"` */
export function named(expression: string, name: string): string {
  return `${expression} AS ${quoteName(name)}`
}
