// Materializing what has changed since: the keys of the rows that were written after the last time, less an allowance for late ones.

import type { Catalog } from '../../catalog/open.ts'
import { parseLateness } from '../../features/refresh-every.ts'
import type { View } from '../../features/views.ts'
import { quoteName } from '../../sql/sql-text.ts'
import { microsOf } from '../../values/calendar.ts'
import type { Value } from '../../values/columns.ts'
import type { KeysByText, KeyValues } from '../../values/entity-key.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import { requestOf } from '../compute.ts'
import { createTouchedKeys, newestOf, plain, timeLiteral } from './touched-keys.ts'

/** So many keys are looked up while the next are found. */
const keysAtOnce = 8000
/** A literal of an earlier year is none in every engine. */
const earliestMs = Date.parse('1000-01-01')

export interface Incremental {
  /** Whether the view says when its rows were written, and was computed whole before. */
  isPossible(view: View): boolean
  /** Computes the keys of the rows that were written since, and answers how many there were. */
  run(view: View, since: Date | null, signal: AbortSignal): Promise<number>
  /** In microseconds UTC, of the query's rows whose time has come; null where there are none, and where an ETL alone tells it. */
  newestEventTime(view: View, signal: AbortSignal): Promise<bigint | null>
  /** The created time up to which a computation that begins now sees every row; null where the view tells none. */
  createdUntil(view: View, signal: AbortSignal): Promise<Date | null>
}

export function createIncremental(options: {
  warehouse: Pick<Warehouse, 'describe' | 'lookup' | 'scan'>
  featureViews: Pick<Catalog['featureViews'], 'update'>
  /** See `stepVersion`. */
  step: () => Promise<number>
  /** Resolves once the keys are served as they are now, or read through. */
  refreshKeys: (view: View, keys: KeysByText, version: number) => Promise<void>
}): Incremental {
  const { warehouse, featureViews, step, refreshKeys } = options
  const touchedKeys = createTouchedKeys(warehouse)

  async function createdUntil(view: View, signal: AbortSignal): Promise<Date | null> {
    const { createdColumn } = view.record
    if (createdColumn === null || !tellsCreated(view)) return null
    const begunAt = new Date()
    return later(null, await findNewest(view, createdColumn, '', signal), begunAt)
  }

  /** A cell of the column. */
  async function findNewest(view: View, column: string, where: string, signal: AbortSignal) {
    const sql = `SELECT 1 AS one, ${newestOf(column)} FROM (\n${plain(view.query.sql)}\n) q${where}`
    const { asOf } = requestOf(view, Date.now())
    const { batches } = await warehouse.scan({ sql, key: ['one'], asOf, signal })
    let found: Value = null
    for await (const rows of batches) for (const [, cell] of rows) found = cell ?? null
    return found
  }

  async function newestEventTime(view: View, signal: AbortSignal): Promise<bigint | null> {
    const { query, etl, record } = view
    const column = query.columns.find(({ name }) => name === record.timestampColumn)
    if (column === undefined || etl !== null) return null
    const come = ` WHERE ${quoteName(column.name)} <= ${timeLiteral(new Date(), column.storage)}`
    return microsOf(column.type, await findNewest(view, column.name, come, signal))
  }

  return {
    createdUntil,
    newestEventTime,
    isPossible: (view) =>
      tellsCreated(view) && view.record.createdUntil !== null && view.record.refresh === 'BY_KEY',

    async run(view, since, signal) {
      const begunAt = new Date()
      const from = since ?? allowanceOf(view)
      const version = await step()
      let until = view.record.createdUntil
      let count = 0
      let keys = new Map<string, KeyValues>()
      for await (const batch of touchedKeys.since(view, from, signal)) {
        for (const { key, newest } of batch) {
          until = later(until, newest, begunAt)
          if (key === null) continue
          keys.set(key.text, key.values)
          count++
        }
        if (keys.size < keysAtOnce) continue
        await refreshKeys(view, keys, version)
        keys = new Map()
      }
      if (keys.size > 0) await refreshKeys(view, keys, version)
      if (since === null) await featureViews.update(view.id, { createdUntil: until, refreshedAt: begunAt })
      return count
    },
  }
}

/** Its ETL may tell it alone. */
function tellsCreated({ query, record }: View): boolean {
  return query.columns.some(({ name }) => name === record.createdColumn)
}

/** The latest that is not in the future: a clock that was wrong once must not hide what comes after. */
function later(before: Date | null, cell: Value, begunAt: Date): Date | null {
  if (typeof cell !== 'string') return before
  const ms = cell === 'infinity' ? Number.POSITIVE_INFINITY : Date.parse(cell)
  // Neither -infinity nor what a Date cannot hold is a time that anything could be asked for from.
  if (Number.isNaN(ms)) return before
  const at = new Date(Math.max(earliestMs, Math.min(ms, begunAt.getTime())))
  return before === null || at > before ? at : before
}

function allowanceOf({ record }: View): Date {
  return new Date((record.createdUntil?.getTime() ?? 0) - parseLateness(record.lateness))
}
