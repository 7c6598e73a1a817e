// The different values that columns of Parquet files hold together, if they are not too many.

import type { DuckDBConnection } from '@duckdb/node-api'
import { carrierOf } from '../duckdb/column-types.ts'
import { readRows } from '../duckdb/decode.ts'
import { castList } from '../duckdb/plan.ts'
import { quoteName } from '../sql/sql-text.ts'
import type { Column, Row } from '../values/columns.ts'
import { readFiles } from './file-faults.ts'

/** The engine's estimate is off by a few hundredths. */
const sureRatio = 1.5

/** Rows without a null; null when there are more than `max`. */
export async function distinctValues(
  connection: DuckDBConnection,
  { files, columns, max }: { files: readonly string[]; columns: readonly Column[]; max: number },
): Promise<readonly Row[] | null> {
  const names = columns.map(({ name }) => quoteName(name))
  const estimated = await connection.run(
    `SELECT approx_count_distinct(hash(${names.join(', ')}))::DOUBLE FROM ${readFiles(files)}`,
  )
  if (Number((await estimated.getRows())[0]?.[0]) > max * sureRatio) return null
  const result = await connection.run(
    `SELECT DISTINCT ${castList(columns)} FROM ${readFiles(files)}
     WHERE ${names.map((name) => `${name} IS NOT NULL`).join(' AND ')} LIMIT ${max + 1}`,
  )
  const rows = await readRows(result, result.columnTypes().map(carrierOf))
  return rows.length > max ? null : rows
}
