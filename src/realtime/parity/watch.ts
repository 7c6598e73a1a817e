// Parity that runs by itself after publishes, and mends a view that it catches serving other rows than training.

import type { Logger } from 'pino'
import type { Background } from '../../concurrency/background.ts'
import { forEachOf, repeat } from '../../concurrency/repeat.ts'
import type { Events } from '../../events.ts'
import { tablesReadBy } from '../../features/followed.ts'
import { isIdle } from '../../features/view-use.ts'
import type { View, Views } from '../../features/views.ts'
import type { OnlineStore } from '../../online/port.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import type { FullRefresh } from '../materialize/full-refresh.ts'
import type { RecentKeys } from '../materialize/recent-keys.ts'
import type { OnlineAccess } from '../online-access.ts'
import type { ParityFindings } from './findings.ts'
import type { Parity } from './parity.ts'

/** Of the values that were touched last, and of others. */
const sampled = 20
/** A check waits until publishing is quiet for so long, where it gets quiet soon. */
const quietMs = 1000
const latestMs = 5000
/** In one round; the others are checked in the next. */
const maxViewsAtOnce = 20
/** Views of more index values than this are not compared whole. */
const maxWholeValues = 10_000
/** A view whose statement takes longer for a sample is not checked, so that it keeps no other waiting and no engine busy. */
/** For all of a view's values. */
const timesForAll = 5

export interface Watch {
  /** Has the views that read these tables checked, soon and in the background, however much is published meanwhile. */
  afterAppend(tables: readonly string[]): void
  /** Acts on findings: a by-key view with a difference is turned to FULL. */
  judge(view: View, findings: ParityFindings): Promise<void>
  close(): Promise<void>
}

export function createWatch(options: {
  views: Views
  parity: Parity
  warehouse: Warehouse
  online: OnlineStore
  store: OnlineAccess
  fullRefresh: FullRefresh
  recentKeys: RecentKeys
  /** How often views that have changed are compared whole; null never does. */
  wholeEveryMs: number | null
  /** How long a view's check may take. */
  checkTimeoutMs: number
  settled: () => Promise<void>
  events: Events
  background: Background
  log: Logger
}): Watch {
  const { views, parity, warehouse, online, store, fullRefresh, recentKeys, settled } = options
  const { wholeEveryMs, checkTimeoutMs, events, background, log } = options
  /** Views that are due for a check, in the order in which they came to be. */
  const due = new Set<string>()
  const touched = new Set<string>()
  const changedSinceWhole = new Set<string>()
  let appendedAtMs = 0
  let waiting = false

  async function whenQuiet() {
    const latestAtMs = Date.now() + latestMs
    for (;;) {
      const untilMs = Math.min(appendedAtMs + quietMs, latestAtMs)
      if (Date.now() >= untilMs || background.signal.aborted) break
      await background.pause(untilMs - Date.now())
    }
  }

  async function checkTouched() {
    while ((touched.size > 0 || due.size > 0) && !background.signal.aborted) {
      await whenQuiet()
      const tables = new Set(touched)
      touched.clear()
      const all = new Map((await views.all()).map((view) => [view.id, view]))
      recentKeys.keepOnly(new Set(all.keys()))
      for (const view of all.values()) {
        const reads = !tablesReadBy(view).isDisjointFrom(tables)
        if (reads && view.record.refresh !== 'MANUAL' && !isIdle(view.record)) due.add(view.id)
      }
      for (const id of [...due].slice(0, maxViewsAtOnce)) {
        due.delete(id)
        const view = all.get(id)
        if (view !== undefined && !background.signal.aborted) await check(view)
      }
    }
  }

  function check(view: View): Promise<void> {
    changedSinceWhole.add(view.id)
    return attempt(view, checkTimeoutMs, (signal) =>
      parity.check(view, recentKeys.take(view.id, sampled), { sample: sampled, signal }),
    )
  }

  async function attempt(
    view: View,
    timeoutMs: number,
    compare: (signal: AbortSignal) => Promise<ParityFindings>,
  ) {
    try {
      await judge(view, await compare(AbortSignal.timeout(timeoutMs)))
    } catch (error) {
      if (background.signal.aborted || !views.isLive(view.id)) return
      log.warn({ err: error, view: view.record.name }, 'Parity of a feature view could not be checked')
    }
  }

  /** What samples miss: every value of the by-key views that have changed, where they are not too many. */
  async function compareWhole(signal: AbortSignal) {
    if (changedSinceWhole.size === 0) return
    const changed = (await views.all()).filter(({ id }) => changedSinceWhole.has(id))
    await forEachOf(changed, signal, async (view) => {
      const isByKey = view.record.refresh === 'BY_KEY'
      const values = isByKey ? await online.sample(view.id, maxWholeValues + 1) : []
      changedSinceWhole.delete(view.id)
      if (isByKey && values.length <= maxWholeValues)
        await attempt(view, timesForAll * checkTimeoutMs, (whole) =>
          parity.report(view, { sample: 2 * maxWholeValues, signal: whole }),
        )
    })
  }

  const comparingWhole =
    wholeEveryMs === null
      ? undefined
      : repeat({
          everyMs: wholeEveryMs,
          failure: 'Feature views could not be compared whole',
          log,
          turn: compareWhole,
        })

  async function judge(view: View, { report, atFault }: ParityFindings) {
    const { mismatched, missing, extra, examples } = report
    if (atFault === null || view.record.refresh === 'MANUAL') return
    const facts = {
      view: view.record.name,
      featureViewId: view.id,
      mismatched,
      missing,
      extra,
      example: examples[0],
    }
    const current = await parity.isCurrent(view, atFault)
    if (view.record.refresh === 'BY_KEY' && !current) {
      log.warn(
        facts,
        'A feature view refreshed by key served other rows than training: it is refreshed in full from now on',
      )
      await mend(
        view,
        `Refreshed in full: refreshed by ${view.record.indexKey}, it served other rows than training, so its rows depend on rows of other values.`,
      )
    } else if (current && view.etl !== null) {
      log.error(
        facts,
        `The ETL ${view.etl.name} gives a value other rows alone than among all rows, so realtime differs from training: let it use nothing but rows of the same ${view.record.indexKey}`,
      )
    } else log.error(facts, 'A feature view serves other rows than training')
  }

  /** Appends that still see the view as by-key are awaited before the watermark rises, so that none slips through. */
  async function mend(view: View, refreshNote: string) {
    await views.change(view.id, { refresh: 'FULL', refreshNote, refreshedVersion: null })
    await settled()
    await store.raiseWatermark(view.id, await warehouse.version())
    events.publish('online', view.id, { values: null })
    fullRefresh.schedule(view.id)
  }

  return {
    judge,
    async close() {
      await comparingWhole?.close()
    },
    afterAppend(tables) {
      for (const table of tables) touched.add(table)
      appendedAtMs = Date.now()
      if (waiting || touched.size === 0) return
      waiting = true
      background.run('Checking parity', () => checkTouched().finally(() => (waiting = false)))
    },
  }
}
