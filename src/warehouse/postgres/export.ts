// Exports a statement's result: the server streams CSV, which the Parquet engine reads as it comes.

import { once } from 'node:events'
import type { Logger } from 'pino'
import type { CsvWriter } from '../../parquet/csv-to-parquet.ts'
import { exportCsv } from '../csv-export.ts'
import { selectFrom, writtenOf } from '../planned-statement.ts'
import type { ExportRequest, ExportResult } from '../port.ts'
import { toPostgresError } from './error.ts'
import { explain } from './lookup.ts'
import { beginReading, type PostgresStatement } from './plan.ts'
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

export async function exportParquet(
  session: Session,
  plan: PostgresStatement,
  request: ExportRequest,
  { sessions, csv, timeoutMs, log }: ExportParts,
): Promise<ExportResult> {
  const { signal, onProgress, snapshot } = request
  const { expressions } = plan
  const { prefix, text } = selectFrom(plan, expressions.length === 1 ? [...expressions, '1'] : expressions)
  let timer: NodeJS.Timeout | undefined
  try {
    await beginReading(session, plan, { timeoutMs, snapshot })
    if (onProgress !== undefined) {
      const { rows } = await explain(session, text)
      const report = async () =>
        onProgress({ fraction: await readProgress(sessions, session.processId, rows) })
      timer = setInterval(() => {
        report().catch((error: unknown) =>
          log.debug({ err: error }, 'The progress of an export is not known'),
        )
      }, progressIntervalMs)
    }
    const source = session.copyTo(`COPY (${text}) TO STDOUT (FORMAT csv)`)
    try {
      // The engine is not asked to wait for what may take the server long.
      await once(source, 'readable')
      return await exportCsv(csv, plan, request, {
        source,
        async rowCount() {
          // The server says it after the last row, and before it answers what follows.
          await session.script('COMMIT')
          return source.rowCount
        },
      })
    } catch (error) {
      // What is left of the stream nobody reads: the connection is of no further use.
      source.destroy()
      session.destroy()
      throw error
    }
  } catch (error) {
    const offset = lengthInCharacters(`COPY (${prefix}`)
    throw toPostgresError(error, { ...writtenOf(plan), signal, offset })
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
