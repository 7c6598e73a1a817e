// Columns into a table through the engine's appender: whole pieces of memory where their values need no look.

import { type DuckDBAppender, DuckDBDataChunk, type DuckDBType, DuckDBTypeId } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import type { Value } from '../columns.ts'
import { chunkRows, setColumn, writeCell } from './append-rows.ts'
import { type Carrier, carrierOf } from './duckdb-types.ts'
import { type PackedTexts, slicePacked, writeNulls, writeTexts } from './text-vector.ts'

/**
 * One column of a batch. Numbers go into DOUBLE as they are, and into BIGINT where all are safe integers; booleans are
 * bytes of 0 and 1; texts are well-formed. `nulls` has a 1 for each row that is null. All else goes as values.
 */
export type ColumnCells =
  | { kind: 'numbers'; values: Float64Array; nulls: Uint8Array | null }
  | { kind: 'booleans'; values: Uint8Array; nulls: Uint8Array | null }
  | { kind: 'texts'; texts: PackedTexts }
  | { kind: 'values'; values: readonly Value[] }

export interface ColumnBatch {
  count: number
  columns: readonly ColumnCells[]
}

export function createColumnAppender(appender: DuckDBAppender, names: readonly string[]) {
  const types = names.map((_, i) => appender.columnType(i))
  const carriers = types.map(carrierOf)

  return {
    append({ count, columns }: ColumnBatch): void {
      for (let from = 0; from < count; from += chunkRows) {
        const to = Math.min(from + chunkRows, count)
        const chunk = DuckDBDataChunk.create(types, to - from)
        types.forEach((type, index) => {
          const cells = columns[index]
          const carrier = carriers[index]
          if (cells === undefined || carrier === undefined)
            throw new Error(`There is no column ${names[index]}`)
          setCells({ chunk, index, type, carrier, from, to, name: names[index] ?? '' }, cells)
        })
        appender.appendDataChunk(chunk)
      }
    },
  }
}

interface Target {
  chunk: DuckDBDataChunk
  index: number
  type: DuckDBType
  carrier: Carrier
  name: string
  from: number
  to: number
}

function setCells({ chunk, index, type, carrier, name, from, to }: Target, cells: ColumnCells): void {
  if (cells.kind === 'values') {
    const written = cells.values
      .slice(from, to)
      .map((value, i) => writeCell(value, carrier, () => `row ${from + i + 1}, column "${name}"`))
    setColumn(chunk, index, type, written)
    return
  }
  if (cells.kind === 'texts') {
    writeTexts(chunk, index, slicePacked(cells.texts, from, to))
    return
  }
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
  const bytes = bytesOf(cells, type.typeId, from, to)
  duckdb.copy_data_to_vector(vector, 0, bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
  const { nulls } = cells
  if (nulls !== null) writeNulls(vector, to - from, (row) => nulls[from + row] === 1)
}

function bytesOf(
  { kind, values }: Extract<ColumnCells, { nulls: unknown }>,
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
