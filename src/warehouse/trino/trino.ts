// The warehouse on Trino: results paged and streamed, reads of one version, appends that a ledger makes seen at once.

import { randomUUID } from 'node:crypto'
import { createCsvWriter } from '../../parquet/csv-to-parquet.ts'
import { createTable, type TableToMake } from '../new-table.ts'
import type { WarehouseOptions } from '../options.ts'
import { createPlanCache, PlanOutdated } from '../plan-cache.ts'
import { asAsked, atMoment, writtenOf } from '../planned-statement.ts'
import type {
  DescribeOptions,
  QueryDescription,
  StatementRequest,
  Warehouse,
  WarehouseTable,
} from '../port.ts'
import type { ErrorContext } from '../server-error.ts'
import { composeWith } from '../set-statement.ts'
import { append, appendFiles, findMisfit } from './append.ts'
import { createChangeFinder } from './changes.ts'
import { judgePlan, readPlan } from './determinism.ts'
import { trinoAsOf, trinoDialect } from './dialect.ts'
import { erase } from './erase.ts'
import { toTrinoError } from './error.ts'
import { exportPages } from './export.ts'
import { withGiven } from './given.ts'
import { createLedger, type Pin } from './ledger.ts'
import { lookup } from './lookup.ts'
import { assertCurrent, makePlan, type TrinoStatement } from './plan.ts'
import { scan } from './scan.ts'
import { completeColumns, createSchemas, listTables, makeTable, namesOf } from './schema.ts'
import { openTrinoSession } from './session.ts'
import { parseTrinoUrl } from './url.ts'

const pingTimeoutMs = 10_000
const whyNotLocal = 'Trino shows no tree of a statement that it could be proven by'

export async function createTrinoWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const address = parseTrinoUrl(options.url)
  const names = namesOf(address)
  const csv = await createCsvWriter({
    folders: [options.datasetsFolder, options.temporaryFolder],
    temporaryFolder: options.temporaryFolder,
    memoryMb: options.memoryMb,
  })
  const session = openTrinoSession(address)
  const ledger = createLedger(session, names)
  const findChange = createChangeFinder(session)
  const plans = createPlanCache<TrinoStatement>()
  const pins = new Map<string, Pin>()
  const pinOf = ({ snapshot }: StatementRequest) => pins.get(snapshot ?? '') ?? null

  /** What the engine or the way to it throws comes out as an AppError. */
  async function guarded<T>(context: ErrorContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw toTrinoError(error, context)
    }
  }

  /** The work has the engine analyse the statement; what comes of it counts if that still gives what the plan says. */
  function withPlan<T>(
    request: StatementRequest & { isTold?: boolean; lent?: string | null },
    work: (plan: TrinoStatement) => Promise<T>,
    leave: (outcome: T) => Promise<void> = async () => {},
  ): Promise<T> {
    const { sql, signal, isTold = false, lent = null } = request
    return plans.withPlan(sql, {
      make: () => makePlan(session, address, sql, { signal, lent }),
      async work(plan) {
        const run = async () => {
          const given = isTold ? plan : asAsked(plan, request, trinoDialect)
          return work(given).catch((error: unknown) => {
            throw plan.asking === null ? error : toTrinoError(error, { ...writtenOf(given), signal })
          })
        }
        const [outcome] = await Promise.allSettled([run()])
        const [asserted] = await Promise.allSettled([assertCurrent(session, plan, signal)])
        const isOutdated = asserted.status === 'rejected' && asserted.reason instanceof PlanOutdated
        // A failure of the work may be its outdated plan's.
        if (outcome.status === 'rejected') throw isOutdated ? asserted.reason : outcome.reason
        if (asserted.status === 'fulfilled') return outcome.value
        await leave(outcome.value)
        throw asserted.reason
      },
    })
  }

  async function describe(sql: string, { signal, key }: DescribeOptions) {
    const plan = await withPlan({ sql, signal, isTold: true }, async (planned) => planned)
    const changing = await findChange(plan.analysis)
    const described: QueryDescription = {
      columns: plan.columns,
      asksForMoment: plan.asking !== null,
      tables: await completeColumns(session, address, plan.tables, signal),
      determinism: await promiseOf(plan, changing, signal),
    }
    return key === undefined ? described : { ...described, changing, whyNotLocal }
  }

  async function promiseOf({ sql, analysis }: TrinoStatement, changing: string | null, signal?: AbortSignal) {
    const explained = `EXPLAIN (TYPE LOGICAL, FORMAT JSON)\n${sql}`
    const { rows } = await session.query('quick', explained, { signal })
    return judgePlan(readPlan(rows[0]?.[0]), { changing, hasLimit: analysis.mayHaveLimit })
  }

  async function close() {
    await session.close()
    await csv.close()
  }

  try {
    await guarded({ refused: 'WAREHOUSE_FAILED' }, () => createSchemas(session, address))
  } catch (error) {
    await close()
    throw error
  }

  const describeStatement: Warehouse['describe'] = (sql, given = {}) =>
    guarded({ sql, signal: given.signal }, () => describe(sql, given))

  async function tables(): Promise<WarehouseTable[]> {
    const all = await guarded({}, () => listTables(session, address))
    return all.map(({ carriers, typeTexts, ...table }) => table)
  }

  const make = (table: TableToMake) => ledger.inTurn(() => makeTable(session, address, table))

  return {
    name: 'trino',
    joinsLaterally: trinoAsOf.hasLateral,
    describe: describeStatement,
    atMoment: (sql, expression, { signal } = {}) =>
      guarded({ sql, signal }, () =>
        withPlan({ sql, signal, isTold: true }, async (plan) => atMoment(plan, expression)),
      ),
    exportParquet: (request) =>
      guarded(request, () =>
        withGiven({ session, address, files: csv.files, log: options.log }, request, (asked) =>
          withPlan(asked, (plan) =>
            exportPages({ session, address, ledger, csv }, plan, asked, pinOf(asked)),
          ),
        ),
      ),
    composeTrainingSet: (set) => composeWith(trinoAsOf, set, ['window']),
    holdSnapshot: ({ signal }) =>
      guarded({ signal }, async () => {
        const id = randomUUID()
        pins.set(id, await ledger.pin(signal))
        return { id, release: async () => void pins.delete(id) }
      }),
    lookup: (request) =>
      guarded(request, () =>
        withPlan(request, (plan) => {
          const parts = { session, address, ledger, limits: options.lookupLimits }
          return lookup(parts, plan, request, pinOf(request))
        }),
      ),
    scan: (request) =>
      guarded(request, () =>
        withPlan(
          request,
          (plan) => scan({ session, address, ledger }, plan, request, pinOf(request)),
          async ({ batches }) => {
            for await (const _ of batches) break
          },
        ),
      ),
    append: (request) =>
      guarded({ refused: 'BAD_USER_INPUT' }, () => append({ session, address, names, ledger }, request)),
    appendFiles: (request) =>
      guarded({ refused: 'BAD_USER_INPUT' }, () =>
        appendFiles({ session, address, names, ledger, files: csv.files }, request),
      ),
    erase: (request) =>
      guarded({ refused: 'BAD_USER_INPUT' }, () => erase({ session, address, names, ledger }, request)),
    findMisfit: (rows) => guarded({}, () => findMisfit({ session, address }, rows)),
    tables,
    createTable: (table) =>
      guarded({ refused: 'BAD_USER_INPUT' }, () =>
        createTable({ describe: describeStatement, tables, dialect: trinoDialect, make }, table),
      ),
    version: () => guarded({}, () => ledger.version()),
    ping: () =>
      guarded({ refused: 'WAREHOUSE_FAILED' }, async () => {
        await session.query('quick', 'SELECT 1', { signal: AbortSignal.timeout(pingTimeoutMs) })
      }),
    close,
  }
}
