// Realtime on its real stores, in a folder of its own; what it asks of them is counted.

import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { expect } from 'vitest'
import { AppError } from '../../src/errors.ts'
import type { FeaturesAsOf } from '../../src/realtime/parity/past.ts'
import {
  createRealtime,
  type LookupTarget,
  type Realtime,
  type RealtimeResult,
} from '../../src/realtime/service.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { toText } from '../../src/values/byte-text.ts'
import { encodeFrame, type Row } from '../../src/values/columns.ts'
import { keyText, parseKeyText } from '../../src/values/entity-key.ts'
import { createDataFolder } from '../data-folder.ts'
import { absentMaxBytes, checkTimeoutMs, viewsOnFirstUse, writer } from '../limits.ts'
import { openParts } from '../parts.ts'

export type Stack = Awaited<ReturnType<typeof openStack>>

type NewView = Parameters<Realtime['createFeatureView']>[0]
type Refresh = NewView['refresh']

interface StackOptions {
  /** An earlier stack's folder: the gateway started again. */
  folder?: Awaited<ReturnType<typeof createDataFolder>>
  files?: readonly string[]
  warehouseUrl?: string
  onlineUrl?: string
  wholeParityEveryMs?: number | null
  firstUse?: Partial<typeof viewsOnFirstUse>
  limits?: Partial<Parameters<typeof createRealtime>[0]['limits']>
  /** Has training say otherwise of moments. */
  featuresAsOf?: (real: FeaturesAsOf) => FeaturesAsOf
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
  const {
    folder = await createDataFolder('realtime'),
    limits,
    firstUse,
    wholeParityEveryMs = null,
    featuresAsOf = (real) => real,
    ...rest
  } = options
  const parts = await openParts({ folder: folder.path, ...rest })
  const { catalog, warehouse, online, etlFolder } = parts
  const onlineCalls = watched(online)
  const warehouseCalls = watched(warehouse)
  const viewCalls = watched(catalog.featureViews)
  const queryCalls = watched(catalog.savedQueries)
  const realtime = createRealtime({
    ...parts,
    metrics: createMetrics(),
    catalog: { ...catalog, featureViews: viewCalls.proxy, savedQueries: queryCalls.proxy },
    warehouse: warehouseCalls.proxy,
    online: onlineCalls.proxy,
    limits: { lookupTimeoutMs: 10_000, maxIndexValues: 10_000, absentMaxBytes, checkTimeoutMs, ...limits },
    viewsOnFirstUse: { ...viewsOnFirstUse, ...firstUse },
    featuresAsOf: featuresAsOf(parts.featuresAsOf),
    wholeParityEveryMs,
  })
  const { load } = realtime.createLoader(writer)
  const jobId = randomUUID()
  let batch = 0

  async function save(sql: string, name = 'query') {
    const { columns, asksForMoment } = await warehouse.describe(sql)
    return catalog.savedQueries.save({ name, sql, columns, asksForMoment })
  }

  /** `key` is a column, or a JSON array of several. */
  async function training(sql: string, key: string) {
    const names = parseKeyText(key) ?? [key]
    const { columns, batches } = await warehouse.scan({ sql, key: names })
    const places = names.map((name) => columns.findIndex((column) => column.name === name))
    const rows = new Map<string, string[]>()
    for await (const some of batches) {
      for (const row of some) {
        const text = keyText(places.map((place) => String(row[place])))
        rows.set(text, [...(rows.get(text) ?? []), encodeFrame({ columns, rows: [row] }).slice(1, -1)].sort())
      }
    }
    return rows
  }

  async function lookUp(target: LookupTarget, values: readonly string[]): Promise<RealtimeResult[]> {
    const results = await load(target, values)
    return results.map((result) => {
      const failure = result instanceof AppError ? result : result.error
      if (failure !== null) throw failure
      return result as RealtimeResult
    })
  }

  return {
    ...parts,
    folder,
    realtime,
    /** As a caller that may have views made. */
    load,
    onlineCalls,
    warehouseCalls,
    viewCalls,
    queryCalls,
    save,
    /** Appends rows without telling realtime. */
    async append(table: string, columns: readonly string[], rows: readonly Row[]) {
      const tables = [{ table, columns, rows }]
      const keys = await realtime.keysRead([table])
      return warehouse.append({ jobId, batch: batch++, tables, keys })
    },
    /** Appends rows as a publish does. */
    async publish(table: string, columns: readonly string[], rows: readonly Row[]) {
      await realtime.onAppended(await this.append(table, columns, rows))
    },
    lookUp,
    /** Training's rows of each value, as sorted JSON texts. */
    training,
    /** A query of this name and its view by one column, or by several. */
    async view(
      name: string,
      sql: string,
      key: string | readonly string[],
      refresh: Refresh = 'AUTO',
      more: Partial<NewView> = {},
    ) {
      const indexKeys = typeof key === 'string' ? [key] : key
      const { id: queryId } = await save(sql, name)
      const wanted = { name, queryId, etlId: null, indexKeys, ttlSeconds: null, refresh, ...more }
      const record = await realtime.createFeatureView(wanted)
      return {
        record,
        target: { queryId, etlPath: null, indexKey: keyText(indexKeys) } satisfies LookupTarget,
      }
    },
    /** Looks the values up, or all that training has, and holds their rows to training's. */
    async expectTraining(target: LookupTarget, sql: string, values?: readonly string[]) {
      const trained = await training(sql, target.indexKey)
      const results = await lookUp(target, values ?? [...trained.keys()])
      const differing = results.filter(
        (result) =>
          JSON.stringify(sortedRows(result)) !== JSON.stringify(trained.get(result.indexValue) ?? []),
      )
      expect(differing).toEqual([])
      return results
    },
    async writeEtl(name: string, source: string) {
      await writeFile(join(etlFolder, name), source)
      return `file:${join(etlFolder, name)}`
    },
    async close() {
      await realtime.close()
      await parts.close()
    },
    async remove() {
      await this.close()
      await folder.remove()
    },
  }
}

/** A result's rows as sorted JSON texts. */
export function sortedRows({ rows }: RealtimeResult): string[] {
  return (JSON.parse(toText(rows)) as unknown[]).map((row) => JSON.stringify(row)).sort()
}
