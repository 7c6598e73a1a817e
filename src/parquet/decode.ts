// The engine's chunks as rows.

import { type DuckDBDataChunk, type DuckDBResult, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api'
import type { Row, Value } from '../columns.ts'
import type { Carrier } from './duckdb-types.ts'
import { readTexts } from './text-vector.ts'

export function readChunk(chunk: DuckDBDataChunk, carriers: readonly Carrier[]): Row[] {
  const { rowCount } = chunk
  const rows: Value[][] = Array.from({ length: rowCount }, () => new Array<Value>(carriers.length))
  carriers.forEach(({ read }, c) => {
    const itemAt = readItems(chunk, c)
    for (let r = 0; r < rowCount; r++) {
      const item = itemAt(r)
      const row = rows[r]
      if (row !== undefined) row[c] = item === null || read === null ? (item as Value) : read(item)
    }
  })
  return rows
}

function readItems(chunk: DuckDBDataChunk, column: number): (row: number) => DuckDBValue {
  const vector = chunk.getColumnVector(column)
  if (vector.type.typeId !== DuckDBTypeId.VARCHAR) return (row) => vector.getItem(row)
  const texts = readTexts(chunk, column)
  return (row) => texts[row] ?? null
}

export async function readRows(result: DuckDBResult, carriers: readonly Carrier[]): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return rows
    for (const row of readChunk(chunk, carriers)) rows.push(row)
  }
}
