// An appender for the time of some work, which leaves nothing behind that is written later.

import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api'

/**
 * Rows that the appender holds when the work fails are dropped: left there, they would be written when the appender is
 * collected, into whichever table of the connection bears the name by then.
 */
export async function withAppender(
  connection: DuckDBConnection,
  { table, schema, catalog }: { table: string; schema: string; catalog?: string },
  work: (appender: DuckDBAppender) => Promise<void> | void,
): Promise<void> {
  const appender = await connection.createAppender(table, schema, catalog)
  try {
    await work(appender)
    appender.closeSync()
  } catch (error) {
    appender.clear()
    throw error
  }
}
