// Rows on their way into an isolate: which columns may need tags, and the rows' text.

import type { Column, ColumnType, Row } from '../columns.ts'
import { isBare, toWire } from './isolate/wire.ts'

/** Whether a cell of the type may be told by a tag: what JSON cannot hold, and everything nested. */
const mayBeTagged: Record<ColumnType, boolean> = {
  BOOLEAN: false,
  INT32: false,
  STRING: false,
  DATE: false,
  TIMESTAMP: false,
  INT64: true,
  FLOAT64: true,
  DECIMAL: true,
  BYTES: true,
  LIST: true,
  STRUCT: true,
  JSON: true,
}

export interface RowsEncoder {
  /** What the isolate needs to know of the columns, as text. */
  spec: string
  /** Rows as they go over the wire, still to be stringified. */
  encode(rows: readonly Row[]): readonly (readonly unknown[])[]
}

export function createRowsEncoder(columns: readonly Column[]): RowsEncoder {
  const tagged = columns.flatMap(({ type }, i) => (mayBeTagged[type] ? [i] : []))

  function encodeRow(row: Row): readonly unknown[] {
    let copy: unknown[] | null = null
    for (const i of tagged) {
      const cell = row[i] ?? null
      if (isBare(cell)) continue
      copy ??= [...row]
      copy[i] = toWire(cell)
    }
    return copy ?? row
  }

  return {
    spec: JSON.stringify(columns.map(({ name, type }) => [name, mayBeTagged[type]])),
    encode: (rows) => (tagged.length === 0 ? rows : rows.map(encodeRow)),
  }
}
