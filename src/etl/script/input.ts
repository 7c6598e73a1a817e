// Rows on their way into an isolate: which columns may need tags, and the rows' text.

import type { Column, ColumnType, Row } from '../../values/columns.ts'
import { orderings } from '../../values/value-order.ts'
import { encodeValue, isBare } from './isolate/encoded.ts'

/** Whose cells may be told by a tag: what JSON cannot hold, and everything nested. */
const tagged: ReadonlySet<ColumnType> = new Set([
  'INT64',
  'FLOAT64',
  'DECIMAL',
  'BYTES',
  'LIST',
  'STRUCT',
  'JSON',
])

/** What an isolate needs to know of the columns, as text. */
export function specOf(columns: readonly Column[]): string {
  return JSON.stringify(columns.map(({ name, type }) => [name, tagged.has(type), orderings[type]]))
}

export interface RowsEncoder {
  spec: string
  /** Encoded rows, still to be stringified. */
  encode(rows: readonly Row[]): readonly (readonly unknown[])[]
}

export function createRowsEncoder(columns: readonly Column[]): RowsEncoder {
  const places = columns.flatMap(({ type }, i) => (tagged.has(type) ? [i] : []))

  function encodeRow(row: Row): readonly unknown[] {
    let copy: unknown[] | null = null
    for (const i of places) {
      const cell = row[i] ?? null
      if (isBare(cell)) continue
      copy ??= [...row]
      copy[i] = encodeValue(cell)
    }
    return copy ?? row
  }

  return {
    spec: specOf(columns),
    encode: (rows) => (places.length === 0 ? rows : rows.map(encodeRow)),
  }
}
