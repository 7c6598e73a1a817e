// Exports a statement's result: the server streams CSV, which the Parquet engine reads as it comes.

import { once } from 'node:events'
import type { Logger } from 'pino'
import type { CsvWriter } from '../../parquet/csv-to-parquet.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { ExportRequest, ExportResult } from '../port.ts'
import { toPostgresError } from './error.ts'
import { explain } from './lookup.ts'
import { beginReading, type PlannedStatement } from './plan.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'
import { lengthInCharacters } from './text.ts'

const progressIntervalMs = 500

export interface ExportParts {
  sessions: Sessions
  csv: CsvWriter
  timeoutMs: number
  log: Logger
}

export async function exportCsv(
  session: Session,
  plan: PlannedStatement,
  { sql, path, isIntermediate, signal, onProgress }: ExportRequest,
  { sessions, csv, timeoutMs, log }: ExportParts,
): Promise<ExportResult> {
  // A single column has a second field beside it: an empty line would be neither a null nor an empty text.
  const select = plan.columns.length === 1 ? plan.select.replace(/ FROM \(\n$/, ', 1 FROM (\n') : plan.select
  const prefix = `COPY (${select}`
  let timer: NodeJS.Timeout | undefined
  try {
    await beginReading(session, plan, timeoutMs)
    if (onProgress !== undefined) {
      const { rows } = await explain(session, `${plan.select}${plan.sql}\n) t`)
      const report = async () =>
        onProgress({ fraction: await readProgress(sessions, session.processId, rows) })
      timer = setInterval(() => {
        report().catch((error: unknown) =>
          log.debug({ err: error }, 'The progress of an export is not known'),
        )
      }, progressIntervalMs)
    }
    const source = session.copyTo(`${prefix}${plan.sql}\n) t) TO STDOUT (FORMAT csv)`)
    try {
      // The engine is not asked to wait for what may take the server long.
      await once(source, 'readable')
      const columns = plan.columns.map((column, i) => {
        const carrier = plan.carriers[i]
        const load = carrier === undefined || carrier.isPlain ? null : carrier.load(quoteName(column.name))
        return { ...column, load }
      })
      const written = await csv.write({
        columns,
        source,
        path,
        isIntermediate,
        async rowCount() {
          // The server says it after the last row, and before it answers what follows.
          await session.script('COMMIT')
          return source.rowCount
        },
        signal,
      })
      return { columns: written.columns, rowCount: written.rowCount }
    } catch (error) {
      // What is left of the stream nobody reads: the connection is of no further use.
      source.destroy()
      session.destroy()
      throw error
    }
  } catch (error) {
    throw toPostgresError(error, { sql, signal, offset: lengthInCharacters(prefix) })
  } finally {
    clearInterval(timer)
  }
}

/** By the rows sent and the planner's estimate of all. */
async function readProgress(sessions: Sessions, processId: number, estimate: number): Promise<number | null> {
  if (estimate <= 0) return null
  const rows = await sessions.use('quick', undefined, (session) =>
    session.query('SELECT tuples_processed::text FROM pg_catalog.pg_stat_progress_copy WHERE pid = $1::int', [
      String(processId),
    ]),
  )
  const sent = Number(rows[0]?.[0] ?? 0)
  return Math.min(sent / estimate, 0.99)
}
