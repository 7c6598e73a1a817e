// What an entry of a view in time holds: the row whose time had come when it was computed, and every later one. Which of them is served is chosen when it is read.

import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import { AppError } from '../errors.ts'
import { type ByteText, toByteText, toText } from '../values/byte-text.ts'
import { infiniteMicros, microsOf } from '../values/calendar.ts'
import { type Column, createRowEncoder, encodeRows, type Row } from '../values/columns.ts'
import { type Compare, compareBy, createRowComparer } from '../values/value-order.ts'
import { noRows } from './entry.ts'

type InTime = Pick<FeatureViewRecord, 'timestampColumn' | 'createdColumn' | 'eventTtlSeconds'>

/** Later rows of one entry, and their bytes: behind them it is computed anew. */
const most = { later: 1000, bytes: 1_000_000 }
/** Of so many times that are later a warehouse gives the rows: one more than is held tells that there are more. */
export const laterTimes = most.later + 1

/** The greatest of the rows of one time: by created time, then by all columns in order; null is the least. */
export interface Rules {
  microsOf(row: Row): bigint | null
  compare: Compare<Row>
}

/** The error where the columns tell no time. */
export function rulesOf(
  { timestampColumn, createdColumn }: InTime,
  columns: readonly Column[],
): Rules | AppError {
  const time = timePlace(columns, timestampColumn)
  const created = timePlace(columns, createdColumn)
  const type = columns[time]?.type
  if (type === undefined) return notInTime(timestampColumn, columns)
  const byColumns = createRowComparer(columns)
  const byCreated = compareBy[columns[created]?.type === 'DATE' ? 'days' : 'micros']
  return {
    microsOf: (row) => microsOf(type, row[time] ?? null),
    compare: (a, b) =>
      (created < 0 ? 0 : byCreated(a[created] ?? null, b[created] ?? null)) || byColumns(a, b),
  }
}

/** -1 for a column that tells no times. */
function timePlace(columns: readonly Column[], name: string | null): number {
  return columns.findIndex(
    (column) => column.name === name && (column.type === 'TIMESTAMP' || column.type === 'DATE'),
  )
}

/** Gathers one key's rows, of which it holds no more than are served from the moment on. */
export interface Timeline {
  add(row: Row): void
  /** Times and rows, the earliest first; those up to the moment are one. */
  held(): readonly (readonly [micros: bigint, row: Row])[]
}

export function createTimeline({ microsOf: timeOf, compare }: Rules, moment: bigint): Timeline {
  const later = new Map<bigint, Row>()
  let latest: readonly [bigint, Row] | null = null
  return {
    add(row) {
      const micros = timeOf(row)
      if (micros === null) return
      if (micros > moment) {
        const known = later.get(micros)
        if (known === undefined || compare(row, known) > 0) later.set(micros, row)
      } else if (
        latest === null ||
        micros > latest[0] ||
        (micros === latest[0] && compare(row, latest[1]) > 0)
      )
        latest = [micros, row]
    },
    held: () => [...(latest === null ? [] : [latest]), ...[...later].sort(([a], [b]) => (a < b ? -1 : 1))],
  }
}

/**
 * As an entry's rows: `@` and the time from which on it does not tell all, if there is one; for each row its time and how
 * many bytes it takes; a line's end; the rows, each as the list that is served.
 */
export function encodeTimeline(timeline: Timeline, columns: readonly Column[], moment: bigint): string {
  const encode = createRowEncoder(columns)
  const heads: string[] = []
  const texts: string[] = []
  let [until, later, bytes] = ['', 0, 0]
  for (const [micros, row] of timeline.held()) {
    const text = encodeRows([row], encode)
    const size = Buffer.byteLength(text)
    if (micros > moment && (++later > most.later || (bytes > 0 && bytes + size > most.bytes))) {
      until = String(micros)
      break
    }
    heads.push(`,${micros}:${size}`)
    texts.push(text)
    bytes += size
  }
  return texts.length === 0 ? noRows : `@${until}${heads.join('')}\n${texts.join('')}`
}

export interface Picked {
  status: 'FOUND' | 'NOT_FOUND' | 'EXPIRED'
  rows: ByteText
  /** In microseconds UTC, of the newest row whose time has come; null where there is none. */
  eventTime: bigint | null
  /** When it will be another by time alone. */
  changesAt: bigint | null
}

const noRowsText = toByteText(noRows)
const nothing = { status: 'NOT_FOUND', rows: noRowsText, eventTime: null } as const

/** What is served at a moment; null where the entry does not tell it, and is to be computed anew. */
export function pickAt(
  text: ByteText,
  { eventTtlSeconds }: Pick<InTime, 'eventTtlSeconds'>,
  moment: bigint,
): Picked | null {
  if (text === noRows) return { ...nothing, changesAt: null }
  const { until, found, next } = findAt(text, moment)
  if (until !== null && until <= moment) return null
  const changes = next ?? until
  if (found === null) return { ...nothing, changesAt: changes }
  const eventTime = found.micros === -infiniteMicros ? null : found.micros
  const lasts = eventTtlSeconds === null ? null : found.micros + BigInt(eventTtlSeconds) * 1_000_000n
  if (lasts !== null && lasts < moment)
    return { status: 'EXPIRED', rows: noRowsText, eventTime, changesAt: changes }
  const ends = lasts === null || (changes !== null && changes <= lasts) ? changes : lasts + 1n
  const rows = text.slice(found.from, found.from + found.size) as ByteText
  return { status: 'FOUND', rows, eventTime, changesAt: ends }
}

/** A value's rows as JSON texts: of a view in time those that are served at a moment, of others all. */
export type RowsAt = (moment: bigint) => readonly string[]

export function rowsAt(record: InTime, rows: string): RowsAt {
  const textsOf = (text: string) => (JSON.parse(text) as unknown[]).map((row) => JSON.stringify(row))
  if (record.timestampColumn === null) {
    const texts = textsOf(rows)
    return () => texts
  }
  const text = toByteText(rows)
  return (moment) => textsOf(toText(pickAt(text, record, moment)?.rows ?? noRowsText))
}

/** The row whose time has come, and the time of the one after it. */
function findAt(text: ByteText, moment: bigint) {
  const head = text.indexOf('\n')
  const first = text.indexOf(',')
  let at = first < 0 || first > head ? head : first
  const until = at > 1 ? BigInt(text.slice(1, at)) : null
  let found: { micros: bigint; from: number; size: number } | null = null
  let from = head + 1
  while (at < head) {
    const colon = text.indexOf(':', at)
    const comma = text.indexOf(',', colon)
    const end = comma < 0 || comma > head ? head : comma
    const micros = BigInt(text.slice(at + 1, colon))
    if (micros > moment) return { until, found, next: micros }
    const size = Number(text.slice(colon + 1, end))
    found = { micros, from, size }
    from += size
    at = end
  }
  return { until, found, next: null }
}

function notInTime(timestampColumn: string | null, columns: readonly Column[]): AppError {
  const given = columns.map(({ name, type }) => `${name} ${type}`).join(', ')
  return new AppError(
    'SCHEMA_MISMATCH',
    `The view's timestamp column ${timestampColumn} is none of its columns of type TIMESTAMP or DATE; it has ${given}. An ETL in JavaScript or TypeScript tells the type by \`export const columns\`.`,
  )
}
