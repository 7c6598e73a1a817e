// Columns into a table through the engine's appender: whole pieces of memory where their values need no look.

import { type DuckDBAppender, DuckDBDataChunk, type DuckDBType } from '@duckdb/node-api'
import type { Value } from '../values/columns.ts'
import { chunkRows, setColumn, writeCell } from './append-rows.ts'
import { type Carrier, carrierOf } from './column-types.ts'
import { type PlainCells, setPlain } from './plain-cells.ts'
import { type PackedTexts, slicePacked, writeTexts } from './text-vector.ts'

/**
 * One column of a batch. Numbers go into DOUBLE as they are, and into BIGINT where all are safe integers; booleans are
 * bytes of 0 and 1; texts are well-formed. `nulls` has a 1 for each row that is null. All else goes as values.
 */
export type ColumnCells =
  | PlainCells
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
  setPlain({ chunk, index, type }, cells, from, to)
}
