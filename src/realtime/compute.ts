// Rows from the warehouse, grouped by index value and run through the view's ETL: what an online entry holds.

import { AppError } from '../errors.ts'
import type { EtlEngine } from '../etl/engine.ts'
import { examineFit } from '../features/drift.ts'
import type { View, Views } from '../features/views.ts'
import { type Column, createRowEncoder, encodeRows, type Row } from '../values/columns.ts'
import type { KeysByText } from '../values/entity-key.ts'
import { microsOfMs } from '../values/moment.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { type Computed, noRows, type Outcome } from './entry.ts'
import { createTimeline, encodeTimeline, laterTimes, rulesOf } from './timeline.ts'

export interface ComputedGroups {
  columns: readonly Column[]
  groups: Groups
  computedAtMs: number
}

/** Rows of one index value each, by canonical text. */
export type Groups = ReadonlyMap<string, readonly Row[]>

export interface Compute {
  /** The outcome of each key, all at one snapshot and as of one moment, now unless it is given; a key without rows has the outcome `[]`. */
  byKey(view: View, keys: KeysByText, signal: AbortSignal, computedAtMs?: number): Promise<Computed>
  /** The outcome of each group: its rows as JSON, or what the ETL makes of them; of a view in time those that are served from its moment on. */
  ofGroups(view: View, computed: ComputedGroups, signal: AbortSignal): Promise<Map<string, Outcome>>
}

export function createCompute(options: {
  warehouse: Warehouse
  etlEngine: EtlEngine
  views: Views
  /** Hears of a view whose tables may have changed under its query. */
  onMisfit: (view: View) => void
}): Compute {
  const { warehouse, etlEngine, views, onMisfit } = options

  /** Of keys that are too large together, each half on its own: in the end those that are it alone have that as their outcome. */
  async function byKey(
    view: View,
    keys: KeysByText,
    signal: AbortSignal,
    computedAtMs = Date.now(),
  ): Promise<Computed> {
    try {
      return await byKeyAtOnce(view, keys, computedAtMs, signal)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'TOO_LARGE') throw error
      const all = [...keys]
      const [only] = all
      if (all.length === 1 && only !== undefined) {
        const version = await warehouse.version()
        return { version, computedAtMs, outcomes: new Map([[only[0], { ok: false, error }]]) }
      }
      const middle = Math.ceil(all.length / 2)
      const first = await byKey(view, new Map(all.slice(0, middle)), signal, computedAtMs)
      const second = await byKey(view, new Map(all.slice(middle)), signal, computedAtMs)
      return {
        version: Math.min(first.version, second.version),
        computedAtMs,
        outcomes: new Map([...first.outcomes, ...second.outcomes]),
      }
    }
  }

  /** A saved statement that runs no more is not its caller's fault: the tables have changed under it. */
  async function lookUp(view: View, keys: KeysByText, computedAtMs: number, signal: AbortSignal) {
    const values = [...keys.values()]
    try {
      return await warehouse.lookup({ ...requestOf(view, computedAtMs), values, signal })
    } catch (error) {
      if (!(error instanceof AppError) || !/^(SCHEMA_MISMATCH|INVALID_SQL)$/.test(error.code)) throw error
      onMisfit(view)
      if (error.code === 'SCHEMA_MISMATCH') throw error
      const { drift } = await examineFit(warehouse, view)
      throw drift === null ? error : new AppError('SCHEMA_MISMATCH', drift, { cause: error })
    }
  }

  async function byKeyAtOnce(
    view: View,
    keys: KeysByText,
    computedAtMs: number,
    signal: AbortSignal,
  ): Promise<Computed> {
    const result = await lookUp(view, keys, computedAtMs, signal)
    const groups = new Map<string, Row[]>()
    const places = placesOfKey(result.columns, view)
    for (const row of result.rows) {
      const text = view.key.textOfRow(row, places)
      // The engine may find more than was asked for, where its comparison is coarser than equality.
      if (text !== null && keys.has(text)) addTo(groups, text, row)
    }
    const found = await ofGroups(view, { columns: result.columns, groups, computedAtMs }, signal)
    const outcomes = new Map<string, Outcome>()
    for (const text of keys.keys()) outcomes.set(text, found.get(text) ?? { ok: true, rows: noRows })
    return { version: result.version, computedAtMs, outcomes }
  }

  async function ofGroups(
    view: View,
    { columns, groups, computedAtMs }: ComputedGroups,
    signal: AbortSignal,
  ): Promise<Map<string, Outcome>> {
    const moment = microsOfMs(computedAtMs)
    if (view.etl === null || groups.size === 0) {
      const encode = createEncoder(view, columns, moment)
      const outcomes = new Map<string, Outcome>()
      for (const [text, own] of groups) outcomes.set(text, encode(own))
      return outcomes
    }
    const texts = [...groups.keys()]
    const outputColumns = await views.outputColumns(view)
    const results = await etlEngine.runGroups({
      etl: view.etl,
      inputColumns: columns,
      groups: [...groups.values()],
      outputColumns,
      signal,
    })
    if (results.length !== texts.length) {
      throw new AppError(
        'INTERNAL',
        `The ETL engine answered ${texts.length} groups with ${results.length} results.`,
      )
    }
    return new Map(
      texts.map((text, i) => {
        const result = results[i]
        if (result === undefined) throw new Error('a result is missing')
        if (result.ok && outputColumns !== null && result.frame.columns !== outputColumns)
          views.noteNulls(view, result.frame.columns)
        if (!result.ok) return [text, result]
        const { columns: given, rows } = result.frame
        return [text, createEncoder(view, given, moment)(rows)]
      }),
    )
  }

  return { byKey, ofGroups }
}

/** What is asked of the warehouse for a view's rows as of a moment; of a view in time without an ETL it gives no more than is stored. */
export function requestOf({ query, key, etl, record }: View, computedAtMs: number) {
  const { timestampColumn: timestamp, createdColumn: created } = record
  const timeline =
    timestamp === null || etl !== null
      ? undefined
      : { timestamp, created, moment: microsOfMs(computedAtMs), later: laterTimes }
  const asOf = query.asksForMoment ? microsOfMs(computedAtMs) : undefined
  return { sql: query.sql, saved: query.columns, key: key.names, asOf, timeline }
}

/** A key's rows as its outcome. */
export function createEncoder({ record }: View, columns: readonly Column[], moment: bigint) {
  if (record.timestampColumn === null) {
    const encode = createRowEncoder(columns)
    return (rows: readonly Row[]): Outcome => ({ ok: true, rows: encodeRows(rows, encode) })
  }
  const rules = rulesOf(record, columns)
  return (rows: readonly Row[]): Outcome => {
    // What an ETL gives no rows of may have no columns.
    if (rows.length === 0) return { ok: true, rows: noRows }
    if (rules instanceof AppError) return { ok: false, error: rules }
    const timeline = createTimeline(rules, moment)
    rows.forEach(timeline.add)
    return { ok: true, rows: encodeTimeline(timeline, columns, moment) }
  }
}

export function placesOfKey(columns: readonly Column[], { key, query }: View): number[] {
  return key.names.map((name) => {
    const place = columns.findIndex((column) => column.name === name)
    if (place >= 0) return place
    throw new AppError(
      'SCHEMA_MISMATCH',
      `The query ${query.name} no longer gives the column ${name}; it gives ${columns.map((column) => column.name).join(', ')}.`,
    )
  })
}

function addTo<K, V>(groups: Map<K, V[]>, key: K, item: V): void {
  const group = groups.get(key)
  if (group === undefined) groups.set(key, [item])
  else group.push(item)
}
