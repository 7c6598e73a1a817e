// What a dataset holds, column by column: nulls, an estimate of distinct values, the least and the greatest.

import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatasetRecord } from '../catalog/datasets.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import { quoteName } from '../sql/sql-text.ts'
import type { Column, ColumnType, Value } from '../values/columns.ts'

export interface ColumnProfile {
  name: string
  type: ColumnType
  nulls: number
  /** An estimate that may be off by a quarter. */
  distinct: number
  /** Null when the column holds no value, or values that have no order. */
  min: Value
  max: Value
}

const unordered: ReadonlySet<ColumnType> = new Set<ColumnType>(['LIST', 'STRUCT', 'JSON', 'BYTES'])

export interface ProfileRequest {
  dataset: DatasetRecord
  /** The dataset's file. */
  path: string
  temporaryFolder: string
  signal: AbortSignal
}

export async function profileDataset(
  parquet: ParquetEngine,
  { dataset, path, temporaryFolder, signal }: ProfileRequest,
): Promise<ColumnProfile[]> {
  const outputPath = join(temporaryFolder, `${dataset.id}.${randomUUID()}.profile.parquet`)
  const sql = `SELECT ${dataset.columns.map(summarize).join(', ')} FROM input`
  try {
    const { columns } = await parquet.runSql({
      sql,
      inputPath: path,
      inputColumns: dataset.columns,
      outputPath,
      signal,
    })
    const { rows } = await parquet.read(outputPath, { columns })
    const cells = rows[0] ?? []
    return dataset.columns.map((column, i) => ({
      name: column.name,
      type: column.type,
      nulls: Number(cells[4 * i]),
      distinct: Number(cells[4 * i + 1]),
      min: cells[4 * i + 2] ?? null,
      max: cells[4 * i + 3] ?? null,
    }))
  } finally {
    await rm(outputPath, { force: true })
  }
}

function summarize(column: Column, i: number): string {
  const name = quoteName(column.name)
  const [min, max] = unordered.has(column.type) ? ['NULL', 'NULL'] : [`min(${name})`, `max(${name})`]
  return `count(*) - count(${name}) AS nulls${i}, approx_count_distinct(${name}) AS distinct${i}, ${min} AS min${i}, ${max} AS max${i}`
}
