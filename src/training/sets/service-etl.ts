// The ETL of a feature service over a joined set: each row by itself, of its keys, request columns and features; the spine passes by.

import type { EtlRecord } from '../../catalog/etls.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Column, Row } from '../../values/columns.ts'
import type { RunResult } from '../run.ts'
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
  const casts = input.map(
    ({ column, from }) => `CAST(${quoteName(from)} AS ${column.storage}) AS ${quoteName(column.name)}`,
  )
  const given = await parquet.runOver({
    sql: `SELECT ${casts.join(', ')} FROM temp.joined`,
    inputs: [{ name: 'joined', ...joined }],
    outputPath: inputPath,
    signal,
  })
  const inputColumns = given.columns.map((column) => ({ ...column, nullable: true }))
  const columns = (await inOnePass()) ?? (await rowByRow())
  const taken = columns.find(({ name }) => passed.some((each) => sameName(each.name, name)))
  if (taken !== undefined) throw collision(etl, taken)
  const spine = passed.map(({ name }) => `j.${quoteName(name)}`)
  const own = columns.map(({ name }) => `o.${quoteName(name)}`)
  const numbered = (name: string) => `(SELECT *, row_number() OVER () AS "gateway place" FROM temp.${name})`
  return parquet.runOver({
    sql: `SELECT ${[...spine, ...own].join(', ')} FROM ${numbered('joined')} j JOIN ${numbered('output')} o
      ON j."gateway place" = o."gateway place" ORDER BY j."gateway place"`,
    inputs: [
      { name: 'joined', ...joined },
      { name: 'output', path: outputPath, columns },
    ],
    outputPath: path,
    signal,
  })

  /** Null where it works on rows otherwise than one by one, or has left some out. */
  async function inOnePass(): Promise<readonly Column[] | null> {
    if (given.rowCount === 0n || !(await etlEngine.worksRowByRow(etl))) return null
    const output = await etlEngine.runFile({ etl, inputPath, inputColumns, outputPath, signal })
    return output.rowCount === given.rowCount ? output.columns : null
  }

  async function rowByRow(): Promise<readonly Column[]> {
    const own = asked.outputColumns.map((column) => ({ ...column, nullable: true }))
    await parquet.writeFrames({ path: outputPath, columns: own, batches: transformed(own), signal })
    return own
  }

  async function* transformed(own: readonly Column[]): AsyncGenerator<readonly Row[]> {
    for await (const rows of parquet.scan(inputPath, { columns: inputColumns, signal })) {
      const groups = rows.map((row) => [row])
      const results = await etlEngine.runGroups({ etl, inputColumns, groups, outputColumns: own, signal })
      yield results.map((result): Row => {
        if (!result.ok) throw result.error
        const { rows: out } = result.frame
        if (out.length > 1) throw tooMany(etl, out.length)
        return out[0] ?? own.map(() => null)
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

function tooMany({ name }: EtlRecord, count: number): AppError {
  return new AppError(
    'ETL_FAILED',
    `ETL ${name} gave ${count} rows for one entity; on a feature service it gives one row, or none.`,
    { details: { etl: name } },
  )
}
