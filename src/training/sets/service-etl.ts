// The ETL of a feature service over a joined set: each row by itself, of its keys, request columns and features; the spine passes by.

import type { EtlRecord } from '../../catalog/etls.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import { asServiceError, transformRows } from '../../features/service-etl.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Column, Row } from '../../values/columns.ts'
import { parseStorage } from '../../values/storage-text.ts'
import type { RunResult } from '../run.ts'
import { withoutNaN } from './finite.ts'
import { beside, type RowFile } from './row-files.ts'

export interface ThroughEtl {
  etl: EtlRecord
  /** The ETL's input, each by the column of the joined file that it is. */
  input: readonly { column: Column; from: string }[]
  /** What it gave when the service was made. */
  outputColumns: readonly Column[]
  /** Columns of the joined file that pass by. */
  passed: readonly Column[]
  joined: RowFile
  path: string
  temporaryPath: string
  signal: AbortSignal
}

export async function runServiceEtl(
  { parquet, etlEngine }: { parquet: ParquetEngine; etlEngine: EtlEngine },
  asked: ThroughEtl,
): Promise<RunResult> {
  const { etl, input, passed, joined, path, temporaryPath, signal } = asked
  const inputPath = beside(temporaryPath, 'joined-rows')
  const outputPath = beside(temporaryPath, 'joined-output')
  const own = asked.outputColumns.map((column) => ({ ...column, nullable: true }))
  const taken = own.find(({ name }) => passed.some((each) => sameName(each.name, name)))
  if (taken !== undefined) throw collision(etl, taken)
  const casts = input.map(({ column: { name, storage }, from }) => {
    const cast = `CAST(${quoteName(from)} AS ${storage})`
    // As it is given them online: features come as JSON there, which has no NaN, and no infinity.
    return `${withoutNaN(cast, parseStorage(storage))} AS ${quoteName(name)}`
  })
  const given = await parquet.runOver({
    sql: `SELECT ${casts.join(', ')} FROM temp.joined`,
    inputs: [{ name: 'joined', ...joined }],
    outputPath: inputPath,
    signal,
  })
  const inputColumns = given.columns.map((column) => ({ ...column, nullable: true }))
  if (!(await inOnePass())) {
    await parquet.writeFrames({ path: outputPath, columns: own, batches: rowByRow(), signal })
  }
  const features = own.map(({ name }) => `o.${quoteName(name)}`)
  const spine = passed.map(({ name }) => `j.${quoteName(name)}`)
  const numbered = (name: string) => `(SELECT *, row_number() OVER () AS "gateway place" FROM temp.${name})`
  return parquet.runOver({
    sql: `SELECT ${[...spine, ...features].join(', ')} FROM ${numbered('joined')} j JOIN ${numbered('output')} o
      ON j."gateway place" = o."gateway place" ORDER BY j."gateway place"`,
    inputs: [
      { name: 'joined', ...joined },
      { name: 'output', path: outputPath, columns: own },
    ],
    outputPath: path,
    signal,
  })

  /** False where it works on rows otherwise than one by one, or has left some out. */
  async function inOnePass(): Promise<boolean> {
    if (given.rowCount === 0n || !(await etlEngine.worksRowByRow(etl))) return false
    const request = { etl, inputPath, inputColumns, outputPath, outputColumns: own, signal }
    const output = await etlEngine.runFile(request).catch((error: unknown) => {
      throw error instanceof AppError ? asServiceError(error) : error
    })
    return output.rowCount === given.rowCount
  }

  async function* rowByRow(): AsyncGenerator<readonly Row[]> {
    for await (const rows of parquet.scan(inputPath, { columns: inputColumns, signal })) {
      const asked = { etl, columns: inputColumns, outputColumns: own, rows, signal }
      yield (await transformRows(etlEngine, asked)).map((result): Row => {
        if (result instanceof AppError) throw result
        return result ?? own.map(() => null)
      })
    }
  }
}

const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

function collision({ name: etl }: EtlRecord, { name }: Column): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `Two columns would be named ${JSON.stringify(name)}: a column of the spine, and one that the ETL ${etl} gives. Give the spine's another name.`,
    { details: { name } },
  )
}
