// The embedded warehouse: one DuckDB file, files mounted beside it, in this process.

import { constants } from 'node:fs'
import { copyFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type DuckDBConnection, version as engineVersion } from '@duckdb/node-api'
import { createTurns } from '../../concurrency/turns.ts'
import { ConfigError } from '../../config/config-error.ts'
import { makeFolder } from '../../config/folders.ts'
import { duckdbAsOf } from '../../duckdb/as-of-join.ts'
import { withBoundedCache } from '../../duckdb/block-cache.ts'
import type { Workload } from '../../duckdb/connections.ts'
import { openDatabase } from '../../duckdb/database.ts'
import { readChunk } from '../../duckdb/decode.ts'
import { toAppError } from '../../duckdb/engine-error.ts'
import { AppError, messageOf } from '../../errors.ts'
import { copyPrefixBytes, writeParquet } from '../../parquet/parquet-file.ts'
import { ok } from '../../telemetry/notices.ts'
import { readVersion } from '../ledger.ts'
import { createTable, type TableToMake } from '../new-table.ts'
import type { WarehouseOptions } from '../options.ts'
import { atMoment, selectFrom, selectWhere } from '../planned-statement.ts'
import type {
  LookupRequest,
  LookupResult,
  ScanRequest,
  ScanResult,
  StatementRequest,
  Warehouse,
} from '../port.ts'
import { composeWith } from '../set-statement.ts'
import { createAppends, transactionOf } from './append.ts'
import { toBeCast } from './append-target.ts'
import { duckdbDialect } from './dialect.ts'
import { erase } from './erase.ts'
import { createFiles, type Files, type Found } from './files.ts'
import { withGiven } from './given.ts'
import { folderOf, parseLake } from './lakes.ts'
import { lookup as lookUp, scanOrder } from './lookup.ts'
import {
  assertFilesStand,
  createPlans,
  type DuckdbStatement,
  explainFailure,
  heardText,
  type PlanRequest,
} from './plans.ts'
import { createProofs, type Proofs } from './proofs.ts'
import { createSchemas, listTables, makeTable, type TableList, typesOf, withEstimates } from './schema.ts'
import { copiesName, createSharedLookups } from './shared-lookups.ts'
import { createSigns, readSigns, signsOf, tableOf, writeSigns } from './signs.ts'
import { createSnapshots } from './snapshots.ts'
import { findMisfit } from './staging.ts'
import { timelineTerms } from './timeline.ts'

export async function createDuckdbWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const file = fileOf(options)
  await makeFolder(dirname(file), 'WAREHOUSE_URL')
  let listed: TableList | undefined
  let prove: Proofs | undefined
  const files = createFiles({
    entries: options.files,
    extensions: options.extensions ?? [],
    copies: join(options.temporaryFolder, 'lakes'),
    s3: options.s3 ?? {},
  })
  const database = await openDatabase({
    file,
    memoryMb: options.memoryMb,
    spillFolder: join(options.temporaryFolder, 'warehouse'),
    spillMb: options.spillMb,
    copies: copiesName,
    folders: [options.temporaryFolder, options.datasetsFolder, ...(await onlyFolders(options.files))],
    files: options.files.filter((entry) => parseLake(entry) === null),
    onFailure: (error) =>
      options.log.error({ err: error }, 'The warehouse’s engine failed; it is opened anew'),
    async prepare(connection) {
      await createSchemas(connection)
      await createSigns(connection)
      await files.open(connection, {
        read: (work) => database.use('quick', undefined, work),
        write: (work) => appends.inTurn(work),
      })
      listed = await listTables(connection, files.foreign())
      prove = await createProofs(connection, listed)
    },
  }).catch((error: unknown) => {
    throw explainVersion(error, file)
  })
  for (const { level, text } of files.notices()) options.log[level === 'OK' ? 'info' : 'warn'](text)
  function tables(): TableList {
    if (listed === undefined) throw new Error('The tables were not listed')
    return listed
  }
  let isClosed = false
  const snapshots = createSnapshots(() => database)
  const appends = createAppends(database.write, tables)
  const make = (table: TableToMake) =>
    appends.inTurn(async (connection) => {
      await makeTable(connection, table)
      listed = await listTables(connection, files.foreign())
    })
  const ownTypes = (sql: string) => run((connection) => typesOf(connection, sql))
  const refresh = createRefresh(files, (found) =>
    appends.inTurn(async (connection) => {
      const changed = await files.mount(connection, found)
      listed = await tables().withFiles(connection, changed)
      await prove?.renew(
        connection,
        listed.ofFiles.filter(({ name }) => changed.includes(name)),
      )
    }),
  )
  const { withCurrentPlan } = createPlans({ tables, files, refresh })

  const leaseOf = (
    workload: Workload,
    { snapshot, signal }: Pick<StatementRequest, 'snapshot' | 'signal'>,
  ) => (snapshot === undefined ? database.lease(workload, signal) : snapshots.lease(snapshot, signal))

  /** Runs work on a connection; what the engine throws comes out as an AppError with places of the user's text. */
  async function withPlan<T>(
    workload: 'quick' | 'slow',
    request: PlanRequest,
    bytesBefore: (plan: DuckdbStatement) => number,
    work: (connection: DuckDBConnection, plan: DuckdbStatement) => Promise<T>,
  ): Promise<T> {
    const { signal } = request
    const { asWritten, onWritten } = heardText(request)
    let offsetBytes = 0
    try {
      const { connection, run: call, release } = await leaseOf(workload, request)
      const reading = call(() =>
        withGiven(connection, request.given, () =>
          withCurrentPlan(connection, { ...request, onWritten }, (made) => {
            offsetBytes = bytesBefore(made)
            return work(connection, made)
          }),
        ),
      )
      return await reading.finally(release)
    } catch (error) {
      throw toAppError(error, { ...asWritten(), offsetBytes, signal })
    }
  }

  function lookup(request: LookupRequest): Promise<LookupResult> {
    const bytesBefore = (made: DuckdbStatement) =>
      Buffer.byteLength(selectWhere(made, '', timelineTerms(made, request)).prefix)
    const within = request.snapshot === undefined ? inTransaction : inItsOwn
    return withPlan('quick', request, bytesBefore, (connection, made) =>
      within(connection, async () => {
        const version = await readVersion(transactionOf(connection))
        const rows = await lookUp(connection, made, request, options.lookupLimits)
        return { version, columns: made.columns, rows }
      }),
    )
  }

  const lookupMany = createSharedLookups({
    database,
    limits: options.lookupLimits,
    tables,
    plan: (request) => withPlan('quick', request, bytesOfSelect, async (_, made) => made),
  })

  async function scan(request: ScanRequest): Promise<ScanResult> {
    const { key, after, signal } = request
    const { asWritten, onWritten } = heardText(request)
    const lease = await leaseOf('stream', request)
    const { connection } = lease
    const fail = (error: unknown, offsetBytes: number) =>
      toAppError(error, { ...asWritten(), offsetBytes, signal })
    try {
      const made = await lease.run(() =>
        withCurrentPlan(connection, { ...request, onWritten }, async (planned) => planned),
      )
      const { among, by, bounds, types } = scanOrder(made, key, after)
      const { prefix, text } = selectWhere(made, among, timelineTerms(made, request))
      const version = await lease.run(async () => {
        if (request.snapshot === undefined) await connection.run('BEGIN TRANSACTION READ ONLY')
        return readVersion(transactionOf(connection))
      })
      const batches = async function* () {
        try {
          const result = await lease.run(() => connection.stream(`${text} ORDER BY ${by}`, bounds, types))
          for (;;) {
            const chunk = await lease.run(() => result.fetchChunk())
            await assertFilesStand(made)
            if (chunk === null || chunk.rowCount === 0) return
            yield readChunk(chunk, made.carriers)
          }
        } catch (error) {
          throw fail(await explainFailure(made, error), Buffer.byteLength(prefix))
        } finally {
          lease.release()
        }
      }
      return { version, columns: made.columns, batches: batches() }
    } catch (error) {
      lease.release()
      throw fail(error, 0)
    }
  }

  const run = async <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
    try {
      return await database.use('quick', undefined, work)
    } catch (error) {
      throw toAppError(error)
    }
  }

  async function writing<T>(work: () => Promise<T>): Promise<T> {
    if (isClosed) throw new AppError('WAREHOUSE_FAILED', 'The warehouse is closed.')
    try {
      return await work()
    } catch (error) {
      throw toAppError(error, { refused: 'BAD_USER_INPUT' })
    }
  }

  const describe: Warehouse['describe'] = (sql, { signal, key, origin } = {}) =>
    withPlan('quick', { sql, signal, isTold: true }, bytesOfSelect, async (connection, made) => ({
      columns: made.columns,
      tables: made.tables,
      asksForMoment: made.asking !== null,
      ...(await prove?.prove(connection, { ...made, key, origin })),
    }))
  const version = () => run((connection) => readVersion(transactionOf(connection)))
  const listAll = async () => {
    await refresh()
    return run((connection) => withEstimates(connection, tables()))
  }

  return {
    name: 'duckdb',
    joinsLaterally: duckdbAsOf.hasLateral,
    describe,
    atMoment: (sql, expression, { signal } = {}) =>
      withPlan('quick', { sql, signal, isTold: true }, bytesOfSelect, async (_, made) =>
        atMoment(made, expression),
      ),
    exportParquet: (request) =>
      withPlan(
        'slow',
        request,
        (made) => copyPrefixBytes + bytesOfSelect(made),
        (connection, made) =>
          writeParquet(connection, {
            select: selectFrom(made).text,
            columns: made.columns,
            path: request.path,
            isIntermediate: request.isIntermediate,
            onProgress: request.onProgress && ((fraction) => request.onProgress?.({ fraction })),
          }),
      ),
    composeTrainingSet: (set) => composeWith(duckdbAsOf, set, ['asof']),
    holdSnapshot: ({ signal }) => snapshots.hold(signal),
    lookup,
    lookupMany,
    scan,
    append: (request) => writing(() => appends.append(request)),
    appendFiles: (request) =>
      writing(() => withBoundedCache(database, options.memoryMb, () => appends.appendFiles(request))),
    erase: (request) => writing(() => appends.inTurn((connection) => erase(connection, tables(), request))),
    async findMisfit(rows) {
      const { table, cast } = toBeCast(tables(), rows)
      if (cast.columns.length === 0) return null
      return run((connection) => findMisfit(connection, table, cast))
    },
    async copyTo(to, alongside) {
      await appends.inTurn(async (connection) => {
        // What stays in the log beside the file, since somebody reads, is copied with it.
        await connection.run('CHECKPOINT').catch(() => undefined)
        await alongside()
        await copyFile(file, to, constants.COPYFILE_FICLONE)
        await copyFile(`${file}.wal`, `${to}.wal`, constants.COPYFILE_FICLONE).catch(
          (error: NodeJS.ErrnoException) => {
            if (error.code !== 'ENOENT') throw error
          },
        )
      })
    },
    tables: listAll,
    createTable: (table) =>
      writing(() =>
        createTable({ describe, tables: listAll, dialect: duckdbDialect, make, ownTypes }, table),
      ),
    version,
    signs: {
      async read() {
        await refresh()
        const seen = signsOf(files.found())
        const known = await run(readSigns)
        const news = [...seen].filter(([name, sign]) => known.get(name) !== sign)
        if (news.length === 0) return null
        // What is seen for the first time no view can have been told of.
        const changed = news.filter(([name]) => known.has(name))
        const done = () => appends.inTurn((connection) => writeSigns(connection, new Map(news)))
        return { changes: changed.map(([name]) => ({ table: tableOf(name), keys: null })), done }
      },
    },
    examine: async () => [
      ok(`it can be opened; its data is at version ${await version()}`),
      ...files.notices(),
    ],
    ping: () => run(async (connection) => void (await connection.run('SELECT 1'))),
    async close() {
      isClosed = true
      await appends.settled()
      await database.close()
    },
  }
}

/** Who asks while files are looked at waits for the next look, with all who ask meanwhile: this one may have passed by what is asked for. */
function createRefresh(files: Files, mount: (found: Found) => Promise<void>): () => Promise<void> {
  const turns = createTurns()
  let next: Promise<void> | undefined
  return () => {
    next ??= turns.alone(async () => {
      next = undefined
      const found = await files.findChange()
      if (found !== null) await mount(found)
    })
    return next
  }
}

function fileOf({ url, file }: WarehouseOptions): string {
  const path = url.slice('duckdb:'.length).replace(/^\/\/(?=\/)/, '')
  return path === '' ? file : path
}

async function onlyFolders(paths: readonly string[]): Promise<string[]> {
  const folders: string[] = []
  for (const path of paths) {
    const lake = parseLake(path)
    if (lake !== null) {
      folders.push(folderOf(lake))
      continue
    }
    const found = await stat(path).catch((cause: unknown) => {
      throw new ConfigError(`WAREHOUSE_FILES: ${path} cannot be read`, { cause })
    })
    if (found.isDirectory()) folders.push(path)
  }
  return folders
}

/** The connection stands in one that is held. */
function inItsOwn<T>(_: DuckDBConnection, work: () => Promise<T>): Promise<T> {
  return work()
}

async function inTransaction<T>(connection: DuckDBConnection, work: () => Promise<T>): Promise<T> {
  await connection.run('BEGIN TRANSACTION READ ONLY')
  try {
    return await work()
  } finally {
    await connection.run('ROLLBACK').catch(() => undefined)
  }
}

/** The engine says which versions of its storage it reads, not which engine it is. */
function explainVersion(error: unknown, file: string): unknown {
  const [, of, least, most] =
    /version number (\d+), but we can only read versions? (?:between )?(\d+)(?: and (\d+))?/.exec(
      messageOf(error),
    ) ?? []
  if (of === undefined || Number(of) < Number(least)) return error
  return new ConfigError(
    `WAREHOUSE_URL: ${file} is of a newer DuckDB (its storage has version ${of}); this gateway's DuckDB ${engineVersion()} reads ${least} to ${most ?? least}. Have the newer one copy it (ATTACH … (STORAGE_VERSION 'v1.5.0'); COPY FROM DATABASE …), or run a newer gateway.`,
    { cause: error },
  )
}

function bytesOfSelect(plan: DuckdbStatement): number {
  return Buffer.byteLength(selectFrom(plan).prefix)
}
