// A timeline in the words of PostgreSQL.

import { quoteName, quoteText } from '../../sql/sql-text.ts'
import type { LookupRequest } from '../port.ts'
import { momentAs, type TimelineTerms, timeColumn } from '../timeline.ts'
import { keyTermsOf } from './key-terms.ts'
import type { PostgresStatement } from './plan.ts'

export function timelineTerms(
  plan: PostgresStatement,
  { key, timeline }: Pick<LookupRequest, 'key' | 'timeline'>,
): TimelineTerms | null {
  if (timeline === undefined) return null
  const { columns, carriers } = plan
  const place = timeColumn(columns, timeline.timestamp)
  const [column, carrier] = [columns[place], carriers[place]]
  if (column === undefined || carrier === undefined) throw new Error(`Column ${place} has no type`)
  const { created, later } = timeline
  if (created !== null) timeColumn(columns, created)
  return {
    keys: keyTermsOf(plan, key).map(({ by }) => by),
    time: `t.${quoteName(timeline.timestamp)}`,
    created: created === null ? null : `t.${quoteName(created)}`,
    moment: `${quoteText(carrier.encode(momentAs(column, timeline)))}::${carrier.keyType ?? carrier.native}`,
    later,
  }
}
