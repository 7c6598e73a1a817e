// Marks the views whose tables have changed under their queries, with what changed; and those of which it holds no longer.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Background } from '../../concurrency/background.ts'
import { forEachOf, type Repetition, repeat } from '../../concurrency/repeat.ts'
import type { Events } from '../../events.ts'
import { examineFit } from '../../features/drift.ts'
import { choosePolicy } from '../../features/policy.ts'
import { isIdle } from '../../features/view-use.ts'
import type { View, Views } from '../../features/views.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import type { OnlineAccess } from '../online-access.ts'
import type { FullRefresh } from './full-refresh.ts'

/** What no notice, schedule or failed lookup has shown is found by looking. */
const sweepEveryMs = 300_000

export interface DriftWatch {
  /** Compares the view with its tables as they are now, and resolves to it as it is from then on. */
  check(view: View): Promise<View>
  /** The same for whoever does not wait for it. */
  checkSoon(view: View): void
  start(): void
  close(): Promise<void>
}

export function createDriftWatch(options: {
  warehouse: Warehouse
  views: Views
  store: OnlineAccess
  fullRefresh: FullRefresh
  /** See `stepVersion`. */
  step: () => Promise<number>
  events: Events
  background: Background
  log: Logger
}): DriftWatch {
  const { warehouse, views, store, fullRefresh, step, events, background, log } = options
  const checking = new Map<string, Promise<View>>()
  let sweeping: Repetition | undefined

  async function compare(view: View): Promise<View> {
    const { drift, tables } = await examineFit(warehouse, view)
    const known = view.record.driftNote
    const changed =
      tables === null || isDeepStrictEqual(new Set(tables), new Set(view.record.tables))
        ? {}
        : await policyNow(view)
    if (drift === known && Object.keys(changed).length === 0) return view
    const now = await views.change(view.id, { ...changed, driftNote: drift })
    const facts = { view: view.record.name, featureViewId: view.id }
    if (drift !== null) log.warn({ ...facts, drift }, 'The tables have changed under a feature view')
    else log.info(facts, 'A feature view fits its tables again, or reads others than it did')
    // What is online was computed of tables that were otherwise.
    await store.raiseWatermark(view.id, await step())
    events.publish('online', view.id, { values: null })
    if (drift === null && view.record.refresh !== 'MANUAL') fullRefresh.schedule(view.id)
    return now
  }

  /** Of a query that reads other tables than it did, a database view that was made anew, say. */
  async function policyNow({ record, query, key }: View) {
    const asked = record.refresh === 'BY_KEY' ? 'AUTO' : record.refresh
    const { tables, ...policy } = await choosePolicy({ warehouse, sql: query.sql, key, asked })
    return record.refresh === 'BY_KEY' ? { tables, ...policy } : { tables }
  }

  function check(view: View): Promise<View> {
    const running = checking.get(view.id) ?? compare(view).finally(() => checking.delete(view.id))
    checking.set(view.id, running)
    return running
  }

  return {
    check,
    checkSoon(view) {
      if (views.isLive(view.id)) background.run('Comparing a feature view with its tables', () => check(view))
    },
    start() {
      sweeping ??= repeat({
        everyMs: sweepEveryMs,
        failure: 'Feature views could not be compared with their tables',
        log,
        async turn(signal) {
          const used = (await views.all()).filter(({ record }) => !isIdle(record))
          await forEachOf(used, signal, check)
        },
      })
    },
    close: async () => sweeping?.close(),
  }
}
