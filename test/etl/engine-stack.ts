// The ETL engine on a real Parquet engine, in a folder of its own.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { AppError, ErrorCode } from '../../src/errors.ts'
import { createEtlEngine, type EtlGroupResult, type RunnableEtl } from '../../src/etl/engine.ts'
import { createParquetEngine } from '../../src/parquet/engine.ts'
import type { Column, ColumnType, Frame, Row } from '../../src/values/columns.ts'

export type EngineStack = Awaited<ReturnType<typeof openEngineStack>>

export async function openEngineStack({ timeoutMs = 5000, memoryMb = 128 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'etl-engine-'))
  const log = pino({ level: process.env.LOG_LEVEL ?? 'silent' })
  const parquet = await createParquetEngine({ folders: [folder], memoryMb: 1024, temporaryFolder: folder })
  const engine = createEtlEngine({
    folders: [folder],
    parquetMemoryMb: 1024,
    sqlRunner: parquet,
    timeoutMs,
    memoryMb,
    temporaryFolder: folder,
    log,
  })
  let files = 0

  return {
    folder,
    parquet,
    engine,
    newPath: () => join(folder, `file-${files++}.parquet`),

    /** A Parquet file of the rows. */
    async writeRows(
      columns: readonly Column[],
      rows: readonly Row[] | AsyncIterable<readonly Row[]>,
    ): Promise<string> {
      const path = join(folder, `input-${files++}.parquet`)
      await parquet.writeFrames({
        path,
        columns,
        batches: Array.isArray(rows) ? [rows] : (rows as AsyncIterable<readonly Row[]>),
      })
      return path
    },

    /** Through a file, as training does. */
    async train(etl: RunnableEtl, { columns, rows }: Frame, signal?: AbortSignal): Promise<Frame> {
      const inputPath = await this.writeRows(columns, rows)
      const outputPath = this.newPath()
      const result = await engine.runFile({ etl, inputPath, inputColumns: columns, outputPath, signal })
      return parquet.read(outputPath, { columns: result.columns })
    },

    /** One group, as realtime does. */
    async serve(
      etl: RunnableEtl,
      { columns, rows }: Frame,
      outputColumns: readonly Column[] | null = null,
    ): Promise<EtlGroupResult> {
      const [result] = await engine.runGroups({ etl, inputColumns: columns, groups: [rows], outputColumns })
      if (result === undefined) throw new Error('There is no result')
      return result
    },

    async close() {
      await engine.close()
      await parquet.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const storages: Record<ColumnType, string> = {
  BOOLEAN: 'BOOLEAN',
  INT32: 'INTEGER',
  INT64: 'BIGINT',
  FLOAT64: 'DOUBLE',
  DECIMAL: 'DECIMAL(38,9)',
  STRING: 'VARCHAR',
  BYTES: 'BLOB',
  DATE: 'DATE',
  TIMESTAMP: 'TIMESTAMP',
  LIST: 'BIGINT[]',
  STRUCT: 'STRUCT("a" BIGINT)',
  JSON: 'JSON',
}

export function column(
  name: string,
  type: ColumnType,
  { nullable = true, storage = storages[type] } = {},
): Column {
  return { name, type, nullable, storage }
}

export function javaScript(source: string, name = 'features.js'): RunnableEtl {
  return { name, language: 'JAVASCRIPT', source }
}

export function typeScript(source: string, name = 'features.ts'): RunnableEtl {
  return { name, language: 'TYPESCRIPT', source }
}

export function sql(source: string, name = 'features.sql'): RunnableEtl {
  return { name, language: 'SQL', source }
}

export function frameOf(result: EtlGroupResult | undefined): Frame {
  if (result?.ok !== true) throw result?.error ?? new Error('There is no result')
  return result.frame
}

export function errorOf(result: EtlGroupResult | undefined): AppError {
  if (result?.ok !== false) throw new Error('It did not fail')
  return result.error
}

/** What an expected rejection looks like. */
export function failing(code: ErrorCode, message: RegExp) {
  return { name: 'AppError', code, message: expectMatching(message) }
}

function expectMatching(pattern: RegExp): unknown {
  return {
    asymmetricMatch: (text: unknown) => typeof text === 'string' && pattern.test(text),
    toString: () => String(pattern),
  }
}
