// A timeline in the words of the embedded engine.

import { parseDays, parseMicros } from '../../values/calendar.ts'
import { keyPlaces } from '../key-columns.ts'
import type { LookupRequest } from '../port.ts'
import { momentAs, type TimelineTerms, timeColumn } from '../timeline.ts'
import { keyTerms } from './keys.ts'
import type { DuckdbStatement } from './plans.ts'

export function timelineTerms(
  { columns, carriers }: DuckdbStatement,
  { key, timeline }: Pick<LookupRequest, 'key' | 'timeline'>,
): TimelineTerms | null {
  if (timeline === undefined) return null
  const termsAt = (place: number) => {
    const [column, carrier] = [columns[place], carriers[place]]
    if (column === undefined || carrier === undefined) throw new Error(`Column ${place} has no type`)
    return { column, ordered: keyTerms(column, carrier.own).ordered }
  }
  const time = termsAt(timeColumn(columns, timeline.timestamp))
  const { created, later } = timeline
  return {
    keys: keyPlaces(key, columns).map((place) => termsAt(place).ordered),
    time: time.ordered,
    created: created === null ? null : termsAt(timeColumn(columns, created)).ordered,
    moment: literal(momentAs(time.column, timeline), time.column.storage),
    later,
  }
}

/** Of any year, as the engine's texts are not. */
function literal(text: string, storage: string): string {
  if (storage === 'DATE') return `(DATE '1970-01-01' + CAST(${parseDays(text)} AS INTEGER))`
  const micros = `CAST(${parseMicros(text)} AS BIGINT)`
  return storage === 'TIMESTAMP' ? `make_timestamp(${micros})` : `make_timestamptz(${micros})`
}
