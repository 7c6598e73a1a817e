// Which feature view serves a lookup: found in memory, else in the catalog, else made on first use.

import type { Logger } from 'pino'
import type { Catalog } from '../catalog/open.ts'
import type { Background } from '../concurrency/background.ts'
import { createTurns } from '../concurrency/turns.ts'
import type { AppError } from '../errors.ts'
import type { EtlService } from '../etl/service.ts'
import type { Column } from '../values/columns.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { checkAsOfView, isPassing, passingRecord } from './as-of-views.ts'
import { namesOfKey } from './key-columns.ts'
import type { LookupTarget } from './target.ts'
import type { ColumnsOf } from './view-changes.ts'
import { createViewMakers, type NewView, viewNotMade } from './view-makers.ts'
import { createViewRecords, isRefusal, type View } from './view-records.ts'
import { isIdle, isUseDue } from './view-use.ts'

/** What is held in memory is compared with the catalog this often while it is in use: another process may have changed it. */
const revalidateAfterMs = 2000

export type { View } from './view-records.ts'

export interface Views {
  /** From memory at once; nothing is asked of the catalog. */
  cached(target: LookupTarget): View | undefined
  /**
   * Finds the target's view, or makes it where that is allowed. NOT_FOUND for the query, BAD_USER_INPUT for the key,
   * FORBIDDEN for a view that is not there and may not be made, TOO_LARGE where too many are.
   */
  resolve(target: LookupTarget, mayMake: boolean): Promise<View>
  byId(id: string): Promise<View>
  /** NOT_FOUND. */
  byName(name: string): Promise<View>
  /** All views as the catalog has them now, from memory while it has changed none. */
  all(): Promise<readonly View[]>
  /** Also tells whether it was not there before, and which view, made on first use, had to give way: what it stored is to be dropped. */
  create(view: NewView): Promise<{ view: View; isNew: boolean; replacedId: string | null }>
  change(id: string, changes: Parameters<Catalog['featureViews']['update']>[1]): Promise<View>
  /** Notes a refresh in full; who is served by the view does not change. */
  noteRefresh(id: string, at: Date, version: number): Promise<void>
  remove(id: string): Promise<void>
  /** False once the view is known to be removed, and for what stands for one that was never made: nothing more is to be stored for it. */
  isLive(id: string): boolean
  /** Another gateway has removed it. */
  noteRemoved(id: string): void
  /** The columns that the ETL gave in training; null before its first run. */
  outputColumns(view: Pick<View, 'etl' | 'query'>): Promise<readonly Column[] | null>
  /** Of its rows: the query's, or those of its ETL. */
  columnsOf: ColumnsOf
  /** Rows of the view's ETL hold nulls where they had none in training: their columns may from now on, in the catalog too. */
  noteNulls(view: View, columns: readonly Column[]): void
  /** Forgets what is held in memory of the catalog: which view serves which target, so that the catalog is asked again. */
  forget(): void
}

interface CachedView {
  view: View
  checkedAtMs: number
}

/** Targets that are held in memory: there are as many spellings of an ETL's path as anybody likes. */
const maxTargets = 10_000

export function createViews(options: {
  catalog: Catalog
  warehouse: Warehouse
  etlService: EtlService
  background: Background
  maxOnFirstUse: number
  log: Logger
  /** Has no gateway serve from the online store what is there of the view. */
  retire: (id: string) => Promise<void>
  /** Nobody had asked for the view for long, so that no publish has kept it current. */
  onAwake: (view: View) => void
}): Views {
  const { catalog, etlService, background, retire, onAwake } = options
  const byTarget = new Map<string, CachedView>()
  /** Most lookups ask for what the one before them asked for: three comparisons, and no key is made. */
  let latest: (LookupTarget & { found: CachedView }) | null = null
  const resolving = new Map<string, Promise<View>>()
  const outputs = new Map<string, readonly Column[]>()
  const removed = new Set<string>()
  const records = createViewRecords(options)
  const makers = createViewMakers({ ...options, ...records })
  /** Making and changing views goes one at a time, so that a target never gets two. */
  const turns = createTurns()

  async function find(target: LookupTarget, mayMake: boolean): Promise<View> {
    const query = await records.freshQuery(target.queryId)
    const indexKeys = namesOfKey(query, target.indexKey)
    await records.keyTypeOf(query, indexKeys)
    const refuse = () => viewNotMade({ ...target, query: query.name })
    const etlId = await etlIdOf(target.etlPath, mayMake, refuse)
    const wanted = { queryId: query.id, etlId, indexKeys }
    const found = await catalog.featureViews.find(wanted)
    if (found === null && query.asksForMoment) return records.toView(passingRecord(query, wanted))
    if (found === null && !mayMake) throw refuse()
    const record = found ?? (await turns.alone(() => makers.onFirstUse(query, etlId, indexKeys)))
    const view = await records.toView(record)
    noteUse(view)
    return view
  }

  async function etlIdOf(etlPath: string | null, mayMake: boolean, refuse: () => AppError) {
    if (etlPath === null) return null
    const etl = mayMake ? await etlService.resolve(etlPath) : await etlService.stored(etlPath)
    if (etl === null || etl.id === null) throw refuse()
    return etl.id
  }

  function noteUse(view: View) {
    if (isIdle(view.record)) onAwake(view)
    if (!isUseDue(view.record)) return
    background.run('Noting that a feature view is asked for', () =>
      catalog.featureViews.noteUse(view.id, new Date()),
    )
  }

  /** In this order, so that no gateway serves rows which publishes no longer refresh. */
  async function removeRecord(id: string) {
    await catalog.featureViews.byId(id)
    await catalog.featureViews.assertUnused(id)
    await retire(id)
    await catalog.featureViews.remove(id)
    removed.add(id)
  }

  function startResolving(key: string, target: LookupTarget, mayMake: boolean): Promise<View> {
    // Who may have it made does not share the refusal of who may not.
    const own = `${mayMake} ${key}`
    const running = resolving.get(own)
    if (running !== undefined) return running
    const found = find(target, mayMake)
      .then((view) => {
        // A change that came meanwhile has forgotten this finding; then it is not kept.
        if (resolving.get(own) === found) keep(key, view)
        return view
      })
      .finally(() => {
        if (resolving.get(own) === found) resolving.delete(own)
      })
    resolving.set(own, found)
    return found
  }

  function keep(key: string, view: View) {
    latest = null
    byTarget.delete(key)
    if (byTarget.size >= maxTargets) byTarget.delete(byTarget.keys().next().value ?? '')
    byTarget.set(key, { view, checkedAtMs: Date.now() })
  }

  function cachedView({ queryId, indexKey, etlPath }: LookupTarget): CachedView | undefined {
    if (latest?.queryId === queryId && latest.indexKey === indexKey && latest.etlPath === etlPath)
      return latest.found
    const found = byTarget.get(targetKey({ queryId, indexKey, etlPath }))
    if (found !== undefined) latest = { queryId, indexKey, etlPath, found }
    return found
  }

  function revalidate(target: LookupTarget, found: CachedView) {
    const key = targetKey(target)
    found.checkedAtMs = Date.now()
    background.run('Comparing a feature view with the catalog', () =>
      startResolving(key, target, false).catch((error) => {
        // While the catalog is away, what is known of it goes on being served.
        if (isRefusal(error)) {
          latest = null
          byTarget.delete(key)
        }
        throw error
      }),
    )
  }

  function forget() {
    outputs.clear()
    latest = null
    byTarget.clear()
    resolving.clear()
  }

  async function outputColumns({ etl, query }: Pick<View, 'etl' | 'query'>) {
    if (etl === null) return null
    const key = outputKey(etl.id, query.id)
    const columns = outputs.get(key) ?? (await catalog.etls.outputColumns(etl.id, query.id))
    if (columns !== null) outputs.set(key, columns)
    return columns
  }

  async function byId(id: string) {
    return records.toView(await catalog.featureViews.byId(id))
  }

  return {
    byId,
    async byName(name) {
      const view = await records.toView(await catalog.featureViews.byName(name))
      noteUse(view)
      return view
    },
    forget,
    isLive: (id) => !removed.has(id) && !isPassing(id),
    noteRemoved(id) {
      if (removed.has(id)) return
      removed.add(id)
      forget()
    },
    resolve: (target, mayMake) => startResolving(targetKey(target), target, mayMake),
    cached(target) {
      const found = cachedView(target)
      if (found !== undefined && Date.now() - found.checkedAtMs > revalidateAfterMs) revalidate(target, found)
      return found?.view
    },
    all: records.all,
    create: (view) =>
      turns.alone(async () => {
        let replacedId: string | null = null
        const { record, isNew } = await makers.named(view, async (id) => {
          await retire(id)
          replacedId = id
        })
        if (replacedId !== null) removed.add(replacedId)
        forget()
        return { view: await records.toView(record), isNew, replacedId }
      }),
    change: (id, changes) =>
      turns.alone(async () => {
        const { query, record: before } = await byId(id)
        if (changes.ttlSeconds !== undefined)
          checkAsOfView(query, { ...before, ttlSeconds: changes.ttlSeconds })
        const record = await catalog.featureViews.update(id, changes)
        forget()
        return records.toView(record)
      }),
    async noteRefresh(id, at, version) {
      await catalog.featureViews.update(id, { refreshedAt: at, refreshedVersion: version })
    },
    remove: (id) =>
      turns.alone(async () => {
        await removeRecord(id)
        forget()
      }),
    outputColumns,
    columnsOf: async (view) => (view.etl === null ? view.query.columns : outputColumns(view)),
    noteNulls({ etl, query }, columns) {
      if (etl === null) return
      const key = outputKey(etl.id, query.id)
      const known = outputs.get(key)
      const names = columns
        .filter(({ nullable }, i) => nullable && known?.[i]?.nullable === false)
        .map(({ name }) => name)
      if (names.length === 0) return
      outputs.set(key, columns)
      background.run('Noting that columns of an ETL hold nulls', () =>
        catalog.etls.widenOutputColumns(etl.id, query.id, names),
      )
    },
  }
}

function outputKey(etlId: string, queryId: string): string {
  return `${etlId} ${queryId}`
}

function targetKey({ queryId, etlPath, indexKey }: LookupTarget): string {
  return JSON.stringify([queryId, indexKey, etlPath])
}
