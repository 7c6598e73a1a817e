// Realtime: what the rest of the gateway asks of feature views, wired from the parts in this folder.

import type { Logger } from 'pino'
import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import { createBackground } from '../concurrency/background.ts'
import type { Repetition } from '../concurrency/repeat.ts'
import type { EtlEngine } from '../etl/engine.ts'
import type { EtlService } from '../etl/service.ts'
import type { Events } from '../events.ts'
import { qualified } from '../features/followed.ts'
import { createPromises } from '../features/promised.ts'
import type { LookupTarget } from '../features/target.ts'
import { createViewHealth } from '../features/view-health.ts'
import type { NewView } from '../features/view-makers.ts'
import { sweepUnused } from '../features/view-use.ts'
import { createViews } from '../features/views.ts'
import type { OnlineStore } from '../online/port.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import type { Finding } from '../sql/finding.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { KeyColumns, Warehouse } from '../warehouse/port.ts'
import { createCompute } from './compute.ts'
import { createLoader, type RealtimeLoader } from './loader.ts'
import { createLookup } from './lookup.ts'
import { createFullRefresh } from './materialize/full-refresh.ts'
import { createRecentKeys } from './materialize/recent-keys.ts'
import { type Change, createRefresh } from './materialize/refresh.ts'
import { createOnlineAccess, retiredWatermark } from './online-access.ts'
import { createParity, type ParityReport } from './parity/parity.ts'
import { createTrainingRows } from './parity/training-rows.ts'
import { createWatch } from './parity/watch.ts'
import { createReadThrough } from './read-through.ts'
import type { RealtimeResult } from './result.ts'
import { createUpdates } from './updates.ts'

export type { LookupTarget } from '../features/target.ts'
export type { ParityReport } from './parity/parity.ts'
export type { LookupAnswers, RealtimeResult } from './result.ts'
export { failedResult } from './result.ts'

export interface Caller {
  writesCatalog: boolean
}

export interface Realtime {
  /**
   * For one operation: what is loaded in a tick costs one read of the online store, which other operations may share.
   * A target's view is made on first use for callers that may write the catalog, or for all where that is set.
   * Rejects when the target is wrong: NOT_FOUND, BAD_USER_INPUT, TOO_LARGE, FORBIDDEN.
   */
  createLoader(caller: Caller): RealtimeLoader
  /** The rows now, then after every change. Its `return` unsubscribes at once. */
  updates(target: LookupTarget, indexValue: string, caller: Caller): AsyncIterable<RealtimeResult>
  createFeatureView(view: NewView): Promise<FeatureViewRecord>
  deleteFeatureView(id: string): Promise<void>
  /** The columns of these tables whose stored values `onAppended` wants to know. */
  keysRead(tables: readonly string[]): Promise<KeyColumns[]>
  /** Resolves once every by-key view serves the change and every full view reads through. Calling it again for the same change is harmless. */
  onAppended(change: Change): Promise<void>
  refreshInFull(viewId: string, options?: { signal?: AbortSignal }): Promise<{ rows: number }>
  parity(viewId: string, sample: number): Promise<ParityReport>
  /** What a view's query and ETL, or a saved query, promise of their rows; judged once, then kept in the catalog. */
  promiseOfView(viewId: string): Promise<Finding>
  promiseOfQuery(queryId: string): Promise<Finding>
  /** Has the next lookup by ETL path ask the catalog which ETL that is now. */
  forget(): void
  /** Forgets all that the online store holds of the views: after a backup was put back it may be of a later time. */
  dropAll(): Promise<void>
  /** Takes up the refreshes that an earlier process left undone. */
  start(): Promise<void>
  /** Resolves when no refresh or check is left to do. */
  idle(): Promise<void>
  close(): Promise<void>
}

export function createRealtime(options: {
  catalog: Catalog
  warehouse: Warehouse
  online: OnlineStore
  parquet: ParquetEngine
  etlService: EtlService
  etlEngine: EtlEngine
  events: Events
  temporaryFolder: string
  limits: { lookupTimeoutMs: number; maxIndexValues: number; absentMaxBytes: number }
  viewsOnFirstUse: { byAnyone: boolean; most: number }
  /** How often by-key views that have changed are compared whole with training; null never does. */
  wholeParityEveryMs: number | null
  /** How long a check of one view that nobody has asked for may take; a minute unless given. */
  checkTimeoutMs?: number
  metrics: Metrics
  log: Logger
}): Realtime {
  const { online, events, limits, metrics } = options
  const { featureViews } = options.catalog
  const log = options.log.child({ part: 'realtime' })
  const background = createBackground({ log })
  const shared = {
    ...options,
    ...limits,
    wholeEveryMs: options.wholeParityEveryMs,
    metrics,
    log,
    background,
  }
  const views = createViews({
    ...shared,
    maxOnFirstUse: options.viewsOnFirstUse.most,
    retire: (id) => online.raiseWatermark(id, retiredWatermark),
    onAwake: ({ id, record }) => record.refresh === 'FULL' && fullRefresh.schedule(id),
  })
  const mayMake = ({ writesCatalog }: Caller) => writesCatalog || options.viewsOnFirstUse.byAnyone
  const endListening = events.listen('views', 'all', views.forget)
  const store = createOnlineAccess({ ...shared, watermarks: options.catalog.featureViews })
  const endHearingWatermarks = events.listen('watermarks', 'all', () =>
    background.run('Taking up watermarks from the catalog', store.takeUpWatermarks),
  )
  const compute = createCompute({ ...shared, views })
  const readThrough = createReadThrough({ ...shared, compute, store, views })
  const lookup = createLookup({ ...shared, views, store, readThrough })
  const loaderOf = createLoader(lookup)
  const updates = createUpdates({ views, lookup, events })
  let sweeping: Repetition | undefined
  const fullRefresh = createFullRefresh({ ...shared, store, views, compute })
  const recentKeys = createRecentKeys()
  const health = createViewHealth({ ...shared, views })
  const refresh = createRefresh({ ...shared, views, compute, store, fullRefresh, recentKeys, health })
  const { settled } = refresh
  const promises = createPromises(shared)
  const parity = createParity({
    ...shared,
    lookup,
    compute,
    trainingRows: createTrainingRows(shared),
    promisedBy: promises.ofKey,
    settled,
  })
  const watch = createWatch({ ...shared, views, parity, store, fullRefresh, recentKeys, settled })

  metrics.gauge(
    {
      name: 'gateway_views_behind',
      help: 'Feature views that wait for a refresh in full by this process; their lookups may read through',
    },
    () => [[[], fullRefresh.behind()]],
  )

  async function takeUp() {
    for (const id of await featureViews.removed()) {
      background.run('Removing the rows of a removed feature view', () => removeRows(id))
    }
    await store.takeUpWatermarks()
    await fullRefresh.takeUp()
    const all = (await views.all()).filter(({ record }) => record.refresh !== 'MANUAL')
    const answers = await store.read(all.map(({ id }) => ({ view: id, values: [] })))
    const version = await options.warehouse.version()
    all.forEach(({ id, record }, i) => {
      const watermark = answers?.[i]?.watermark ?? 0
      const refreshed = record.refreshedVersion ?? 0
      const unfilled = record.refreshedVersion === null && !record.implicit
      // A full refresh raises the watermark before it is noted: a store with a lower one has lost what it was told.
      const lost = answers !== null && watermark < refreshed
      if (lost)
        background.run('Raising a watermark that the online store has lost', () =>
          store.raiseWatermark(id, version),
        )
      if (record.refresh === 'FULL' && (unfilled || lost || watermark > refreshed)) fullRefresh.schedule(id)
    })
  }

  /** Every gateway asks the catalog anew which view serves a target; who follows a value finds the one that serves it now. */
  function announceViews() {
    events.publish('views', 'all', { changed: true })
  }

  /** None of its rows is served any more; they are removed in the background, by the next start if this one ends before. */
  function dropRows(viewId: string) {
    announceViews()
    events.publish('online', viewId, { values: null })
    background.run('Removing the rows of a removed feature view', () => removeRows(viewId))
  }

  async function deleteFeatureView(id: string) {
    await views.remove(id)
    dropRows(id)
  }

  /** Its watermark stays, for gateways that have yet to learn that the view is gone. */
  async function removeRows(viewId: string) {
    await online.removeBelow(viewId, retiredWatermark)
    await featureViews.forgetRemoved(viewId)
  }

  return {
    createLoader: (caller) => loaderOf(mayMake(caller)),
    updates: (target, value, caller) => updates(target, value, mayMake(caller)),
    async createFeatureView(view) {
      const { view: created, replacedId } = await views.create(view)
      if (replacedId !== null) dropRows(replacedId)
      else announceViews()
      if (created.record.refresh === 'FULL') fullRefresh.schedule(created.id)
      return created.record
    },
    deleteFeatureView,
    keysRead: refresh.keysRead,
    async onAppended(change) {
      await refresh.onAppended(change)
      watch.afterAppend(change.changes.map(({ table }) => qualified(table)))
    },
    refreshInFull: (viewId, { signal } = {}) => fullRefresh.run(viewId, signal),
    async parity(viewId, sample) {
      const view = await views.byId(viewId)
      const findings = await parity.report(view, { sample })
      background.run('Mending a feature view', () => watch.judge(view, findings))
      return findings.report
    },
    async promiseOfView(viewId) {
      const view = await views.byId(viewId)
      const promise = await promises.overall(view)
      const kept = { determinism: promise.level, determinismNote: promise.note }
      await featureViews.update(viewId, kept)
      return promise
    },
    async promiseOfQuery(queryId) {
      const query = await options.catalog.savedQueries.byId(queryId)
      const promise = await promises.overall({ query, etl: null })
      await options.catalog.savedQueries.setPromise(queryId, promise)
      return promise
    },
    forget: announceViews,
    async dropAll() {
      for (const { id } of await featureViews.all()) await online.dropView(id)
    },
    async start() {
      await takeUp()
      sweeping ??= sweepUnused({ featureViews, remove: deleteFeatureView, log })
    },
    idle: () => background.idle(),
    async close() {
      endListening()
      endHearingWatermarks()
      await Promise.all([watch.close(), sweeping?.close(), background.close()])
    },
  }
}
