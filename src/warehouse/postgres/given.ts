// Rows for a statement as a temporary table of its connection, which COPY fills.

import { pipeline } from 'node:stream/promises'
import type { FileReader } from '../../parquet/file-reader.ts'
import { quoteName } from '../../sql/sql-text.ts'
import { refusalOfRows } from '../given-rows.ts'
import type { GivenRows } from '../port.ts'
import { postgresDialect } from './dialect.ts'
import { isServerError } from './error.ts'
import { csvText } from './file-targets.ts'
import type { Session } from './session.ts'

/** The work in whose time the table is there. */
export async function withGiven<T>(
  session: Session,
  given: GivenRows | undefined,
  { files, work }: { files: FileReader; work: () => Promise<T> },
): Promise<T> {
  if (given === undefined) return work()
  const table = quoteName(given.name)
  try {
    await fill(session, given, files)
    return await work()
  } catch (error) {
    throw isRefusal(error) ? refusalOfRows(error) : error
  } finally {
    const leave = session.isIdle() ? '' : 'ROLLBACK; '
    await session
      .script(`${leave}BEGIN READ WRITE; DROP TABLE IF EXISTS pg_temp.${table}; COMMIT`)
      // A connection that holds the table still is of no further use.
      .catch(() => session.destroy())
  }
}

async function fill(session: Session, { name, path, columns }: GivenRows, files: FileReader): Promise<void> {
  const table = quoteName(name)
  const types = columns.map(
    ({ name: column, storage }) => `${quoteName(column)} ${postgresDialect.types[storage] ?? storage}`,
  )
  const expressions = columns.map(
    ({ name: column, storage }) => csvText(quoteName(column), storage) ?? quoteName(column),
  )
  await session.script(`BEGIN READ WRITE; CREATE TEMP TABLE ${table} (${types.join(', ')})`)
  const copy = session.copyFrom(`COPY ${table} FROM STDIN (FORMAT csv)`)
  await files.csv([path], expressions, (csv) => pipeline(csv, copy))
  await session.script(`ANALYZE ${table}; COMMIT`)
}

/** A value that the server's type has not, a right that is not given, or texts whose collations do not go together. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof Error && !isServerError(error) ? error.cause : error
  return isServerError(cause) && /^(22\w{3}|42501|42P2[12])$/.test(cause.code)
}
