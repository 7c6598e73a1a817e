// The warehouse on a PostgreSQL server: reads in read-only transactions, exports streamed, appends counted by a version.

import { createCsvWriter } from '../../parquet/csv-to-parquet.ts'
import { qualifiedName } from '../../sql/sql-text.ts'
import { readVersion } from '../ledger.ts'
import { createTable, type TableToMake } from '../new-table.ts'
import type { WarehouseOptions } from '../options.ts'
import { atMoment, selectFrom } from '../planned-statement.ts'
import type { ExportRequest, Warehouse, WarehouseTable } from '../port.ts'
import type { ErrorContext } from '../server-error.ts'
import { composeWith } from '../set-statement.ts'
import { append, appendFiles, findMisfit } from './append.ts'
import { postgresAsOf, postgresDialect } from './dialect.ts'
import { erase } from './erase.ts'
import { toPostgresError } from './error.ts'
import { checkRole, examineServer } from './examine.ts'
import { exportParquet } from './export.ts'
import { withGiven } from './given.ts'
import { explain, lookup } from './lookup.ts'
import { createLookupMany } from './lookup-many.ts'
import { createPlans, proveStatement } from './plan.ts'
import { scan } from './scan.ts'
import { createSchemas, listTables, makeTable, typesOf } from './schema.ts'
import type { Session } from './session.ts'
import { openSessions, type Workload } from './sessions.ts'
import { listenForSigns } from './sign-listener.ts'
import { changesOf, createSignTaker, endSigns } from './signs.ts'
import { createSnapshots } from './snapshots.ts'

/** The server stops what takes longer; callers usually stop sooner. */
const exportTimeoutMs = 24 * 3600 * 1000

/** The server expects an index's pages to be read from disk, each by itself; for thousands of keys in turn most are at hand. */
const indexOverestimate = 10

export async function createPostgresWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const { url, log } = options
  const csv = await createCsvWriter({
    folders: [options.datasetsFolder, options.temporaryFolder],
    temporaryFolder: options.temporaryFolder,
    memoryMb: options.memoryMb,
  })
  const sessions = openSessions(url, log)
  const plans = createPlans()
  const taker = createSignTaker(sessions)
  const snapshots = createSnapshots({ sessions, plans, timeoutMs: exportTimeoutMs })

  /** Runs work on a connection; what the server throws comes out as an AppError. */
  async function use<T>(
    workload: Workload,
    context: ErrorContext,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    try {
      return await sessions.use(workload, context.signal, work)
    } catch (error) {
      throw toPostgresError(error, context)
    }
  }

  async function close() {
    await sessions.close()
    await csv.close()
  }

  try {
    await use('write', { refused: 'WAREHOUSE_FAILED' }, async (session) => {
      await createSchemas(session)
      const told = await checkRole(session)
      if (told.level !== 'OK') log.warn(`The warehouse: ${told.text}; ${told.mend}`)
    })
  } catch (error) {
    await close()
    throw error
  }

  const describe: Warehouse['describe'] = (sql, { signal, key, origin } = {}) =>
    use('quick', { sql, signal }, async (session) => {
      const plan = await plans.make(session, sql)
      const { columns, tables: read, asking } = plan
      const proven = await proveStatement(session, plan, { key, origin })
      return { columns, tables: read, asksForMoment: asking !== null, ...proven }
    })

  async function tables(): Promise<WarehouseTable[]> {
    const all = await use('quick', {}, (session) => listTables(session))
    return all.map(({ oid: _, carriers, ownTypes, keeps, ...table }) => table)
  }

  /** The first, unless another is expected to cost far less. */
  async function cheapest(session: Session, request: ExportRequest): Promise<ExportRequest> {
    const { sql, otherwise = [] } = request
    if (otherwise.length === 0) return request
    const costOf = async (each: string) => {
      const explained = plans.withPlan(session, { ...request, sql: each }, (plan) =>
        explain(session, selectFrom(plan).text),
      )
      return (await explained).cost
    }
    let best = { sql, cost: (await costOf(sql)) / indexOverestimate }
    for (const each of otherwise) {
      const cost = await costOf(each)
      if (cost < best.cost) best = { sql: each, cost }
    }
    return { ...request, sql: best.sql }
  }

  const make = (table: TableToMake) =>
    use('write', { refused: 'BAD_USER_INPUT' }, (session) => makeTable(session, table))

  const ownTypes = (sql: string) => use('quick', {}, (session) => typesOf(session, sql))

  return {
    name: 'postgres',
    joinsLaterally: postgresAsOf.hasLateral,
    describe,
    atMoment: (sql, expression, { signal } = {}) =>
      use('quick', { sql, signal }, async (session) => atMoment(await plans.make(session, sql), expression)),
    exportParquet: (request) =>
      use('slow', request, (session) =>
        withGiven(session, request.given, {
          files: csv.files,
          work: async () =>
            plans.withPlan(session, await cheapest(session, request), (plan) =>
              exportParquet(session, plan, request, { sessions, csv, timeoutMs: exportTimeoutMs, log }),
            ),
        }),
      ),
    composeTrainingSet: (set) => composeWith(postgresAsOf, set, ['lateral', 'window']),
    holdSnapshot: snapshots.hold,
    lookup: (request) =>
      use('quick', request, (session) =>
        plans.withPlan(session, request, (plan) =>
          snapshots.within(session, plan, request, () =>
            lookup(session, plan, request, options.lookupLimits),
          ),
        ),
      ),
    lookupMany: createLookupMany({ sessions, plans, limits: options.lookupLimits }),
    scan: (request) => scan(request, { sessions, plans, timeoutMs: exportTimeoutMs }),
    append: (request) => use('write', { refused: 'BAD_USER_INPUT' }, (session) => append(session, request)),
    appendFiles: (request) =>
      use('write', { refused: 'BAD_USER_INPUT' }, (session) => appendFiles(session, csv.files, request)),
    erase: (request) => use('write', { refused: 'BAD_USER_INPUT' }, (session) => erase(session, request)),
    findMisfit: (rows) => use('quick', {}, (session) => findMisfit(session, rows)),
    tables,
    createTable: (table) =>
      createTable({ describe, tables, dialect: postgresDialect, make, ownTypes }, table),
    version: () => use('quick', {}, readVersion),
    signs: {
      async read(keysRead) {
        const signs = await taker.take()
        if (signs.length === 0) return null
        const wanted = await keysRead(signs.map(qualifiedName))
        const changes = await use('quick', {}, (session) => changesOf(session, signs, wanted))
        const done = async () => {
          await use('write', {}, (session) => endSigns(session, signs))
          await taker.leave()
        }
        return { changes, done }
      },
      listen: (onSign) => listenForSigns(url, { onSign, log }),
    },
    examine: () => use('quick', {}, examineServer),
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
