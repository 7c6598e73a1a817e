// The columns that put a view in time, and what may be said of them.

import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'

export interface TimesAsked {
  indexKeys: readonly string[]
  timestampColumn?: string | null
  createdColumn?: string | null
  eventTtlSeconds?: number | null
}

/** What the view's query gives, and where it has an ETL what that gives: null before its first run in training. */
export interface Giving {
  /** For people: `the query orders`. */
  query: string
  columns: readonly Column[]
  etl: { name: string; columns: readonly Column[] | null } | null
}

/** Throws BAD_USER_INPUT. */
export function checkTimes(asked: TimesAsked, { query, columns, etl }: Giving): void {
  const { indexKeys, timestampColumn = null, createdColumn = null, eventTtlSeconds = null } = asked
  checkSeconds('eventTtlSeconds', eventTtlSeconds)
  if (timestampColumn === null) {
    if (eventTtlSeconds !== null)
      throw wrong('eventTtlSeconds needs a timestampColumn: without one no row tells its age.')
    if (createdColumn !== null) checkTime('createdColumn', createdColumn, { whose: query, columns })
    return
  }
  if (indexKeys.includes(timestampColumn))
    throw wrong(
      `timestampColumn is ${JSON.stringify(timestampColumn)}, a column of the index key; it must be another.`,
    )
  const given =
    etl === null ? { whose: query, columns } : { whose: `the ETL ${etl.name}`, columns: etl.columns }
  if (given.columns === null)
    throw wrong(
      `timestampColumn: what ${given.whose} gives is known once it has run in training; run extractTrain with it first.`,
    )
  checkTime('timestampColumn', timestampColumn, { ...given, columns: given.columns })
  if (createdColumn === null) return
  const isGiven = given.columns.some(({ name }) => name === createdColumn)
  checkTime(
    'createdColumn',
    createdColumn,
    isGiven ? { ...given, columns: given.columns } : { whose: query, columns },
  )
}

export function checkSeconds(what: string, seconds: number | null): void {
  if (seconds === null || (Number.isInteger(seconds) && seconds >= 1)) return
  throw wrong(`${what} is ${seconds}; it must be a whole number of at least 1, or null.`)
}

function checkTime(
  what: string,
  name: string,
  { whose, columns }: { whose: string; columns: readonly Column[] },
): void {
  const isTime = ({ type }: Column) => type === 'TIMESTAMP' || type === 'DATE'
  const column = columns.find((each) => each.name === name)
  if (column !== undefined && isTime(column)) return
  const found = column === undefined ? 'is no column' : `is of type ${column.type}`
  const fit = columns.filter(isTime).map((each) => each.name)
  const ofThese = fit.length === 0 ? ', of which it has none' : `: ${fit.join(', ')}`
  const cure = column?.type === 'STRING' ? ` ${cureOfText(name)}` : ''
  throw wrong(
    `${what} ${JSON.stringify(name)} ${found} of ${whose}; it must be one of type TIMESTAMP or DATE${ofThese}.${cure}`,
  )
}

function cureOfText(name: string): string {
  return `SQL makes one of a text by CAST(… AS TIMESTAMP), a script by: export const columns = { ${JSON.stringify(name)}: 'TIMESTAMP' }`
}

function wrong(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}
