// The warehouse on a PostgreSQL server: reads in read-only transactions, exports streamed, appends counted by a version.

import { createCsvWriter } from '../parquet/csv-to-parquet.ts'
import { quoteName } from '../parquet/sql-text.ts'
import type { WarehouseOptions } from './options.ts'
import type { ScanResult, Warehouse } from './port.ts'
import { append, readVersion } from './postgres-append.ts'
import { type PostgresErrorContext, toPostgresError } from './postgres-error.ts'
import { exportCsv } from './postgres-export.ts'
import { keyIndex, lookup, readRow } from './postgres-lookup.ts'
import { createPlans, type Plan, proveStatement } from './postgres-plan.ts'
import { createSchemas, listTables } from './postgres-schema.ts'
import type { Session } from './postgres-session.ts'
import { type Lane, openSessions } from './postgres-sessions.ts'
import { lengthInCharacters } from './postgres-text.ts'

const scanRows = 4096
/** The server stops what takes longer; callers usually stop sooner. */
const exportTimeoutMs = 24 * 3600 * 1000

export async function createPostgresWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const { url, log } = options
  const csv = await createCsvWriter({
    folders: [options.datasetsFolder, options.temporaryFolder],
    temporaryFolder: options.temporaryFolder,
    memoryMb: options.memoryMb,
  })
  const sessions = openSessions(url, log)
  const plans = createPlans()

  /** Runs work on a connection; what the server throws comes out as an AppError. */
  async function use<T>(
    lane: Lane,
    context: PostgresErrorContext,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    try {
      return await sessions.use(lane, context.signal, work)
    } catch (error) {
      throw toPostgresError(error, context)
    }
  }

  async function planned(session: Session, sql: string): Promise<Plan> {
    return plans.find(sql) ?? (await plans.make(session, sql))
  }

  async function scan({ sql, key, signal }: Parameters<Warehouse['scan']>[0]): Promise<ScanResult> {
    const fail = (error: unknown, offset = 0) => toPostgresError(error, { sql, signal, offset })
    const lease = await sessions.lease('stream', signal).catch((error: unknown) => {
      throw fail(error)
    })
    const { session } = lease
    const prefix = 'DECLARE rows NO SCROLL CURSOR FOR '
    try {
      const { plan, version } = await lease.run(async () => {
        const made = await planned(session, sql)
        const name = quoteName(made.columns[keyIndex(key, made)]?.name ?? '')
        const isOrdered = made.carriers[keyIndex(key, made)]?.keyType != null
        await session.script(
          `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = ${exportTimeoutMs}`,
        )
        const read = await readVersion(session)
        // The result's column is what is read; the query's own is what an index orders.
        const order = isOrdered
          ? `t.${name}`
          : `(${made.carriers[keyIndex(key, made)]?.select(`t.${name}`)})::text`
        await session
          .query(`${prefix}${made.select}${made.sql}\n) t WHERE t.${name} IS NOT NULL ORDER BY ${order}`)
          .catch((error: unknown) => {
            throw fail(error, lengthInCharacters(prefix + made.select))
          })
        return { plan: made, version: read }
      })
      const batches = async function* () {
        try {
          for (;;) {
            const rows = await lease.run(() => session.query(`FETCH ${scanRows} FROM rows`))
            if (rows.length > 0) yield rows.map((row) => readRow(plan, row))
            if (rows.length < scanRows) return
          }
        } catch (error) {
          throw fail(error)
        } finally {
          await lease.release()
        }
      }
      return { version, columns: plan.columns, batches: batches() }
    } catch (error) {
      await lease.release()
      throw fail(error)
    }
  }

  async function close() {
    await sessions.close()
    await csv.close()
  }

  try {
    await use('write', { refused: 'WAREHOUSE_FAILED' }, createSchemas)
  } catch (error) {
    await close()
    throw error
  }

  return {
    name: 'postgres',
    describe: (sql, { signal, key } = {}) =>
      use('quick', { sql, signal }, async (session) => {
        const { columns, tables } = await planned(session, sql)
        return { columns, tables, ...(key !== undefined && (await proveStatement(session, sql, key))) }
      }),
    exportParquet: (request) =>
      use('slow', request, async (session) => {
        const plan = await planned(session, request.sql)
        return exportCsv(session, plan, request, { sessions, csv, timeoutMs: exportTimeoutMs, log })
      }),
    lookup: (request) =>
      use('quick', request, async (session) =>
        lookup(session, await planned(session, request.sql), request, options.lookupLimits),
      ),
    scan,
    append: (request) => use('write', { refused: 'BAD_USER_INPUT' }, (session) => append(session, request)),
    tables: () =>
      use('quick', {}, async (session) => {
        const tables = await listTables(session)
        return tables.map(({ schema, name, columns }) => ({ schema, name, columns }))
      }),
    version: () => use('quick', {}, readVersion),
    async ping() {
      try {
        await sessions.ping()
      } catch (error) {
        throw toPostgresError(error)
      }
    },
    close,
  }
}
