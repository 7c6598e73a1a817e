// Refreshes in full, when they are due: one of a view at a time over all gateways, taken up from a gateway that is gone.

import type { Logger } from 'pino'
import type { Catalog } from '../../catalog/open.ts'
import type { Background } from '../../concurrency/background.ts'
import { createLimiter } from '../../concurrency/limiter.ts'
import { AppError } from '../../errors.ts'
import type { Events } from '../../events.ts'
import type { View, Views } from '../../features/views.ts'
import type { OnlineStore } from '../../online/port.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { timed } from '../../telemetry/observe.ts'
import { inSpan } from '../../telemetry/spans.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import type { Compute } from '../compute.ts'
import type { LookedUp } from '../looked-up.ts'
import { type OnlineAccess, retiredWatermark } from '../online-access.ts'
import { createRefreshRunner, TakenOver } from './refresh-run.ts'

/** Appends that follow each other closely share one refresh. */
const quietMs = 150
const maxWaitMs = 3000
/** The last one again and again. */
const retryDelaysMs = [1000, 5000, 30_000, 120_000] as const
/** How often it is looked whether another gateway is done, or gone. */
const lookEveryMs = 500
const takeUpEveryMs = 2000
/** One that took longer is told in the log. */
const longMs = 2000

export interface FullRefresh {
  /** Refreshes in the background, soon. While one runs, any number of calls make one more. */
  schedule(viewId: string): void
  /** Refreshes now, after one that runs, here or on another gateway. */
  run(viewId: string, signal?: AbortSignal): Promise<{ rows: number }>
  /** How many views wait for their refresh here, or are in it. */
  behind(): number
  /** Takes up what gateways that are gone have left undone, now and from now on. */
  takeUp(): Promise<void>
}

interface Schedule {
  again: boolean
}

export function createFullRefresh(options: {
  catalog: Pick<Catalog, 'viewRefreshes'>
  warehouse: Warehouse
  online: OnlineStore
  store: OnlineAccess
  views: Views
  compute: Compute
  lookedUp: Pick<LookedUp, 'isLately'>
  events: Events
  background: Background
  metrics: Metrics
  log: Logger
}): FullRefresh {
  const { warehouse, online, views, lookedUp, events, background, metrics, log } = options
  const { viewRefreshes } = options.catalog
  const runRefresh = createRefreshRunner(options)
  const schedules = new Map<string, Schedule>()
  /** Refreshes go one after the other: each may use the whole engine. Those of views that are otherwise kept by key hold no others up. */
  const turns = { FULL: createLimiter(1), BY_KEY: createLimiter(1), MANUAL: createLimiter(1) }

  function run(viewId: string, signal?: AbortSignal): Promise<{ rows: number }> {
    const both = signal === undefined ? background.signal : AbortSignal.any([signal, background.signal])
    const done = refreshAlone(viewId, both)
    background.track(done)
    return done
  }

  async function refreshAlone(viewId: string, signal: AbortSignal): Promise<{ rows: number }> {
    const { record } = await views.byId(viewId)
    for (;;) {
      await untilClaimed(viewId, signal)
      try {
        const turn = turns[record.refresh]
        const isUrgent = () => lookedUp.isLately(viewId)
        return await turn.run(signal, () => observed(viewId, signal), isUrgent)
      } catch (error) {
        if (!(error instanceof TakenOver)) throw error
      }
    }
  }

  /** While another gateway has the view's refresh it is waited for; whether it was. */
  async function untilClaimed(viewId: string, signal: AbortSignal): Promise<boolean> {
    for (let waited = false; ; waited = true) {
      signal.throwIfAborted()
      if ((await viewRefreshes.claim(viewId)) !== null) return waited
      await background.pause(lookEveryMs)
    }
  }

  function observed(viewId: string, signal: AbortSignal) {
    const attributes = { 'gateway.view.id': viewId }
    const seconds = (outcome: string) => metrics.work.refreshSeconds('FULL', outcome)
    return inSpan('refresh in full', { attributes }, () => timed(seconds, () => refresh(viewId, signal)))
  }

  /** Where a schedule keeps it, a refresh that failed stays this gateway's, with what was done. */
  async function refresh(viewId: string, signal: AbortSignal) {
    try {
      const rows = await refreshClaimed(viewId, signal)
      await viewRefreshes.release(viewId)
      return rows
    } catch (error) {
      if (!schedules.has(viewId) && !background.signal.aborted) await viewRefreshes.release(viewId)
      throw error
    }
  }

  async function refreshClaimed(viewId: string, signal: AbortSignal) {
    signal.throwIfAborted()
    // Anew, since another may have had it while this one waited for its turn.
    const claimed = await viewRefreshes.claim(viewId)
    if (claimed === null) throw new TakenOver()
    const view = await views.byId(viewId)
    const startedMs = performance.now()
    const { rows, version, startedAt } = await runRefresh({
      view,
      from: claimed.progress,
      advance: (progress) => viewRefreshes.advance(viewId, progress),
      isLive: () => views.isLive(viewId),
      signal,
    })
    if (views.isLive(viewId)) await noteRefresh(view, startedAt, version)
    if (!views.isLive(viewId)) await online.removeBelow(viewId, retiredWatermark)
    events.publish('online', viewId, { values: null })
    const ms = Math.round(performance.now() - startedMs)
    metrics.countsOf(view).refreshSeconds.value += ms / 1000
    log[ms > longMs ? 'info' : 'debug'](
      { view: view.record.name, rows, ms },
      'Refreshed a feature view in full',
    )
    return { rows }
  }

  async function noteRefresh({ id }: View, startedAt: Date, version: number) {
    await views.noteRefresh(id, startedAt, version).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
      views.noteRemoved(id)
    })
  }

  async function runScheduled(viewId: string, schedule: Schedule) {
    let tookMs = 0
    while (schedule.again && !background.signal.aborted) {
      // From here on others know of it, should this gateway be gone before it is done.
      await viewRefreshes.claim(viewId).catch(() => undefined)
      // A refresh that the next append overtakes is in vain: wait for quiet, and leave others their share of the engine.
      const waitMs = Math.min(Math.max(quietMs, tookMs), maxWaitMs)
      for (let waitedMs = 0; schedule.again && waitedMs < maxWaitMs; waitedMs += waitMs) {
        schedule.again = false
        await background.pause(waitMs)
      }
      schedule.again = false
      const startedAtMs = Date.now()
      await refreshUntilDone(viewId)
      tookMs = Date.now() - startedAtMs
    }
    schedules.delete(viewId)
    if (!background.signal.aborted) await viewRefreshes.release(viewId)
  }

  async function refreshUntilDone(viewId: string) {
    for (let failures = 0; ; failures++) {
      try {
        if ((await untilClaimed(viewId, background.signal)) && (await isDone(viewId))) return
        return void (await run(viewId))
      } catch (error) {
        if (isNotFound(error)) views.noteRemoved(viewId)
        if (background.signal.aborted || !views.isLive(viewId)) return
        const delayMs = retryDelaysMs[Math.min(failures, retryDelaysMs.length - 1)] ?? 0
        const level = failures < retryDelaysMs.length ? 'warn' : 'error'
        log[level](
          { err: error, viewId, delayMs },
          'A feature view could not be refreshed in full; its lookups read through, and it is tried again',
        )
        await background.pause(delayMs)
      }
    }
  }

  /** The other gateway's refresh may have seen all that this one was to bring online. */
  async function isDone(viewId: string): Promise<boolean> {
    const { record } = await views.byId(viewId)
    return record.refreshedVersion === (await warehouse.version())
  }

  /** What is seen twice only: a gateway whose connection was lost is soon seen again. */
  async function takeUpWhileOpen() {
    let seen = new Set<string>()
    while (!background.signal.aborted) {
      await background.pause(takeUpEveryMs)
      try {
        const abandoned = await viewRefreshes.abandoned()
        for (const viewId of abandoned.filter((id) => seen.has(id))) {
          log.warn({ viewId }, 'A refresh in full is taken over from a gateway that is gone')
          schedule(viewId)
        }
        seen = new Set(abandoned)
      } catch (error) {
        if (!background.signal.aborted)
          log.warn({ err: error }, 'Refreshes of gateways that are gone could not be found')
      }
    }
  }

  function schedule(viewId: string) {
    const running = schedules.get(viewId)
    if (running !== undefined) {
      running.again = true
      return
    }
    const started = { again: true }
    schedules.set(viewId, started)
    background.run('Refreshing a feature view in full', () => runScheduled(viewId, started))
  }

  return {
    run,
    schedule,
    behind: () => [...schedules.keys()].filter(views.isLive).length,
    async takeUp() {
      for (const viewId of await viewRefreshes.abandoned()) schedule(viewId)
      if (viewRefreshes.isShared) void takeUpWhileOpen()
    },
  }
}

/** Another gateway has removed the view. */
function isNotFound(error: unknown): boolean {
  return error instanceof AppError && error.code === 'NOT_FOUND'
}
