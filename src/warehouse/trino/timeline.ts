// A timeline in the words of Trino.

import type { LookupRequest } from '../port.ts'
import { momentAs, type TimelineTerms, timeColumn } from '../timeline.ts'
import { keyTermsOf } from './key-terms.ts'
import { nameInSelect, type TrinoStatement } from './plan.ts'

export function timelineTerms(
  plan: TrinoStatement,
  { key, timeline }: Pick<LookupRequest, 'key' | 'timeline'>,
): TimelineTerms | null {
  if (timeline === undefined) return null
  const { columns, carriers } = plan
  const place = timeColumn(columns, timeline.timestamp)
  const [column, carrier] = [columns[place], carriers[place]]
  const text = column && momentAs(column, timeline)
  const moment = text === undefined ? null : (carrier?.literal?.(text) ?? null)
  if (moment === null) throw new Error(`The moment ${text} is none of the type ${carrier?.native}`)
  const { created, later } = timeline
  if (created !== null) timeColumn(columns, created)
  return {
    keys: keyTermsOf(plan, key).map(({ expression }) => expression),
    time: nameInSelect(plan, { name: timeline.timestamp }),
    created: created === null ? null : nameInSelect(plan, { name: created }),
    moment,
    later,
  }
}
