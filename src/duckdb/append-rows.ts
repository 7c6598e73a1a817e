// Values into a table through the engine's appender: a chunk at a time, each column by the client's own writer.

import { type DuckDBAppender, DuckDBDataChunk, type DuckDBValue } from '@duckdb/node-api'
import type { Row, Value } from '../values/columns.ts'
import { type Carrier, carrierOf, ValueMismatch } from './column-types.ts'

/** As many rows as the engine takes at once. */
const chunkRows = 2048

/** By column. */
export interface ColumnBatch {
  count: number
  columns: readonly (readonly Value[])[]
}

/** Gives a column's cells of the rows from one up to another. */
type CellsOf = (column: number, from: number, to: number) => readonly Value[]

/** Throws ValueMismatch, which names the row, counted on from those before, and the column. */
function createChunkAppender(appender: DuckDBAppender, names: readonly string[]) {
  const types = names.map((_, i) => appender.columnType(i))
  const carriers = types.map(carrierOf)

  return function append(count: number, cellsOf: CellsOf, rowsBefore = 0): void {
    for (let from = 0; from < count; from += chunkRows) {
      const to = Math.min(from + chunkRows, count)
      const chunk = DuckDBDataChunk.create(types, to - from)
      carriers.forEach((carrier, index) => {
        const values = cellsOf(index, from, to).map((cell, row) =>
          writeCell(cell, carrier, () => `row ${rowsBefore + from + row + 1}, column "${names[index]}"`),
        )
        chunk.setColumnValues(index, values)
      })
      appender.appendDataChunk(chunk)
    }
  }
}

/** Throws ValueMismatch, which says where. */
export function writeCell(value: Value, { write }: Carrier, where: () => string): DuckDBValue {
  if (value === null) return null
  try {
    return write(value)
  } catch (error) {
    if (error instanceof ValueMismatch) throw new ValueMismatch(`${where()}: ${error.message}`)
    throw error
  }
}

export function createColumnAppender(appender: DuckDBAppender, names: readonly string[]) {
  const append = createChunkAppender(appender, names)
  return {
    append({ count, columns }: ColumnBatch): void {
      append(count, (column, from, to) => columns[column]?.slice(from, to) ?? [])
    },
  }
}

export interface RowAppender {
  append(rows: readonly Row[], rowsBefore?: number): void
}

/** `targets` says for each column of the table which cell of a row goes there; null leaves it null. */
export function createRowAppender(
  appender: DuckDBAppender,
  targets: readonly { name: string; cell: number | null }[],
): RowAppender {
  const append = createChunkAppender(
    appender,
    targets.map(({ name }) => name),
  )
  return {
    append(rows, rowsBefore) {
      const cellsOf: CellsOf = (column, from, to) => {
        const cell = targets[column]?.cell ?? null
        return rows.slice(from, to).map((row) => (cell === null ? null : (row[cell] ?? null)))
      }
      append(rows.length, cellsOf, rowsBefore)
    },
  }
}
