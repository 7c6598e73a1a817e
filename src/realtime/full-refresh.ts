// Refreshing in full: the whole result, streamed in the key's order, takes the place of all that a view holds online.

import type { Logger } from 'pino'
import type { Row } from '../columns.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { OnlineStore, WriteEntry } from '../online/port.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { timed } from '../telemetry/observe.ts'
import { inSpan } from '../telemetry/spans.ts'
import type { Warehouse } from '../warehouse/port.ts'
import type { Background } from './background.ts'
import { type Compute, keyPosition } from './compute.ts'
import { toWriteEntry } from './entry.ts'
import { canonicalText } from './index-value.ts'
import { type OnlineAccess, retiredFloor } from './online-access.ts'
import type { View, Views } from './views.ts'

/** Groups are computed and written in batches of about so many rows. */
const rowsPerBatch = 4000
/** Appends that follow each other closely share one refresh. */
const quietMs = 150
const maxWaitMs = 3000
const retryDelaysMs = [1000, 5000, 30_000, 120_000] as const
const reportAfterMs = 2000

export interface FullRefresh {
  /** Refreshes in the background, soon. While one runs, any number of calls make one more. */
  schedule(viewId: string): void
  /** Refreshes now, after one that runs. */
  run(viewId: string, signal?: AbortSignal): Promise<{ rows: number }>
  /** How many views wait for their refresh, are in it, or had it fail for good. */
  behind(): number
}

interface Schedule {
  again: boolean
}

export function createFullRefresh(options: {
  warehouse: Warehouse
  online: OnlineStore
  store: OnlineAccess
  views: Views
  compute: Compute
  events: Events
  background: Background
  metrics: Metrics
  log: Logger
}): FullRefresh {
  const { warehouse, online, store, views, compute, events, background, metrics, log } = options
  const schedules = new Map<string, Schedule>()
  /** Views whose refreshes have failed as often as they are tried. */
  const givenUp = new Set<string>()
  /** Refreshes go one after the other: each may use the whole engine. */
  let turn: Promise<unknown> = Promise.resolve()

  function run(viewId: string, signal?: AbortSignal): Promise<{ rows: number }> {
    const both = signal === undefined ? background.signal : AbortSignal.any([signal, background.signal])
    const done = turn.then(() => observed(viewId, both))
    turn = done.catch(() => undefined)
    background.track(done)
    return done
  }

  function observed(viewId: string, signal: AbortSignal) {
    const attributes = { 'gateway.view.id': viewId }
    const seconds = (outcome: string) => metrics.work.refreshSeconds('FULL', outcome)
    return inSpan('refresh in full', { attributes }, () => timed(seconds, () => refresh(viewId, signal)))
  }

  async function refresh(viewId: string, signal: AbortSignal) {
    signal.throwIfAborted()
    const view = await views.byId(viewId)
    const startedAtMs = Date.now()
    const { version, columns, batches } = await warehouse.scan({
      sql: view.query.sql,
      key: view.keyColumn.name,
      signal,
    })
    let rows = 0
    let reportedAtMs = startedAtMs
    for await (const groups of grouped(view, keyPosition(columns, view), batches)) {
      signal.throwIfAborted()
      const outcomes = await compute.ofGroups(view, columns, groups, signal)
      const computed = { version, computedAtMs: startedAtMs, outcomes }
      const entries: WriteEntry[] = []
      for (const [text, outcome] of outcomes) entries.push(toWriteEntry(text, outcome, computed))
      if (!views.isLive(viewId)) break
      await store.write(viewId, entries)
      for (const group of groups.values()) rows += group.length
      if (Date.now() - reportedAtMs > reportAfterMs) {
        reportedAtMs = Date.now()
        log.info({ view: view.record.name, rows }, 'Refreshing a feature view in full')
      }
    }
    // Whatever older snapshots still write is behind from here on; then what is gone from the result goes from the store.
    await store.raiseFloor(viewId, version)
    await online.removeBelow(viewId, version)
    if (views.isLive(viewId)) {
      await views.noteRefresh(viewId, new Date(startedAtMs), version).catch((error: unknown) => {
        if (!isNotFound(error)) throw error
        views.noteRemoved(viewId)
      })
    }
    if (!views.isLive(viewId)) await online.removeBelow(viewId, retiredFloor)
    givenUp.delete(viewId)
    events.publish('online', viewId, { values: null })
    log.debug(
      { view: view.record.name, rows, ms: Date.now() - startedAtMs },
      'Refreshed a feature view in full',
    )
    return { rows }
  }

  async function runScheduled(viewId: string, schedule: Schedule) {
    let tookMs = 0
    while (schedule.again && !background.signal.aborted) {
      // A refresh that the next append overtakes is in vain: wait for quiet, and leave others their share of the engine.
      const waitMs = Math.min(Math.max(quietMs, tookMs), maxWaitMs)
      for (let waitedMs = 0; schedule.again && waitedMs < maxWaitMs; waitedMs += waitMs) {
        schedule.again = false
        await background.pause(waitMs)
      }
      schedule.again = false
      const startedAtMs = Date.now()
      await retried(viewId)
      tookMs = Date.now() - startedAtMs
    }
    schedules.delete(viewId)
  }

  async function retried(viewId: string) {
    for (const delayMs of [...retryDelaysMs, null]) {
      try {
        return await run(viewId)
      } catch (error) {
        if (isNotFound(error)) views.noteRemoved(viewId)
        if (background.signal.aborted || !views.isLive(viewId)) return
        if (delayMs === null) {
          givenUp.add(viewId)
          log.error(
            { err: error, viewId },
            'A feature view could not be refreshed in full; its lookups read through',
          )
          return
        }
        log.warn(
          { err: error, viewId, delayMs },
          'A feature view could not be refreshed in full; trying again',
        )
        await background.pause(delayMs)
      }
    }
  }

  return {
    run,
    behind: () => new Set([...schedules.keys(), ...givenUp].filter(views.isLive)).size,
    schedule(viewId) {
      const running = schedules.get(viewId)
      if (running !== undefined) {
        running.again = true
        return
      }
      const schedule = { again: true }
      schedules.set(viewId, schedule)
      background.run('Refreshing a feature view in full', () => runScheduled(viewId, schedule))
    },
  }
}

/** Another gateway has removed the view. */
function isNotFound(error: unknown): boolean {
  return error instanceof AppError && error.code === 'NOT_FOUND'
}

/** The rows of one index value stand together: whole groups leave in batches, no more than one batch and one group are held. */
async function* grouped(view: View, position: number, batches: AsyncIterable<readonly Row[]>) {
  let groups = new Map<string, Row[]>()
  let held = 0
  let lastText: string | undefined
  let group: Row[] = []
  for await (const rows of batches) {
    for (const row of rows) {
      const text = canonicalText(view.keyColumn, row[position] ?? null)
      if (text !== lastText) {
        if (held >= rowsPerBatch) {
          yield groups
          groups = new Map()
          held = 0
        }
        lastText = text
        group = groups.get(text) ?? []
        groups.set(text, group)
      }
      group.push(row)
      held++
    }
  }
  if (groups.size > 0) yield groups
}
