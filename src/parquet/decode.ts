// The engine's chunks as rows.

import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api'
import type { Row, Value } from '../columns.ts'
import type { Carrier } from './duckdb-types.ts'

export function readChunk(chunk: DuckDBDataChunk, carriers: readonly Carrier[]): Row[] {
  const { rowCount } = chunk
  const rows: Value[][] = Array.from({ length: rowCount }, () => new Array<Value>(carriers.length))
  carriers.forEach(({ read }, c) => {
    const vector = chunk.getColumnVector(c)
    for (let r = 0; r < rowCount; r++) {
      const item = vector.getItem(r)
      const row = rows[r]
      if (row !== undefined) row[c] = item === null || read === null ? (item as Value) : read(item)
    }
  })
  return rows
}

export async function readRows(result: DuckDBResult, carriers: readonly Carrier[]): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return rows
    for (const row of readChunk(chunk, carriers)) rows.push(row)
  }
}
