// After an append: the touched index values of by-key views are computed again, those of full views are marked behind.

import { isDeepStrictEqual } from 'node:util'
import type { Background } from '../../concurrency/background.ts'
import { inBatches } from '../../concurrency/batches.ts'
import { AppError } from '../../errors.ts'
import type { Events } from '../../events.ts'
import { qualified, tablesReadBy } from '../../features/followed.ts'
import type { ViewHealth } from '../../features/view-health.ts'
import { isIdle } from '../../features/view-use.ts'
import type { View, Views } from '../../features/views.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { timed } from '../../telemetry/observe.ts'
import { step } from '../../telemetry/spans.ts'
import type { KeysByText, KeyValues } from '../../values/entity-key.ts'
import type { AppendResult, KeyColumns, TableChange } from '../../warehouse/port.ts'
import type { Compute } from '../compute.ts'
import { toWriteEntry } from '../entry.ts'
import type { LookedUp } from '../looked-up.ts'
import type { OnlineAccess } from '../online-access.ts'
import type { FullRefresh } from './full-refresh.ts'
import type { RecentKeys } from './recent-keys.ts'

/** Each lookup reads the query's tables anew; more at once would only hold more in memory. */
const valuesPerLookup = 8000
/** So many times what a caller's lookup may take, a batch may: a view that is slower holds nobody up for longer. */
const timesALookup = 3
/** Refreshes of one view that run at once; appends that come meanwhile share the next one. */
const concurrentPerView = 2

export type Change = Pick<AppendResult, 'version' | 'changes'>

export interface Refresh {
  /** The columns of these tables that are keys of by-key views: `onAppended` wants to know what is stored there. */
  keysRead(tables: readonly string[]): Promise<KeyColumns[]>
  /** Resolves once every by-key view serves the change, or knows that it is behind, as every other view does; `except` have followed it already. */
  onAppended(change: Change, except?: ReadonlySet<string>): Promise<void>
  /** Resolves once the keys are served as they are now, or read through. */
  refreshKeys(view: View, keys: KeysByText, version: number): Promise<void>
  /** Whether the view has computed anew what the change touched by its keys. */
  isFollowedByKey(view: View, change: Change): boolean
  /** The appends that are being followed now. */
  settled(): Promise<void>
}

interface Waiting {
  resolve(): void
  reject(error: unknown): void
}

interface Queue {
  view: View
  keys: Map<string, KeyValues>
  version: number
  waiting: Waiting[]
  running: number
}

export function createRefresh(options: {
  views: Views
  compute: Compute
  store: OnlineAccess
  fullRefresh: FullRefresh
  recentKeys: RecentKeys
  lookedUp: Pick<LookedUp, 'sort'>
  health: ViewHealth
  lookupTimeoutMs: number
  events: Events
  background: Background
  metrics: Metrics
}): Refresh {
  const { views, compute, store, fullRefresh, recentKeys, health, events, background, metrics } = options
  const { lookedUp, lookupTimeoutMs } = options
  const queues = new Map<string, Queue>()
  const following = new Set<Promise<void>>()

  async function keysRead(tables: readonly string[]): Promise<KeyColumns[]> {
    const all = (await views.all()).filter(({ record }) => record.refresh === 'BY_KEY')
    return [...new Set(tables)].flatMap((table) => {
      const readers = all.filter((view) => tablesReadBy(view).has(qualified(table)))
      const keys = new Map(readers.map(keyNamesOf).map((columns) => [JSON.stringify(columns), columns]))
      return [...keys.values()].map((columns) => ({ table, columns }))
    })
  }

  async function follow({ version, changes }: Change, except: ReadonlySet<string>) {
    const touched = changes.map(({ table }) => qualified(table))
    const readers = (await views.all()).filter((view) => {
      const read = tablesReadBy(view)
      return !except.has(view.id) && touched.some((table) => read.has(table))
    })
    const followed = await Promise.allSettled(
      lookedUp.sort(readers).map((view) => followWith(view, { version, changes })),
    )
    const failed = followed.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async function followWith(view: View, change: Change) {
    // Whoever asks for it next finds it behind, and has it refreshed.
    if (isIdle(view.record)) return markBehind(view, change.version)
    switch (view.record.refresh) {
      case 'MANUAL':
        // What is online is served on, and says STALE.
        return markBehind(view, change.version)
      case 'FULL':
        await markBehind(view, change.version)
        fullRefresh.schedule(view.id)
        return
      case 'BY_KEY': {
        const keys = touchedKeys(view, change.changes)
        if (keys === null) {
          await markBehind(view, change.version)
          // One that lookups have made is filled by lookups.
          if (!view.record.implicit) fullRefresh.schedule(view.id)
        } else if (keys.size > 0) {
          recentKeys.note(view.id, keys.keys())
          await refreshKeys(view, keys, change.version)
        }
      }
    }
  }

  async function markBehind(view: View, version: number) {
    await store.raiseWatermark(view.id, version)
    events.publish('online', view.id, { values: null })
  }

  function refreshKeys(view: View, keys: KeysByText, version: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue: Queue = queues.get(view.id) ?? {
        view,
        keys: new Map(),
        version: 0,
        waiting: [],
        running: 0,
      }
      queues.set(view.id, queue)
      queue.view = view
      for (const [text, values] of keys) queue.keys.set(text, values)
      queue.version = Math.max(queue.version, version)
      queue.waiting.push({ resolve, reject })
      drain(queue)
    })
  }

  function drain(queue: Queue) {
    if (queue.running >= concurrentPerView || queue.waiting.length === 0) return
    const { view, keys, version, waiting } = queue
    queue.keys = new Map()
    queue.waiting = []
    queue.running++
    const done = refreshOrMark(view, keys, version).then(
      () =>
        waiting.forEach(({ resolve }) => {
          resolve()
        }),
      (error) =>
        waiting.forEach(({ reject }) => {
          reject(error)
        }),
    )
    background.track(
      done.finally(() => {
        queue.running--
        drain(queue)
        if (queue.running === 0) queues.delete(view.id)
      }),
    )
  }

  /** An update is never lost: what cannot be computed now is marked behind, and lookups read through. */
  async function refreshOrMark(view: View, keys: KeysByText, version: number) {
    if (health.isResting(view.id)) return markBehind(view, version)
    const counts = metrics.countsOf(view)
    const began = performance.now()
    try {
      for (const batch of inBatches(keys, { most: valuesPerLookup })) await refreshBatch(view, new Map(batch))
      counts.refreshSeconds.value += (performance.now() - began) / 1000
      health.succeeded(view)
    } catch (error) {
      if (background.signal.aborted) throw error
      counts.refreshFailures.value += 1
      await markBehind(view, version)
      health.failed(view, error)
    }
  }

  function refreshBatch(view: View, keys: KeysByText): Promise<void> {
    const attributes = { 'gateway.view.id': view.id, 'gateway.values': keys.size }
    const seconds = (outcome: string) => metrics.work.refreshSeconds('BY_KEY', outcome)
    return step('refresh by key', { attributes }, () => timed(seconds, () => computeAndStore(view, keys)))
  }

  async function computeAndStore(view: View, keys: KeysByText) {
    if (!views.isLive(view.id)) return
    const signal = AbortSignal.any([background.signal, AbortSignal.timeout(timesALookup * lookupTimeoutMs)])
    const computed = await compute.byKey(view, keys, signal)
    const entries = [...computed.outcomes].map(([text, outcome]) =>
      toWriteEntry(view, text, outcome, computed),
    )
    await store.write(view.id, entries)
    events.publish('online', view.id, { values: [...keys.keys()] })
  }

  return {
    keysRead,
    refreshKeys,
    async onAppended(change, except = new Set()) {
      if (background.signal.aborted) throw new AppError('WAREHOUSE_FAILED', 'The gateway is closing.')
      const followed = follow(change, except)
      following.add(followed)
      try {
        await followed
      } finally {
        following.delete(followed)
      }
    },
    isFollowedByKey: (view, { changes }) =>
      view.record.refresh === 'BY_KEY' &&
      !isIdle(view.record) &&
      !health.isResting(view.id) &&
      touchedKeys(view, changes) !== null,
    async settled() {
      await Promise.allSettled(following)
    },
  }
}

/** Warehouses do not tell names of columns apart by case. */
function keyNamesOf({ key }: View): string[] {
  return key.names.map((name) => name.toLowerCase())
}

/** The keys of the new rows; null when one of them cannot be told. */
function touchedKeys(view: View, changes: readonly TableChange[]): Map<string, KeyValues> | null {
  const read = tablesReadBy(view)
  const names = keyNamesOf(view)
  const keys = new Map<string, KeyValues>()
  for (const change of changes.filter(({ table }) => read.has(qualified(table)))) {
    const stored = change.keys?.find(({ columns }) => isDeepStrictEqual(columns, names))
    if (stored === undefined) return null
    for (const cells of stored.values) {
      const key = view.key.ofCells(cells)
      if (key === undefined) return null
      if (key !== null) keys.set(key.text, key.values)
    }
  }
  return keys
}
