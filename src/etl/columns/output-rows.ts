// A batch of results, by column as it left its isolate, brought into the output's columns.

import type { ColumnBatch } from '../../duckdb/append-rows.ts'
import { unpackTexts } from '../../duckdb/text-vector.ts'
import type { Value } from '../../values/columns.ts'
import { type Encoded, encodeNumber } from '../script/isolate/encoded.ts'
import { kind } from '../script/isolate/shape.ts'
import type { OutputRows } from '../script/messages.ts'
import { type Conform, createConform, UnfitValueError } from './conform.ts'
import type { Misfit, MisfitHandler } from './output.ts'
import type { TypedColumn } from './output-type.ts'

/** One column as it came: values as the script gave them, or `encoded` where it holds what is not told as it is. */
type Cells =
  | {
      kind: 'texts' | 'booleans' | 'integers' | 'numbers'
      values: readonly (string | number | boolean | null)[]
    }
  | { kind: 'encoded'; encoded: readonly Encoded[] }

/** Reads one column out of the batch's memory. */
function createReader({ columns, shapes, count, fixed, tails, data }: OutputRows) {
  // Numbers are read where they are, which must be at a multiple of their size.
  const memory = new Uint8Array(fixed)
  memory.set(data.subarray(0, fixed))
  let end = fixed
  let next = 0
  const tailOf = columns.map(({ kind }) => {
    if (kind !== 'texts' && kind !== 'cells') return Buffer.alloc(0)
    const length = tails[next++] ?? 0
    end += length
    return Buffer.from(data.buffer, data.byteOffset + end - length, length)
  })

  return function read(index: number): Cells {
    const column = columns[index]
    const tail = tailOf[index] ?? Buffer.alloc(0)
    if (column === undefined || column.kind === 'cells')
      return { kind: 'encoded', encoded: JSON.parse(tail.toString()) as Encoded[] }
    if (column.kind === 'texts') {
      const lengths = new Int32Array(memory.buffer, column.at, count)
      return { kind: 'texts', values: unpackTexts({ bytes: tail, lengths }) }
    }
    const nulls = column.nulls === null ? null : memory.subarray(column.nulls, column.nulls + count)
    if (column.kind === 'booleans') {
      const bytes = memory.subarray(column.at, column.at + count)
      return {
        kind: 'booleans',
        values: Array.from(bytes, (byte, row) => (nulls?.[row] === 1 ? null : byte === 1)),
      }
    }
    const numbers = new Float64Array(memory.buffer, column.at, count)
    const isInteger = ((shapes[index]?.kinds ?? 0) & ~kind.NULL) === kind.INTEGER
    return {
      kind: isInteger ? 'integers' : 'numbers',
      values: Array.from(numbers, (number, row) => (nulls?.[row] === 1 ? null : number)),
    }
  }
}

/** Whether the cells are the column's values already. */
function fits({ type: { type } }: TypedColumn, cells: Cells): cells is Exclude<Cells, { kind: 'encoded' }> {
  switch (cells.kind) {
    case 'texts':
      return type === 'STRING'
    case 'booleans':
      return type === 'BOOLEAN'
    case 'integers':
      return type === 'FLOAT64' || type === 'INT64'
    case 'numbers':
      return type === 'FLOAT64'
    case 'encoded':
      return false
  }
}

function encodedOf(cells: Cells): readonly Encoded[] {
  if (cells.kind === 'encoded') return cells.encoded
  return cells.values.map((value) => (typeof value === 'number' ? encodeNumber(value) : value))
}

/** Brings a batch into the columns. Of what does not fit, the first of the first such row is told to `onMisfit`. */
export function createColumnAligner(columns: readonly TypedColumn[]) {
  const conforms: readonly Conform[] = columns.map(({ type, declared }) => createConform(type, declared))

  return function align(batch: OutputRows, onMisfit: MisfitHandler): ColumnBatch {
    const read = createReader(batch)
    let first: Misfit | null = null

    function conformAll(cells: readonly Encoded[], index: number): Value[] {
      return cells.map((cell, row) => {
        try {
          return conforms[index]?.(cell) ?? null
        } catch (error) {
          if (!(error instanceof UnfitValueError)) throw error
          const column = columns[index]?.name ?? ''
          if (first === null || row < first.row) first = { column, row, message: error.message }
          return null
        }
      })
    }

    const positions = new Map(batch.keys.map((key, i) => [key, i]))
    const aligned = columns.map((column, index): readonly Value[] => {
      const at = positions.get(column.name)
      if (at === undefined) return new Array<Value>(batch.count).fill(null)
      const cells = read(at)
      return fits(column, cells) ? cells.values : conformAll(encodedOf(cells), index)
    })
    if (first !== null) onMisfit(first)
    return { count: batch.count, columns: aligned }
  }
}
