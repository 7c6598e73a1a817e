// Which feature view serves a lookup: found in memory, else in the catalog, else made on first use.

import type { EtlRecord } from '../catalog/etls.ts'
import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import type { Column } from '../columns.ts'
import { AppError } from '../errors.ts'
import type { EtlService } from '../etl/service.ts'
import type { Warehouse } from '../warehouse/port.ts'
import type { Background } from './background.ts'
import { createKeyColumns } from './key-columns.ts'
import type { LookupTarget } from './result.ts'
import { createViewMakers, type NewView } from './view-makers.ts'

/** What is held in memory is compared with the catalog this often while it is in use: another process may have changed it. */
const revalidateAfterMs = 2000
export interface View {
  id: string
  record: FeatureViewRecord
  query: SavedQueryRecord
  etl: EtlRecord | null
  keyColumn: Column
}

export interface Views {
  /** From memory at once; nothing is asked of the catalog. */
  cached(target: LookupTarget): View | undefined
  /** Finds the target's view, or makes it. NOT_FOUND for the query, BAD_USER_INPUT for the key. */
  resolve(target: LookupTarget): Promise<View>
  byId(id: string): Promise<View>
  /** All views as the catalog has them now. */
  all(): Promise<readonly View[]>
  /** Also tells which view, made on first use, had to give way: what it stored is to be dropped. */
  create(view: NewView): Promise<{ view: View; replacedId: string | null }>
  change(id: string, changes: Parameters<Catalog['featureViews']['update']>[1]): Promise<View>
  /** Notes a refresh in full; who is served by the view does not change. */
  noteRefresh(id: string, at: Date, version: number): Promise<void>
  remove(id: string): Promise<void>
  /** False once the view is known to be removed: nothing more is to be stored for it. */
  isLive(id: string): boolean
  /** Another gateway has removed it. */
  noteRemoved(id: string): void
  /** The columns that the ETL gave in training; null before its first run. */
  outputColumns(view: View): Promise<readonly Column[] | null>
  /** Forgets which view serves which target, so that the catalog is asked again. */
  forget(): void
}

interface CachedView {
  view: View
  checkedAtMs: number
}

export function createViews(options: {
  catalog: Catalog
  warehouse: Warehouse
  etlService: EtlService
  background: Background
  /** Has no gateway serve from the online store what is there of the view. */
  retire: (id: string) => Promise<void>
}): Views {
  const { catalog, warehouse, etlService, background, retire } = options
  const byTarget = new Map<string, CachedView>()
  /** Most lookups ask for what the one before them asked for: three comparisons, and no key is made. */
  let latest: (LookupTarget & { found: CachedView }) | null = null
  const resolving = new Map<string, Promise<View>>()
  const queries = new Map<string, SavedQueryRecord>()
  const etls = new Map<string, EtlRecord>()
  const outputs = new Map<string, readonly Column[]>()
  const removed = new Set<string>()
  /** Making and changing views goes one at a time, so that a target never gets two. */
  let turn: Promise<unknown> = Promise.resolve()

  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = turn.then(task, task)
    turn = done.catch(() => undefined)
    return done
  }

  async function remembered<T>(known: Map<string, T>, id: string, load: (id: string) => Promise<T>) {
    const found = known.get(id) ?? (await load(id))
    known.set(id, found)
    return found
  }

  const queryById = (id: string) => remembered(queries, id, (queryId) => catalog.savedQueries.byId(queryId))
  const etlById = (id: string) => remembered(etls, id, (etlId) => catalog.etls.byId(etlId))

  const keyColumnOf = createKeyColumns({ savedQueries: catalog.savedQueries, warehouse })
  const makers = createViewMakers({ catalog, warehouse, queryById, etlById, keyColumnOf })

  async function toView(record: FeatureViewRecord): Promise<View> {
    const query = await queryById(record.queryId)
    const etl = record.etlId === null ? null : await etlById(record.etlId)
    return { id: record.id, record, query, etl, keyColumn: await keyColumnOf(query, record.indexKey) }
  }

  /** Null for a view that no lookup can reach any more: its query or its key is gone. */
  async function toViewIfUsable(record: FeatureViewRecord): Promise<View | null> {
    try {
      return await toView(record)
    } catch (error) {
      if (isRefusal(error)) return null
      throw error
    }
  }

  async function find(target: LookupTarget): Promise<View> {
    const query = await catalog.savedQueries.byId(target.queryId)
    queries.set(query.id, query)
    await keyColumnOf(query, target.indexKey)
    const etlId = await etlIdOf(target.etlPath)
    const record =
      (await catalog.featureViews.find({ queryId: query.id, etlId, indexKey: target.indexKey })) ??
      (await inTurn(() => makers.onFirstUse(query, etlId, target.indexKey)))
    return toView(record)
  }

  async function etlIdOf(etlPath: string | null): Promise<string | null> {
    if (etlPath === null) return null
    const { id } = await etlService.resolve(etlPath, { save: true })
    if (id === null) throw new AppError('NOT_FOUND', `No ETL ${etlPath} is in the catalog.`)
    return id
  }

  /** In this order, so that no gateway serves rows which publishes no longer refresh. */
  async function removeRecord(id: string) {
    await catalog.featureViews.byId(id)
    await retire(id)
    await catalog.featureViews.remove(id)
    removed.add(id)
  }

  function startResolving(key: string, target: LookupTarget): Promise<View> {
    const running = resolving.get(key)
    if (running !== undefined) return running
    const found = find(target)
      .then((view) => {
        // A change that came meanwhile has forgotten this finding; then it is not kept.
        if (resolving.get(key) === found) {
          latest = null
          byTarget.set(key, { view, checkedAtMs: Date.now() })
        }
        return view
      })
      .finally(() => {
        if (resolving.get(key) === found) resolving.delete(key)
      })
    resolving.set(key, found)
    return found
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
      startResolving(key, target).catch((error) => {
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
    latest = null
    byTarget.clear()
    resolving.clear()
  }

  async function byId(id: string) {
    return toView(await catalog.featureViews.byId(id))
  }

  return {
    byId,
    forget,
    isLive: (id) => !removed.has(id),
    noteRemoved(id) {
      if (removed.has(id)) return
      removed.add(id)
      forget()
    },
    resolve: (target) => startResolving(targetKey(target), target),
    cached(target) {
      const found = cachedView(target)
      if (found !== undefined && Date.now() - found.checkedAtMs > revalidateAfterMs) revalidate(target, found)
      return found?.view
    },
    async all() {
      const records = await catalog.featureViews.all()
      const found = await Promise.all(records.map(toViewIfUsable))
      return found.filter((view) => view !== null)
    },
    create: (view) =>
      inTurn(async () => {
        let replacedId: string | null = null
        const record = await makers.named(view, async (id) => {
          await retire(id)
          replacedId = id
        })
        if (replacedId !== null) removed.add(replacedId)
        forget()
        return { view: await toView(record), replacedId }
      }),
    change: (id, changes) =>
      inTurn(async () => {
        const record = await catalog.featureViews.update(id, changes)
        forget()
        return toView(record)
      }),
    async noteRefresh(id, at, version) {
      await catalog.featureViews.update(id, { refreshedAt: at, refreshedVersion: version })
    },
    remove: (id) =>
      inTurn(async () => {
        await removeRecord(id)
        forget()
      }),
    async outputColumns({ etl, query }) {
      if (etl === null) return null
      const key = `${etl.id} ${query.id}`
      const columns = outputs.get(key) ?? (await catalog.etls.outputColumns(etl.id, query.id))
      if (columns !== null) outputs.set(key, columns)
      return columns
    },
  }
}

/** The catalog has answered, and the target or its view is no more. */
function isRefusal(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'NOT_FOUND' || error.code === 'BAD_USER_INPUT')
}

function targetKey({ queryId, etlPath, indexKey }: LookupTarget): string {
  return JSON.stringify([queryId, indexKey, etlPath])
}
