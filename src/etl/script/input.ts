// Rows on their way into an isolate: which columns may need tags, and the rows' text.

import type { Column, ColumnType, Row } from '../../values/columns.ts'
import { encodeValue, isBare } from './isolate/encoded.ts'
import type { Ordering } from './isolate/order.ts'

/** Whether a cell of the type may be told by a tag: what JSON cannot hold, and everything nested; and how cells are ordered. */
const traits: Record<ColumnType, readonly [mayBeTagged: boolean, ordering: Ordering]> = {
  BOOLEAN: [false, 'values'],
  INT32: [false, 'values'],
  STRING: [false, 'values'],
  DATE: [false, 'days'],
  TIMESTAMP: [false, 'micros'],
  INT64: [true, 'values'],
  FLOAT64: [true, 'values'],
  DECIMAL: [true, 'decimals'],
  BYTES: [true, 'values'],
  LIST: [true, 'values'],
  STRUCT: [true, 'values'],
  JSON: [true, 'values'],
}

/** What an isolate needs to know of the columns, as text. */
export function specOf(columns: readonly Column[]): string {
  return JSON.stringify(columns.map(({ name, type }) => [name, ...traits[type]]))
}

export interface RowsEncoder {
  spec: string
  /** Encoded rows, still to be stringified. */
  encode(rows: readonly Row[]): readonly (readonly unknown[])[]
}

export function createRowsEncoder(columns: readonly Column[]): RowsEncoder {
  const tagged = columns.flatMap(({ type }, i) => (traits[type][0] ? [i] : []))

  function encodeRow(row: Row): readonly unknown[] {
    let copy: unknown[] | null = null
    for (const i of tagged) {
      const cell = row[i] ?? null
      if (isBare(cell)) continue
      copy ??= [...row]
      copy[i] = encodeValue(cell)
    }
    return copy ?? row
  }

  return {
    spec: specOf(columns),
    encode: (rows) => (tagged.length === 0 ? rows : rows.map(encodeRow)),
  }
}
