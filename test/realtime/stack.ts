// Realtime on its real stores, in a folder of its own; what it asks of them is counted.

import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { openCatalog } from '../../src/catalog/open.ts'
import { encodeFrame, type Row } from '../../src/columns.ts'
import { AppError } from '../../src/errors.ts'
import { createEtlEngine } from '../../src/etl/engine.ts'
import { createEtlService } from '../../src/etl/service.ts'
import { createEtlLoader } from '../../src/etl/source.ts'
import { createEvents } from '../../src/events.ts'
import { createOnlineStore } from '../../src/online/index.ts'
import { createParquetEngine } from '../../src/parquet/engine.ts'
import { createRealtime, type LookupTarget, type RealtimeResult } from '../../src/realtime/service.ts'
import { createWarehouse } from '../../src/warehouse/index.ts'

export type Stack = Awaited<ReturnType<typeof openStack>>

interface StackOptions {
  /** An earlier stack's folder: the gateway started again. */
  folder?: string
  files?: readonly string[]
  onlineUrl?: string
  limits?: Partial<{ lookupTimeoutMs: number; maxIndexValues: number }>
  log?: Logger
}

/** A store as it is, with a count of the calls of each method, and a switch that makes calls fail. */
function watched<T extends object>(store: T) {
  const calls = new Map<string, number>()
  const failures = new Map<string, Error>()
  const delays = new Map<string, Promise<void>>()
  const proxy = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function' || typeof name !== 'string') return member
      return async (...args: unknown[]) => {
        calls.set(name, (calls.get(name) ?? 0) + 1)
        const failure = failures.get(name) ?? failures.get('*')
        if (failure !== undefined) throw failure
        const result: unknown = await Reflect.apply(member, target, args)
        await delays.get(name)
        return result
      }
    },
  })
  return { proxy, calls, failures, delays, count: (name: string) => calls.get(name) ?? 0 }
}

export async function openStack(options: StackOptions = {}) {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'realtime-')))
  const log = options.log ?? pino({ level: process.env.LOG_LEVEL ?? 'silent' })
  const [datasetsFolder, temporaryFolder, etlFolder] = ['datasets', 'tmp', 'etl'].map((name) =>
    join(folder, name),
  )
  if (!datasetsFolder || !temporaryFolder || !etlFolder) throw new Error('no folders')
  await Promise.all(
    [datasetsFolder, temporaryFolder, etlFolder].map((path) => mkdir(path, { recursive: true })),
  )
  const events = createEvents()
  const [catalog, warehouse, online] = await Promise.all([
    openCatalog({ url: 'pglite:', folder: join(folder, 'catalog'), log }),
    createWarehouse({
      url: 'duckdb:',
      file: join(folder, 'warehouse.duckdb'),
      files: options.files ?? [],
      temporaryFolder,
      datasetsFolder,
      memoryMb: 512,
      log,
    }),
    createOnlineStore({ url: options.onlineUrl ?? 'lmdb:', folder: join(folder, 'online'), log }),
  ])
  const parquet = await createParquetEngine({
    folders: [temporaryFolder, datasetsFolder],
    memoryMb: 512,
    temporaryFolder,
  })
  const etlEngine = createEtlEngine({ parquet, timeoutMs: 10_000, memoryMb: 128, temporaryFolder, log })
  const loader = createEtlLoader({ sources: { hosts: [], folders: [etlFolder] }, log })
  const etlService = createEtlService({ catalog, loader, etlEngine, log })
  const onlineCalls = watched(online)
  const warehouseCalls = watched(warehouse)
  const viewCalls = watched(catalog.featureViews)
  const queryCalls = watched(catalog.savedQueries)
  const realtime = createRealtime({
    catalog: { ...catalog, featureViews: viewCalls.proxy, savedQueries: queryCalls.proxy },
    warehouse: warehouseCalls.proxy,
    online: onlineCalls.proxy,
    parquet,
    etlService,
    etlEngine,
    events,
    temporaryFolder,
    limits: { lookupTimeoutMs: 10_000, maxIndexValues: 10_000, ...options.limits },
    log,
  })
  const jobId = randomUUID()
  let batch = 0

  async function save(sql: string, name = 'query') {
    const { columns } = await warehouse.describe(sql)
    return catalog.savedQueries.save({ name, sql, columns })
  }

  return {
    folder,
    events,
    catalog,
    warehouse,
    online,
    parquet,
    etlEngine,
    etlService,
    realtime,
    onlineCalls,
    warehouseCalls,
    viewCalls,
    queryCalls,
    save,
    /** Appends rows without telling realtime. */
    async append(table: string, columns: readonly string[], rows: readonly Row[]) {
      const tables = [{ table, columns, rows }]
      const { version } = await warehouse.append({ jobId, batch: batch++, tables })
      return { version, tables }
    },
    /** Appends rows as a publish does. */
    async publish(table: string, columns: readonly string[], rows: readonly Row[]) {
      await realtime.onAppended(await this.append(table, columns, rows))
    },
    async lookUp(target: LookupTarget, values: readonly string[]): Promise<RealtimeResult[]> {
      const results = await realtime.lookup(target, values)
      return results.map((result) => {
        if (result instanceof AppError) throw result
        return result
      })
    },
    /** Training's rows of each value, as sorted JSON texts. */
    async training(sql: string, key: string) {
      const { columns, batches } = await warehouse.scan({ sql, key })
      const position = columns.findIndex(({ name }) => name === key)
      const rows = new Map<string, string[]>()
      for await (const some of batches) {
        for (const row of some) {
          const text = String(row[position])
          rows.set(
            text,
            [...(rows.get(text) ?? []), encodeFrame({ columns, rows: [row] }).slice(1, -1)].sort(),
          )
        }
      }
      return rows
    },
    async writeEtl(name: string, source: string) {
      await writeFile(join(etlFolder, name), source)
      return `file:${join(etlFolder, name)}`
    },
    async close() {
      await realtime.close()
      await etlEngine.close()
      await parquet.close()
      await Promise.all([warehouse.close(), online.close(), catalog.close()])
    },
    async remove() {
      await this.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A result's rows as sorted JSON texts. */
export function sortedRows({ rows }: RealtimeResult): string[] {
  return (JSON.parse(rows) as unknown[]).map((row) => JSON.stringify(row)).sort()
}
