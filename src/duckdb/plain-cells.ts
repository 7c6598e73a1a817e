// Columns of numbers, booleans and texts that the engine takes as they are, in whole pieces of memory.

import { type DuckDBDataChunk, type DuckDBType, DuckDBTypeId } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import type { Row } from '../values/columns.ts'
import { writeNulls } from './text-vector.ts'

/** Booleans are bytes of 0 and 1. `nulls` has a 1 for each row that is null. */
export type PlainCells =
  | { kind: 'numbers'; values: Float64Array; nulls: Uint8Array | null }
  | { kind: 'booleans'; values: Uint8Array; nulls: Uint8Array | null }

/** The part of the cells from one row up to another as a chunk's column. Numbers go into BIGINT where all are safe integers. */
export function setPlain(
  { chunk, index, type }: { chunk: DuckDBDataChunk; index: number; type: DuckDBType },
  cells: PlainCells,
  from: number,
  to: number,
): void {
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
  const bytes = bytesOf(cells, type.typeId, from, to)
  duckdb.copy_data_to_vector(vector, 0, bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
  const { nulls } = cells
  if (nulls !== null) writeNulls(vector, to - from, (row) => nulls[from + row] === 1)
}

function bytesOf(
  { kind, values }: PlainCells,
  typeId: DuckDBTypeId,
  from: number,
  to: number,
): Uint8Array | Float64Array | Int32Array {
  const part = values.subarray(from, to)
  if (kind === 'booleans' && typeId === DuckDBTypeId.BOOLEAN) return part
  if (kind === 'numbers' && typeId === DuckDBTypeId.DOUBLE) return part
  if (kind === 'numbers' && typeId === DuckDBTypeId.BIGINT) return toHalves(part)
  throw new Error(`A column of ${kind} cannot be appended as ${DuckDBTypeId[typeId]}`)
}

/** Integers of 64 bits as the low and the high half of each. */
function toHalves(numbers: Float64Array | Uint8Array): Int32Array {
  const halves = new Int32Array(2 * numbers.length)
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] ?? 0
    const high = Math.floor(number / 0x1_0000_0000)
    halves[2 * i] = number - high * 0x1_0000_0000
    halves[2 * i + 1] = high
  }
  return halves
}

/** One cell of each row; null when the type is another, or a cell does not fit it. */
export function plainCells(rows: readonly Row[], cell: number, { typeId }: DuckDBType): PlainCells | null {
  switch (typeId) {
    case DuckDBTypeId.DOUBLE: {
      const values = new Float64Array(rows.length)
      const nulls = fill(rows, cell, 'number', (row, value) => {
        values[row] = value as number
      })
      return nulls && { kind: 'numbers', values, nulls: nulls.any ? nulls.bytes : null }
    }
    case DuckDBTypeId.BOOLEAN: {
      const values = new Uint8Array(rows.length)
      const nulls = fill(rows, cell, 'boolean', (row, value) => {
        values[row] = value === true ? 1 : 0
      })
      return nulls && { kind: 'booleans', values, nulls: nulls.any ? nulls.bytes : null }
    }
    default:
      return null
  }
}

/** Which rows are null; null itself when one is of another kind. */
function fill(
  rows: readonly Row[],
  cell: number,
  type: 'number' | 'boolean',
  set: (row: number, value: unknown) => void,
): { bytes: Uint8Array; any: boolean } | null {
  const bytes = new Uint8Array(rows.length)
  let any = false
  for (let row = 0; row < rows.length; row++) {
    const value = rows[row]?.[cell] ?? null
    if (value === null) {
      bytes[row] = 1
      any = true
    } else if (typeof value === type) set(row, value)
    else return null
  }
  return { bytes, any }
}

/** The same of a column of texts. */
export function plainTexts(
  rows: readonly Row[],
  cell: number,
  { typeId, alias }: DuckDBType,
): (string | null)[] | null {
  if (typeId !== DuckDBTypeId.VARCHAR || alias !== undefined) return null
  const texts: (string | null)[] = []
  for (const row of rows) {
    const value = row[cell] ?? null
    if (value !== null && typeof value !== 'string') return null
    texts.push(value)
  }
  return texts
}
