// Rows by column in one piece of memory, to be handed to another process: numbers as the engine holds them, texts as UTF-8.

import { type DuckDBDataChunk, DuckDBTypeId } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import type { Carrier } from '../duckdb/column-types.ts'
import { readItems } from '../duckdb/decode.ts'
import { type PackedTexts, packTexts } from '../duckdb/text-vector.ts'
import type { Value } from '../values/columns.ts'

/**
 * One column of packed rows.
 * - numbers: doubles; integers: 64 bits; int32: 32 bits; micros: 64 bits, since 1970; days: 32 bits, since 1970;
 *   booleans: a byte. They begin at byte `at`; where `nulls` is not null, a byte for each row there says 1 for a null.
 * - texts: at `at` the length of each in 32 bits, -1 for a null; the next `bytes` of the tail are theirs.
 * - cells: what is none of these, encoded by the caller, as the next `bytes` of the tail.
 */
export type PackedColumn =
  | { kind: NumberKind; at: number; nulls: number | null }
  | { kind: 'texts'; at: number; bytes: number }
  | { kind: 'cells'; bytes: number }

export type NumberKind = 'numbers' | 'integers' | 'int32' | 'micros' | 'days' | 'booleans'

export interface PackedRows {
  count: number
  columns: readonly PackedColumn[]
  /** So many bytes hold what has a fixed size; behind them is the tail, each column's in order. */
  fixed: number
  data: Uint8Array
}

/** Rows that can be packed from any one to any other. */
export interface PackableRows {
  count: number
  pack(from: number, to: number): PackedRows
  /** The row, behind `from`, up to which the texts have at most so many bytes: one row at least. */
  endWithin(from: number, bytes: number): number
}

export interface PackOptions {
  carriers: readonly Carrier[]
  encodeCells: (values: readonly Value[]) => string
}

const numberKinds: Partial<Record<DuckDBTypeId, { kind: NumberKind; width: 1 | 4 | 8 }>> = {
  [DuckDBTypeId.BOOLEAN]: { kind: 'booleans', width: 1 },
  [DuckDBTypeId.INTEGER]: { kind: 'int32', width: 4 },
  [DuckDBTypeId.BIGINT]: { kind: 'integers', width: 8 },
  [DuckDBTypeId.DOUBLE]: { kind: 'numbers', width: 8 },
  [DuckDBTypeId.DATE]: { kind: 'days', width: 4 },
  [DuckDBTypeId.TIMESTAMP]: { kind: 'micros', width: 8 },
  [DuckDBTypeId.TIMESTAMP_TZ]: { kind: 'micros', width: 8 },
}

interface NumberColumn {
  kind: NumberKind
  width: 1 | 4 | 8
  bytes: Uint8Array
  /** A byte for each row. */
  nulls: Uint8Array | null
}
type ChunkColumn = NumberColumn | { kind: 'texts'; texts: PackedTexts } | { kind: 'cells'; values: Value[] }

function readColumn(chunk: DuckDBDataChunk, index: number, { type, read }: Carrier): ChunkColumn {
  const number = numberKinds[chunk.getColumnVector(index).type.typeId]
  if (number !== undefined) return readNumbers(chunk, index, number)
  if (type === 'STRING') return { kind: 'texts', texts: packTexts(chunk, index) }
  const itemAt = readItems(chunk, index)
  const values = Array.from({ length: chunk.rowCount }, (_, row): Value => {
    const item = itemAt(row)
    return item === null || read === null ? (item as Value) : read(item)
  })
  return { kind: 'cells', values }
}

function readNumbers(
  { chunk, rowCount }: DuckDBDataChunk,
  index: number,
  { kind, width }: Pick<NumberColumn, 'kind' | 'width'>,
): NumberColumn {
  const vector = duckdb.data_chunk_get_vector(chunk, index)
  const bytes = duckdb.vector_get_data(vector, rowCount * width)
  const isNull = nullTest(vector, rowCount)
  if (isNull === null) return { kind, width, bytes, nulls: null }
  return {
    kind,
    width,
    bytes,
    nulls: Uint8Array.from({ length: rowCount }, (_, row) => (isNull(row) ? 1 : 0)),
  }
}

/** Which rows are null; null when none is. */
function nullTest(vector: duckdb.Vector, rowCount: number): ((row: number) => boolean) | null {
  // There is none for a vector without nulls, whatever the client's types say.
  const validity: Uint8Array | null = duckdb.vector_get_validity(vector, Math.ceil(rowCount / 64) * 8)
  if (validity === null || validity === undefined) return null
  return (row) => ((validity[row >> 3] ?? 0) & (1 << (row & 7))) === 0
}

/** A chunk's rows; they may be packed for as long as the chunk is there. */
export function packableRows(chunk: DuckDBDataChunk, { carriers, encodeCells }: PackOptions): PackableRows {
  const { rowCount: count } = chunk
  const columns = carriers.map((carrier, index) => readColumn(chunk, index, carrier))
  const ends = columns.map((column) => (column.kind === 'texts' ? endsOf(column.texts.lengths) : null))

  function endWithin(from: number, bytes: number): number {
    let length = 0
    for (let row = from; row < count; row++) {
      for (const column of columns) {
        if (column.kind === 'texts') length += Math.max(column.texts.lengths[row] ?? 0, 0)
        else if (column.kind === 'cells') length += lengthOf(column.values[row] ?? null)
      }
      if (length > bytes && row > from) return row
    }
    return count
  }

  function pack(from: number, to: number): PackedRows {
    const builder = createBuilder(to - from)
    columns.forEach((column, index) => {
      if (column.kind === 'texts') builder.addTexts(column.texts, ends[index] ?? new Float64Array(), from, to)
      else if (column.kind === 'cells') builder.addCells(encodeCells(column.values.slice(from, to)))
      else builder.addNumbers(column, from, to)
    })
    return builder.finish()
  }
  return { count, pack, endWithin }
}

function lengthOf(value: Value): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 8
}

/** Where each text ends among the bytes. */
function endsOf(lengths: Int32Array): Float64Array {
  const ends = new Float64Array(lengths.length)
  let end = 0
  for (let row = 0; row < lengths.length; row++) {
    end += Math.max(lengths[row] ?? 0, 0)
    ends[row] = end
  }
  return ends
}

function createBuilder(count: number) {
  const columns: PackedColumn[] = []
  const fixed: { at: number; bytes: Uint8Array }[] = []
  const tail: Uint8Array[] = []
  let size = 0

  /** At a multiple of eight bytes, so that any kind of number can be read there. */
  function place(bytes: Uint8Array): number {
    const at = size
    fixed.push({ at, bytes })
    size += Math.ceil(bytes.length / 8) * 8
    return at
  }

  return {
    addNumbers({ kind, width, bytes, nulls }: NumberColumn, from: number, to: number) {
      const at = place(bytes.subarray(from * width, to * width))
      columns.push({ kind, at, nulls: nulls === null ? null : place(nulls.subarray(from, to)) })
    },
    addTexts({ bytes, lengths }: PackedTexts, ends: Float64Array, from: number, to: number) {
      const part = lengths.subarray(from, to)
      const at = place(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
      const own = bytes.subarray(from === 0 ? 0 : ends[from - 1], to === 0 ? 0 : ends[to - 1])
      tail.push(own)
      columns.push({ kind: 'texts', at, bytes: own.length })
    },
    addCells(text: string) {
      const own = Buffer.from(text)
      tail.push(own)
      columns.push({ kind: 'cells', bytes: own.length })
    },
    finish(): PackedRows {
      const length = tail.reduce((sum, bytes) => sum + bytes.length, size)
      const data = new Uint8Array(length)
      for (const { at, bytes } of fixed) data.set(bytes, at)
      let end = size
      for (const bytes of tail) {
        data.set(bytes, end)
        end += bytes.length
      }
      return { count, columns, fixed: size, data }
    },
  }
}
