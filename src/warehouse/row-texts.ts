// Rows as texts on their way into a warehouse, in pieces of a length that one statement takes.

import { ValueMismatch } from '../duckdb/column-types.ts'
import type { Value } from '../values/columns.ts'
import type { TableRows } from './port.ts'
import { badInput } from './rows-table.ts'

export type Present = Exclude<Value, null>

export interface TextColumn {
  name: string
  /** Throws ValueMismatch. */
  encode(value: Present): string
}

export interface TextForm {
  /** Of a piece in characters; a row that is longer is one by itself. */
  length: number
  /** The text of a row. */
  join(cells: readonly (string | null)[]): string
}

/** BAD_USER_INPUT says where a value is none of its column's type. */
export function* rowTexts(
  { table, rows }: TableRows,
  columns: readonly TextColumn[],
  { length, join }: TextForm,
): Generator<readonly string[]> {
  let piece: string[] = []
  let filled = 0
  for (const [r, row] of rows.entries()) {
    const text = join(columns.map((column, c) => encodeCell(column, row[c] ?? null, { table, row: r })))
    if (piece.length > 0 && filled + text.length > length) {
      yield piece
      piece = []
      filled = 0
    }
    piece.push(text)
    filled += text.length + 1
  }
  if (piece.length > 0) yield piece
}

function encodeCell(
  { name, encode }: TextColumn,
  value: Value,
  { table, row }: { table: string; row: number },
): string | null {
  if (value === null) return null
  try {
    return encode(value)
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error
    throw badInput(`Table ${table}, row ${row + 1}, column "${name}": ${error.message}.`)
  }
}
