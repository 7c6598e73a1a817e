// The engine's chunks as rows.

import {
  type DuckDBDataChunk,
  DuckDBListValue,
  DuckDBListVector,
  type DuckDBMaterializedResult,
  type DuckDBResult,
  DuckDBStructValue,
  DuckDBStructVector,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  type DuckDBVector,
} from '@duckdb/node-api'
import type { Row, Value } from '../values/columns.ts'
import type { Carrier } from './column-types.ts'
import { packTexts, unpackTexts } from './text-vector.ts'

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

/** The column's items by row, while the chunk is there. */
export function readItems(chunk: DuckDBDataChunk, column: number): (row: number) => DuckDBValue {
  const vector = chunk.getColumnVector(column)
  if (hasProto(vector.type)) return (row) => itemOf(vector, row)
  if (vector.type.typeId !== DuckDBTypeId.VARCHAR) return (row) => vector.getItem(row)
  const texts = unpackTexts(packTexts(chunk, column))
  return (row) => texts[row] ?? null
}

/** Whether a struct in it has a field `__proto__`, which the driver's own objects lose. */
function hasProto(type: DuckDBType): boolean {
  switch (type.typeId) {
    case DuckDBTypeId.LIST:
      return hasProto(type.valueType)
    case DuckDBTypeId.STRUCT:
      return type.entryNames.includes('__proto__') || type.entryTypes.some(hasProto)
    default:
      return false
  }
}

/** As the vector's own, with objects that have no prototype to be set. */
function itemOf(vector: DuckDBVector, row: number): DuckDBValue {
  if (vector instanceof DuckDBStructVector) {
    if (!vector.isItemValid(row)) return null
    const entries: Record<string, DuckDBValue> = Object.create(null)
    vector.type.entryNames.forEach((name, i) => {
      entries[name] = itemOf(vector.entryVectorAt(i), row)
    })
    return new DuckDBStructValue(entries)
  }
  if (vector instanceof DuckDBListVector) {
    const parts = vector.getItemVector(row)
    return parts && new DuckDBListValue(Array.from({ length: parts.itemCount }, (_, i) => itemOf(parts, i)))
  }
  return vector.getItem(row)
}

/** Of a result that is there as a whole, without a turn for each piece of it. */
export function readWhole(result: DuckDBMaterializedResult, carriers: readonly Carrier[]): Row[] {
  const rows: Row[] = []
  for (let c = 0; c < result.chunkCount; c++)
    for (const row of readChunk(result.getChunk(c), carriers)) rows.push(row)
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
