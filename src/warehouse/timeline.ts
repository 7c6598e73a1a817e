// Of a statement's rows those alone that are served from a moment on, by window functions that every engine has.

import { AppError } from '../errors.ts'
import { quoteName } from '../sql/sql-text.ts'
import { formatDays, formatMicros, microsPerDay } from '../values/calendar.ts'
import type { Column } from '../values/columns.ts'
import type { TimelineRequest } from './port.ts'

/** A timeline in an engine's own words, over the statement's columns as those of `t`. */
export interface TimelineTerms {
  /** In these, rows of one key are the same and of others are not. */
  keys: readonly string[]
  time: string
  created: string | null
  /** The moment as a value of the time's type. */
  moment: string
  later: number
}

const latest = quoteName('gateway latest')
const place = quoteName('gateway place')

/**
 * What stands before the statement and behind it, in place of a plain parenthesis. The greatest time is found without
 * sorting a key's rows; what is left of them is few, and alone is put in order.
 */
export function timelineAround({ keys, time, created, moment, later }: TimelineTerms) {
  const byKey = keys.join(', ')
  const isLater = `${time} > ${moment}`
  const byCreated =
    created === null ? '' : `CASE WHEN ${isLater} THEN NULL ELSE ${created} END DESC NULLS LAST, `
  const ranked = `dense_rank() OVER (PARTITION BY ${byKey}, ${isLater} ORDER BY ${byCreated}${time}) AS ${place}`
  const found = `max(CASE WHEN ${time} <= ${moment} THEN ${time} END) OVER (PARTITION BY ${byKey}) AS ${latest}`
  return {
    before: `(SELECT t.*, ${ranked} FROM (SELECT t.*, ${found} FROM (\n`,
    behind: (alias: string, where: string) =>
      `\n) ${alias} WHERE ${where} AND ${time} IS NOT NULL) t WHERE ${time} >= ${latest} OR ${latest} IS NULL) t WHERE ${place} <= CASE WHEN ${isLater} THEN ${later} ELSE 1 END`,
  }
}

/** A column of times among the statement's; SCHEMA_MISMATCH where it is none. */
export function timeColumn<Named extends Pick<Column, 'name' | 'type'>>(
  columns: readonly Named[],
  name: string,
): number {
  const at = columns.findIndex((column) => column.name === name)
  const type = columns[at]?.type
  if (type === 'TIMESTAMP' || type === 'DATE') return at
  const found = type === undefined ? 'is missing' : `is ${type}`
  throw new AppError('SCHEMA_MISMATCH', `The column ${name}, of type TIMESTAMP or DATE, ${found}.`)
}

/** The moment as a cell of a column: the day that it falls on in a column of dates. */
export function momentAs(
  { type }: Pick<Column, 'type'>,
  { moment }: Pick<TimelineRequest, 'moment'>,
): string {
  if (type !== 'DATE') return formatMicros(moment)
  const days = moment / microsPerDay
  return formatDays(Number(days * microsPerDay > moment ? days - 1n : days))
}
