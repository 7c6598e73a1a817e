// What views held of entities at one moment, as a training set is made: cells, whether there was a row, and when it became true.

import type { ResolvedReference } from '../../features/references.ts'
import { infiniteMicros, microsOf } from '../../values/calendar.ts'
import type { Column, ColumnType, Frame, Row, Value } from '../../values/columns.ts'

export interface PastRequest {
  references: readonly ResolvedReference[]
  entities: Frame
  moment: bigint
  signal: AbortSignal
}

/** What a training set holds for these entities at one moment: their features alone, a row for each. */
export type FeaturesAt = (request: PastRequest) => Promise<Frame>

/** Of one entity and one reference. */
export interface PastPart {
  status: 'FRESH' | 'NOT_FOUND' | 'EXPIRED'
  /** Of a view in time, of the newest row whose time had come, in microseconds UTC. */
  eventTime: bigint | null
  /** Of the reference's features, in order; nulls where there is no row. */
  cells: Row
}

export interface Past {
  /** Of the features of all references, in order. */
  columns: readonly Column[]
  /** For each entity, for each reference. */
  rows: readonly (readonly PastPart[])[]
}

/** No feature has such a name. */
const rowName = (i: number) => `gateway row ${i}`
const timeName = (i: number) => `gateway time ${i}`

/**
 * One set tells it all: beside the features of each view its timestamp, or a column of its key, which no row lacks; and of
 * a view whose events expire its timestamp once more, as if they did not.
 */
export async function readPast(featuresAt: FeaturesAt, request: PastRequest): Promise<Past> {
  const { references } = request
  const asked = references.flatMap((reference, i) => {
    const own = { ...reference, features: [...reference.features, telling(reference, rowName(i))] }
    return canExpire(reference) ? [own, unexpired(reference, timeName(i))] : [own]
  })
  const { columns, rows } = await featuresAt({ ...request, references: asked })
  const places: Place[] = []
  let next = 0
  for (const reference of references) {
    const from = next
    const row = from + reference.features.length
    const time = canExpire(reference) ? row + 1 : row
    const isInTime = reference.view.record.timestampColumn !== null
    places.push({ from, row, time, timeType: isInTime ? (columns[time]?.type ?? null) : null })
    next = time + 1
  }
  return {
    columns: places.flatMap(({ from, row }) => columns.slice(from, row)),
    rows: rows.map((row) => places.map((place) => partOf(row, place))),
  }
}

/** Where in the set's rows one reference stands. */
interface Place {
  from: number
  /** Behind its features: null where there is no row. */
  row: number
  /** The newest time, expired or not. */
  time: number
  /** Null for a view without times. */
  timeType: ColumnType | null
}

function partOf(row: Row, { from, row: at, time, timeType }: Place): PastPart {
  const isThere = (cell: Value | undefined) => cell !== null && cell !== undefined
  const status = isThere(row[at]) ? 'FRESH' : isThere(row[time]) ? 'EXPIRED' : 'NOT_FOUND'
  const micros = timeType === null ? null : microsOf(timeType, row[time] ?? null)
  return { status, eventTime: micros === -infiniteMicros ? null : micros, cells: row.slice(from, at) }
}

function canExpire({ view: { record } }: ResolvedReference): boolean {
  return record.timestampColumn !== null && record.eventTtlSeconds !== null
}

/** The feature that is null only where there is no row. */
function telling({ view, keys }: ResolvedReference, name: string): ResolvedReference['features'][number] {
  const { timestampColumn } = view.record
  const [first] = keys
  if (first === undefined) throw new Error(`The feature view ${view.record.name} has no key`)
  const column = timestampColumn === null ? first.key : { ...first.key, name: timestampColumn }
  return { column, name }
}

function unexpired(reference: ResolvedReference, name: string): ResolvedReference {
  const { view } = reference
  const endless = { ...view, record: { ...view.record, eventTtlSeconds: null } }
  return { ...reference, view: endless, features: [telling(reference, name)] }
}
