// Trino's texts of timestamps as ours, and for the Parquet engine; and dates and timestamps as literals.

import { parseDays, parseMicros } from '../../values/calendar.ts'

export const dayZero = "DATE '1970-01-01'"

/** Null for what no row can hold. */
export function dateLiteral(value: unknown): string | null {
  const days = parseDays(String(value))
  return days === null || Math.abs(days) === 2_147_483_647 ? null : `date_add('day', ${days}, ${dayZero})`
}

const timestampText = /^([+-]?\d+)(-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?$/

export function readTimestamp(cell: unknown): string {
  const [, year = '', day = '', time = '', fraction = ''] = timestampText.exec(String(cell)) ?? []
  const digits = fraction.replace(/0+$/, '')
  const shown = digits === '' ? '' : `.${digits.padEnd(digits.length <= 3 ? 3 : 6, '0')}`
  return `${year.length === 4 ? year : longYear(Number(year))}${day}T${time}${shown}Z`
}

function longYear(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, '0')
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`
}

/** The Parquet engine takes no plus before a year, and counts those before the first by their era. */
export function timestampForParquet(cell: unknown): string {
  const text = String(cell)
  const first = text.charCodeAt(0)
  if (first !== 43 && first !== 45 && !text.startsWith('0000')) return text
  const [, year = '', day = '', time = '', fraction = ''] = timestampText.exec(text) ?? []
  const count = Number(year)
  const shown = String(count > 0 ? count : 1 - count).padStart(4, '0')
  return `${shown}${day}${count > 0 ? '' : ' (BC)'} ${time}${fraction === '' ? '' : `.${fraction}`}`
}

/** With ` UTC` as its zone, or none. */
export function timestampLiteral(value: unknown, zone: string): string | null {
  const micros = parseMicros(String(value))
  if (micros === null || /infinity/.test(String(value))) return null
  return `TIMESTAMP '${String(value).replace('T', ' ').replace(/Z$/, '')}${zone}'`
}
