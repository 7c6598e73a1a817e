// Views that are materialized by schedule: the queue has each done once for all gateways, and it sends itself for its next time.

import type { Logger } from 'pino'
import type { FeatureViewRecord } from '../../catalog/feature-views.ts'
import type { Catalog } from '../../catalog/open.ts'
import type { Background } from '../../concurrency/background.ts'
import { forEachOf, type Repetition, repeat } from '../../concurrency/repeat.ts'
import { AppError } from '../../errors.ts'
import { nextDue } from '../../features/refresh-every.ts'
import type { LookedUp } from '../looked-up.ts'

const queueName = 'refresh'
const concurrency = 2
/** Views that come to be looked up within so long are told to the queue at once. */
const urgeAfterMs = 1000
/** Should a view's next time have been lost, it is sent again. */
const ensureEveryMs = 60_000

export interface Schedules {
  /** Has the view materialized when it is due from now on, as long as it says so. */
  add(view: Pick<FeatureViewRecord, 'id' | 'refreshEvery'>): Promise<void>
  /** Has the view, which somebody looks up now, materialized before others that are due then. */
  urge(viewId: string): void
  start(): Promise<void>
  close(): Promise<void>
}

export function createSchedules(options: {
  catalog: Pick<Catalog, 'featureViews' | 'queue'>
  refresh: (viewId: string, signal: AbortSignal) => Promise<void>
  lookedUp: Pick<LookedUp, 'isLately'>
  background: Background
  log: Logger
}): Schedules {
  const { refresh, lookedUp, background, log } = options
  const { featureViews, queue } = options.catalog
  let ensuring: Repetition | undefined
  /** Views that have a schedule; those that are removed stay, which harms nobody. */
  const known = new Set<string>()
  const toUrge = new Set<string>()

  async function add({ id, refreshEvery }: Pick<FeatureViewRecord, 'id' | 'refreshEvery'>) {
    if (refreshEvery === null) return void known.delete(id)
    known.add(id)
    const due = nextDue(refreshEvery, new Date(), queue.nextByCron)
    await queue.sendAt(queueName, id, due, lookedUp.isLately(id))
  }

  async function onDue(id: string, signal: AbortSignal) {
    const view = await featureViews.byId(id).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'NOT_FOUND') return null
      throw error
    })
    if (view === null || view.refreshEvery === null) return
    try {
      await refresh(id, signal)
    } catch (error) {
      signal.throwIfAborted()
      log.warn(
        { err: error, view: view.name },
        'A scheduled refresh failed; it is tried when it is due again',
      )
    }
    await add(view)
  }

  async function urgeAll() {
    await background.pause(urgeAfterMs)
    const ids = [...toUrge]
    toUrge.clear()
    if (!background.signal.aborted) await queue.urge(queueName, ids)
  }

  return {
    add,
    urge(viewId) {
      if (!known.has(viewId)) return
      toUrge.add(viewId)
      if (toUrge.size === 1)
        background.run('Putting the schedules of views that are looked up first', urgeAll)
    },
    async start() {
      await queue.work(queueName, { concurrency, timed: true }, onDue)
      ensuring = repeat({
        everyMs: ensureEveryMs,
        failure: 'Scheduled refreshes could not be looked after',
        log,
        turn: async (signal) => forEachOf(await featureViews.all(), signal, add),
      })
    },
    async close() {
      await ensuring?.close()
    },
  }
}
