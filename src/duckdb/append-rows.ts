// Rows into a table through the engine's appender, a chunk at a time.

import {
  type DuckDBAppender,
  DuckDBDataChunk,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import type { Row, Value } from '../values/columns.ts'
import { type Carrier, carrierOf, ValueMismatch } from './column-types.ts'
import { plainCells, plainTexts, setPlain } from './plain-cells.ts'
import { packable, packStrings, writeTexts } from './text-vector.ts'

/** As many rows as the engine takes at once. */
export const chunkRows = 2048

export interface RowAppender {
  /** Throws ValueMismatch, which names the row, counted on from those before, and the column. */
  append(rows: readonly Row[], rowsBefore?: number): void
}

/** `targets` says for each column of the table which cell of a row goes there; null leaves it null. */
export function createRowAppender(
  appender: DuckDBAppender,
  targets: readonly { name: string; cell: number | null }[],
): RowAppender {
  const types: DuckDBType[] = targets.map((_, i) => appender.columnType(i))
  const carriers = types.map(carrierOf)

  function writeColumn(rows: readonly Row[], from: number, index: number): DuckDBValue[] {
    const target = targets[index]
    const carrier = carriers[index]
    const cell = target?.cell ?? null
    if (cell === null || carrier === undefined) return new Array<DuckDBValue>(rows.length).fill(null)
    return rows.map((row, i) =>
      writeCell(row[cell] ?? null, carrier, () => `row ${from + i + 1}, column "${target?.name}"`),
    )
  }

  function setCells(chunk: DuckDBDataChunk, part: readonly Row[], from: number, index: number): void {
    const type = types[index]
    if (type === undefined) return
    const cell = targets[index]?.cell ?? null
    const plain = cell === null ? null : plainCells(part, cell, type)
    if (plain !== null) {
      setPlain({ chunk, index, type }, plain, 0, part.length)
      return
    }
    const texts = cell === null ? null : plainTexts(part, cell, type)
    setColumn(chunk, index, type, texts ?? writeColumn(part, from, index))
  }

  return {
    append(rows, rowsBefore = 0) {
      for (let from = 0; from < rows.length; from += chunkRows) {
        const part = rows.slice(from, from + chunkRows)
        const chunk = DuckDBDataChunk.create(types, part.length)
        types.forEach((_, i) => {
          setCells(chunk, part, rowsBefore + from, i)
        })
        appender.appendDataChunk(chunk)
      }
    },
  }
}

export function setColumn(
  chunk: DuckDBDataChunk,
  column: number,
  { typeId }: DuckDBType,
  values: readonly DuckDBValue[],
): void {
  if (typeId === DuckDBTypeId.VARCHAR && packable(values as readonly (string | null)[]))
    writeTexts(chunk, column, packStrings(values as readonly (string | null)[]))
  else chunk.setColumnValues(column, values)
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
