// Parity that runs by itself after publishes, and mends a view that it catches serving other rows than training.

import type { Logger } from 'pino'
import type { Events } from '../events.ts'
import type { Warehouse } from '../warehouse/port.ts'
import type { Background } from './background.ts'
import type { FullRefresh } from './full-refresh.ts'
import { keysComeFromTables } from './key-origin.ts'
import type { OnlineAccess } from './online-access.ts'
import type { Parity, ParityReport } from './parity.ts'
import { foreignKeys } from './policy.ts'
import type { View, Views } from './views.ts'

const sampled = 20
/** A check waits until publishing is quiet for so long. */
const quietMs = 1000

export interface Watch {
  /** Has the views that read these tables checked, soon and in the background. */
  afterAppend(tables: readonly string[]): void
  /** Acts on a report: a by-key view with a difference is turned to FULL. */
  judge(view: View, report: ParityReport): Promise<void>
}

export function createWatch(options: {
  views: Views
  parity: Parity
  warehouse: Warehouse
  store: OnlineAccess
  fullRefresh: FullRefresh
  settled: () => Promise<void>
  events: Events
  background: Background
  log: Logger
}): Watch {
  const { views, parity, warehouse, store, fullRefresh, settled, events, background, log } = options
  const touched = new Set<string>()
  const proven = new Set<string>()
  let appendedAtMs = 0
  let waiting = false

  async function whenQuiet() {
    while (Date.now() - appendedAtMs < quietMs && !background.signal.aborted) {
      await background.pause(quietMs - (Date.now() - appendedAtMs))
    }
    waiting = false
    const tables = new Set(touched)
    touched.clear()
    for (const view of await views.all()) {
      if (background.signal.aborted) return
      const reads = view.record.tables.some((table) => tables.has(table.toLowerCase()))
      if (reads && view.record.refresh !== 'MANUAL') await check(view)
    }
  }

  async function check(view: View) {
    try {
      if (view.record.refresh === 'BY_KEY' && !(await hasOwnKeys(view))) return
      await judge(view, await parity.check(view, sampled))
    } catch (error) {
      if (background.signal.aborted || !views.isLive(view.id)) return
      log.warn({ err: error, view: view.record.name }, 'Parity of a feature view could not be checked')
    }
  }

  /** A view made while its tables were empty could not be asked for its keys' origin then. */
  async function hasOwnKeys(view: View): Promise<boolean> {
    if (proven.has(view.id)) return true
    const { indexKey, tables } = view.record
    const { signal } = background
    const own = await keysComeFromTables({ warehouse, sql: view.query.sql, indexKey, tables, signal })
    if (own === true) proven.add(view.id)
    if (own !== false) return true
    log.warn(
      { view: view.record.name, featureViewId: view.id },
      `${foreignKeys(indexKey)}: it is refreshed in full from now on`,
    )
    await mend(view, `Refreshed in full: ${foreignKeys(indexKey)}.`)
    return false
  }

  async function judge(view: View, report: ParityReport) {
    const { mismatched, missing, extra, examples } = report
    if (mismatched + missing + extra === 0 || view.record.refresh === 'MANUAL') return
    const facts = {
      view: view.record.name,
      featureViewId: view.id,
      mismatched,
      missing,
      extra,
      example: examples[0],
    }
    const current = await parity.isCurrent(view, valueAtFault(examples[0]))
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

  /** Appends that still see the view as by-key are awaited before the floor rises, so that none slips through. */
  async function mend(view: View, refreshNote: string) {
    await views.change(view.id, { refresh: 'FULL', refreshNote, refreshedVersion: null })
    await settled()
    await store.raiseFloor(view.id, await warehouse.version())
    events.publish('online', view.id, { values: null })
    fullRefresh.schedule(view.id)
  }

  return {
    judge,
    afterAppend(tables) {
      for (const table of tables) touched.add(table)
      appendedAtMs = Date.now()
      if (waiting || touched.size === 0) return
      waiting = true
      background.run('Checking parity', whenQuiet)
    },
  }
}

function valueAtFault(example: unknown): string {
  return typeof example === 'object' && example !== null && 'value' in example ? String(example.value) : ''
}
