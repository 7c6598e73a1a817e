// Rows for a statement as a view of its connection over the file that holds them.

import type { DuckDBConnection } from '@duckdb/node-api'
import { castList } from '../../duckdb/plan.ts'
import { quoteName, quotePath } from '../../sql/sql-text.ts'
import type { GivenRows } from '../port.ts'

/** The work in whose time the view is there. */
export async function withGiven<T>(
  connection: DuckDBConnection,
  given: GivenRows | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (given === undefined) return work()
  const view = quoteName(given.name)
  await connection.run(
    `CREATE TEMP VIEW ${view} AS SELECT ${castList(given.columns)} FROM read_parquet(${quotePath(given.path)})`,
  )
  try {
    return await work()
  } finally {
    await connection.run(`DROP VIEW IF EXISTS temp.${view}`).catch(() => undefined)
  }
}
