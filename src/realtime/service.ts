// Realtime: what the rest of the gateway asks of feature views, wired from the parts in this folder.

import type { Logger } from 'pino'
import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import { createBackground } from '../concurrency/background.ts'
import type { Repetition } from '../concurrency/repeat.ts'
import { within } from '../concurrency/within.ts'
import type { EtlEngine } from '../etl/engine.ts'
import type { EtlService } from '../etl/service.ts'
import type { Events } from '../events.ts'
import { qualified } from '../features/followed.ts'
import { findKeepers, type KeeperOf } from '../features/freshness.ts'
import { type Feature, graphqlNameOf, withNotes } from '../features/notes.ts'
import { createPromises } from '../features/promised.ts'
import { featuresOf } from '../features/references.ts'
import type { LookupTarget } from '../features/target.ts'
import { readChanges, type ViewChanges } from '../features/view-changes.ts'
import { createViewHealth } from '../features/view-health.ts'
import type { NewView } from '../features/view-makers.ts'
import { sweepUnused } from '../features/view-use.ts'
import { createViews, type View, type Views } from '../features/views.ts'
import type { OnlineStore } from '../online/port.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import type { Finding } from '../sql/finding.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Column } from '../values/columns.ts'
import type { KeyColumns, Warehouse } from '../warehouse/port.ts'
import { createCompute } from './compute.ts'
import { createLoader, type RealtimeLoader, type WantedOfView } from './loader.ts'
import { createLookedUp } from './looked-up.ts'
import { createLookup } from './lookup.ts'
import { createDriftWatch } from './materialize/drift-watch.ts'
import { createErasure, type ErasedEntity, type ViewLeft } from './materialize/erasure.ts'
import { createForeignChanges, stepVersion, type ToldChange } from './materialize/foreign-changes.ts'
import { createFullRefresh } from './materialize/full-refresh.ts'
import { createIncremental } from './materialize/incremental.ts'
import { createRecentKeys } from './materialize/recent-keys.ts'
import { type Change, createRefresh } from './materialize/refresh.ts'
import { createSchedules } from './materialize/schedules.ts'
import { shareLookups } from './materialize/shared-lookups.ts'
import { createSignsWatch } from './materialize/signs-watch.ts'
import { createOnlineAccess, retiredWatermark } from './online-access.ts'
import type { ParityReport } from './parity/findings.ts'
import { createParity } from './parity/parity.ts'
import { createPast, type FeaturesAsOf } from './parity/past.ts'
import { createTrainingRows } from './parity/training-rows.ts'
import { createWatch } from './parity/watch.ts'
import { createReadThrough } from './read-through.ts'
import type { LookupAnswers, RealtimeResult } from './result.ts'
import { createUpdates } from './updates.ts'

export type { LookupTarget } from '../features/target.ts'
export type { ParityReport } from './parity/findings.ts'
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
  /** Of views that are at hand, all in one read of the online store; answers for each, in order. */
  lookUpIn(
    wanted: readonly WantedOfView[],
    operation?: RealtimeLoader | null,
  ): Promise<readonly LookupAnswers[]>
  /** Views as lookups know them. */
  readonly registry: Pick<Views, 'byId' | 'byName' | 'change' | 'outputColumns'>
  /** The rows now, then after every change. Its `return` unsubscribes at once. */
  updates(target: LookupTarget, indexValue: string, caller: Caller): AsyncIterable<RealtimeResult>
  createFeatureView(view: NewView): Promise<FeatureViewRecord>
  /** All that lookups can reach, the oldest first. */
  views(): Promise<readonly View[]>
  /** Of its rows: the query's, or what its ETL gives; null before the ETL's first run. */
  columnsOf(view: View): Promise<readonly Column[] | null>
  /** What is left out stays as it is. */
  updateFeatureView(id: string, changes: ViewChanges): Promise<void>
  deleteFeatureView(id: string): Promise<void>
  /** Of the view's rows whose time has come, in microseconds UTC; null where its query does not tell it. */
  newestEventTime(viewId: string): Promise<bigint | null>
  /** What the view's rows tell of an entity; none while what its ETL gives is not known. */
  features(viewId: string): Promise<Feature[]>
  /** A feature's field in the typed schema; null where it has none. */
  graphqlNameOf(feature: Feature): Promise<string | null>
  /** The columns of these tables whose stored values `onAppended` wants to know. */
  keysRead(tables: readonly string[]): Promise<KeyColumns[]>
  /** Resolves once every by-key view serves the change and every full view reads through. Calling it again for the same change is harmless. */
  onAppended(change: Change): Promise<void>
  /** Others have written: resolves to the views that are materialized for it, once none serves what was before as fresh. */
  tableChanged(change: ToldChange): Promise<FeatureViewRecord[]>
  /** Materializes the view now, whatever its policy, and answers once it is done, or after `waitMs` while it goes on. */
  refreshNow(viewId: string, options: { waitMs: number }): Promise<void>
  /** By what the changes of each table come to be known now. */
  keepers(): Promise<KeeperOf>
  /**
   * After the tables' rows of an entity have gone and `onAppended` was told: its own values go from every view of that key,
   * and what else was made of those rows is made anew. Resolves to the views of which that failed; none of them is served as it was.
   */
  erase(change: Change, erased: ErasedEntity, signal: AbortSignal): Promise<ViewLeft[]>
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
  limits: {
    lookupTimeoutMs: number
    maxIndexValues: number
    absentMaxBytes: number
    /** How long a check of one view that nobody has asked for may take. */
    checkTimeoutMs: number
  }
  viewsOnFirstUse: { byAnyone: boolean; most: number }
  featuresAsOf: FeaturesAsOf
  /** How often by-key views that have changed are compared whole with training; null never does. */
  wholeParityEveryMs: number | null
  metrics: Metrics
  log: Logger
}): Realtime {
  const { online, events, limits, metrics } = options
  const { featureViews } = options.catalog
  const log = options.log.child({ part: 'realtime' })
  const background = createBackground({ log })
  const lookedUp = createLookedUp((viewId) => schedules.urge(viewId))
  const shared = {
    ...options,
    ...limits,
    wholeEveryMs: options.wholeParityEveryMs,
    metrics,
    log,
    background,
    lookedUp,
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
  const computing = { ...shared, views, onMisfit: (view: View) => drift.checkSoon(view) }
  const compute = createCompute(computing)
  const readThrough = createReadThrough({ ...shared, compute, store, views })
  const lookup = createLookup({ ...shared, views, store, readThrough })
  const loader = createLoader(lookup)
  const updates = createUpdates({ views, lookup, lookedUp, events })
  let sweeping: Repetition | undefined
  const fullRefresh = createFullRefresh({ ...shared, store, views, compute })
  const recentKeys = createRecentKeys()
  const health = createViewHealth({ ...shared, views })
  const sharing = { ...options.warehouse, lookup: shareLookups(options.warehouse, background.signal) }
  const computeTogether = createCompute({ ...computing, warehouse: sharing })
  const materializing = { ...shared, views, store, fullRefresh, recentKeys, health }
  const refresh = createRefresh({ ...materializing, compute: computeTogether })
  const { settled, isFollowedByKey } = refresh
  const erase = createErasure({ ...shared, views, compute, store, fullRefresh, isFollowedByKey })
  const promises = createPromises(shared)
  const parity = createParity({
    ...shared,
    lookup,
    compute,
    trainingRows: createTrainingRows(shared),
    past: createPast({ ...shared, compute, lookup, views, promisedBy: promises.ofKey }),
    promisedBy: promises.ofKey,
    settled,
  })
  const watch = createWatch({ ...shared, views, parity, store, fullRefresh, recentKeys, settled })

  async function onAppended(change: Change, except?: ReadonlySet<string>) {
    await refresh.onAppended(change, except)
    watch.afterAppend(change.changes.map(({ table }) => qualified(table)))
  }
  const step = () => stepVersion(options.warehouse)
  const incremental = createIncremental({
    ...shared,
    featureViews,
    step,
    refreshKeys: refresh.refreshKeys,
  })
  const foreignChanges = createForeignChanges({
    ...shared,
    step,
    incremental,
    signal: background.signal,
    tableNotices: options.catalog.tableNotices,
    views,
    onChanged: onAppended,
    checkSoon: (view) => drift.checkSoon(view),
  })
  const drift = createDriftWatch({ ...shared, views, store, fullRefresh, step })

  /** Of a higher version than what is online, so that what is gone from the result goes from there. */
  async function refreshAnew(viewId: string, signal = background.signal) {
    const view = await drift.check(await views.byId(viewId))
    await step()
    const createdUntil = await incremental.createdUntil(view, signal)
    const done = await fullRefresh.run(viewId, signal)
    if (createdUntil !== null) await featureViews.update(viewId, { createdUntil })
    return done
  }

  async function refreshDue(viewId: string, signal: AbortSignal) {
    const view = await drift.check(await views.byId(viewId))
    if (!incremental.isPossible(view)) return refreshAnew(viewId, signal)
    const keys = await incremental.run(view, null, signal)
    log.debug({ view: view.record.name, keys }, 'Refreshed the keys of a feature view that have changed')
  }
  const schedules = createSchedules({
    ...shared,
    refresh: async (viewId, signal) => void (await refreshDue(viewId, signal)),
  })
  const signs = createSignsWatch({
    ...shared,
    keysRead: refresh.keysRead,
    follow: foreignChanges.seen,
  })

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
      // Those by key that lookups have made are filled by lookups.
      const isFilled = record.refresh === 'FULL' || !record.implicit
      const unfilled = record.refreshedVersion === null && !record.implicit
      // A full refresh raises the watermark before it is noted: a store with a lower one has lost what it was told.
      const lost = answers !== null && watermark < refreshed
      if (lost)
        background.run('Raising a watermark that the online store has lost', () =>
          store.raiseWatermark(id, version),
        )
      if (isFilled && (unfilled || lost || watermark > refreshed)) fullRefresh.schedule(id)
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
    createLoader: (caller) => loader.of(mayMake(caller)),
    lookUpIn: loader.ofViews,
    registry: views,
    updates: (target, value, caller) => updates(target, value, mayMake(caller)),
    views: views.all,
    columnsOf: views.columnsOf,
    async createFeatureView(view) {
      const { view: created, isNew, replacedId } = await views.create(view)
      if (!isNew) return created.record
      if (replacedId !== null) dropRows(replacedId)
      else announceViews()
      await schedules.add(created.record)
      if (created.record.refresh !== 'MANUAL') fullRefresh.schedule(created.id)
      return created.record
    },
    async updateFeatureView(id, changes) {
      const { nextByCron } = options.catalog.queue
      const columnsOf = views.columnsOf
      const read = await readChanges(await views.byId(id), changes, { columnsOf, nextByCron })
      const { record } = await views.change(id, read)
      announceViews()
      await schedules.add(record)
    },
    deleteFeatureView,
    newestEventTime: async (viewId) =>
      incremental.newestEventTime(await views.byId(viewId), background.signal),
    async features(viewId) {
      const view = await views.byId(viewId)
      return withNotes(view, featuresOf(view, (await views.columnsOf(view)) ?? []))
    },
    async graphqlNameOf({ viewId, column }) {
      const view = await views.byId(viewId)
      return graphqlNameOf(view, column, (await views.columnsOf(view)) ?? [])
    },
    keysRead: refresh.keysRead,
    onAppended,
    async tableChanged(change) {
      return (await foreignChanges.told(change)).map(({ record }) => record)
    },
    async refreshNow(viewId, { waitMs }) {
      await views.byId(viewId)
      const done = refreshAnew(viewId)
      done.catch((error: unknown) =>
        log.warn({ err: error, viewId }, 'A feature view could not be refreshed'),
      )
      await within(waitMs, done, () => undefined)
    },
    keepers: () => findKeepers({ ...options, tableNotices: options.catalog.tableNotices }),
    erase,
    refreshInFull: (viewId, { signal } = {}) => fullRefresh.run(viewId, signal),
    async parity(viewId, sample) {
      const view = await views.byId(viewId)
      const findings = await parity.report(view, { sample, past: true })
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
      await signs.start()
      await schedules.start()
      drift.start()
      sweeping ??= sweepUnused({ featureViews, remove: deleteFeatureView, log })
    },
    idle: () => background.idle(),
    async close() {
      endListening()
      endHearingWatermarks()
      await Promise.all([
        watch.close(),
        sweeping?.close(),
        schedules.close(),
        drift.close(),
        signs.close(),
        background.close(),
      ])
    },
  }
}
