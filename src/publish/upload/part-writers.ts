// Rows on their way into Parquet files: those that bring the same columns stand together, and a file is written whenever enough have come.

import { join } from 'node:path'
import { AppError } from '../../errors.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import type { Column, Row, Value } from '../../values/columns.ts'
import type { WarehouseTable } from '../../warehouse/port.ts'
import type { Cells } from '../ingest.ts'
import type { UploadPart } from './manifest.ts'

/** What waits for a file, over all of them: values, and characters and bytes in them. */
const waiting = { cells: 200_000, length: 8 * 1024 * 1024 }
/** Only columns with a default make a difference whether a row brings them. */
const maxParts = 32

interface Part {
  columns: readonly Column[]
  rows: Row[]
  files: string[]
  rowCount: number
}

export function createPartWriters(
  engine: Pick<ParquetEngine, 'writeFrames'>,
  { table, folder }: { table: WarehouseTable; folder: string },
) {
  const parts = new Map<string, Part>()
  let [cells, length, fileCount] = [0, 0, 0]

  function partOf(names: readonly string[]): Part {
    const key = names.join('\0')
    const known = parts.get(key)
    if (known !== undefined) return known
    if (parts.size === maxParts)
      throw new AppError(
        'BAD_USER_INPUT',
        `The rows leave out columns with a default in more than ${maxParts} ways; give each row all of them, or send the rows in parts.`,
      )
    const columns = names.flatMap((name) => table.columns.filter((column) => column.name === name))
    const part = { columns, rows: [], files: [], rowCount: 0 }
    parts.set(key, part)
    return part
  }

  async function flush() {
    for (const part of parts.values()) {
      if (part.rows.length === 0) continue
      const name = `rows-${fileCount++}.parquet`
      await engine.writeFrames({ path: join(folder, name), columns: part.columns, batches: [part.rows] })
      part.files.push(name)
      part.rows = []
    }
    cells = 0
    length = 0
  }

  return {
    /** Resolves once the next may be added; undefined when it may be at once. */
    add(row: Cells): Promise<void> | undefined {
      const part = partOf([...row.keys()])
      const values = [...row.values()]
      part.rows.push(values)
      part.rowCount++
      cells += values.length
      for (const value of values) length += lengthOf(value)
      if (cells >= waiting.cells || length >= waiting.length) return flush()
      return undefined
    },
    async end(): Promise<UploadPart[]> {
      await flush()
      return [...parts.values()].map(({ columns, files, rowCount }) => ({ columns, files, rowCount }))
    },
  }
}

function lengthOf(value: Value): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce<number>((sum, part: Value) => sum + 8 + lengthOf(part), 0)
}
