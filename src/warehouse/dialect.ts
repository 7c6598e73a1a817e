// A dialect: how an engine writes what every warehouse says. Each has its sheet, `dialect.ts` in its folder, beside
// `column-types.ts`, which says of each type how its values are read and written.

import type { Column } from '../values/columns.ts'

export interface Dialect {
  /** The engine's types by the word for the storage type; what is not here it is given as it is. */
  types: Readonly<Record<string, string>>
  decimal(precision: number, scale: number): string
  list(item: string, length: number | null): string
  struct(fields: readonly { name: string; type: string }[]): string
  /** Names that differ in case alone are one. */
  ignoresCase: boolean
  /** Schemas whose tables are not the users'. */
  closedSchemas: readonly string[]
}

/** How an engine writes what a training set is joined by. */
export interface AsOfDialect {
  /** Whether a statement may be asked anew for each row of another, whatever it computes. */
  hasLateral: boolean
  /** After AS, of what is read more than once and computed once; and of what is better computed where it is read. */
  materialized: string
  notMaterialized: string
  /** A date's or a timestamp's moment in UTC, without a zone. */
  moment(value: string, column: Column): string
  /** A moment as a value that is compared with the column's, so that an index serves. */
  inTypeOf(moment: string, column: Column): string
  secondsBefore(moment: string, seconds: number): string
  /** As a text that is read of it. */
  text(value: string): string
  /** False, unless it is evaluated: then the statement fails, and says the text. */
  fails(text: string): string
  /** What the column's values are ordered by: numbers and times by size, texts by code points. */
  ordered(value: string, column: Column): string
}
