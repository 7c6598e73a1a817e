// Dates and timestamps as text and as the engine's numbers, over its whole range: years of six digits, infinities.

import { type ColumnType, formatTimestamp, type Value } from './columns.ts'

export const microsPerDay = 86_400_000_000n
export const infiniteMicros = 9_223_372_036_854_775_807n
const infiniteDays = 2_147_483_647
/** What `Date`, and so `formatTimestamp`, can hold. */
const dateLimitMicros = 8_640_000_000_000_000_000n

/** Years 0000 to 9999 have four digits; others a sign and at least six, as in ECMAScript; else `infinity`, `-infinity`. */
export function formatMicros(micros: bigint): string {
  const number = Number(micros)
  if (Number.isSafeInteger(number)) return formatSafeMicros(number)
  if (micros === infiniteMicros) return 'infinity'
  if (micros === -infiniteMicros) return '-infinity'
  if (micros >= -dateLimitMicros && micros <= dateLimitMicros) return formatTimestamp(micros)
  let days = micros / microsPerDay
  let rest = micros % microsPerDay
  if (rest < 0n) {
    rest += microsPerDay
    days -= 1n
  }
  return `${formatDays(Number(days))}${formatTimestamp(rest).slice(10)}`
}

/** Neighbours mostly fall on one day. */
let lastDay = { days: 0, text: '1970-01-01' }

/** What `formatTimestamp` gives, several times as fast: most timestamps lie within three centuries of 1970. */
export function formatSafeMicros(micros: number): string {
  const days = Math.floor(micros / 86_400_000_000)
  if (days !== lastDay.days) lastDay = { days, text: formatDays(days) }
  const rest = micros - days * 86_400_000_000
  const seconds = Math.floor(rest / 1_000_000)
  const fraction = rest - seconds * 1_000_000
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  const text = `${lastDay.text}T${twoDigits[hours]}:${twoDigits[minutes]}:${twoDigits[seconds % 60]}`
  if (fraction === 0) return `${text}Z`
  return fraction % 1000 === 0 ? `${text}.${pad(fraction / 1000, 3)}Z` : `${text}.${pad(fraction, 6)}Z`
}

const twoDigits = Array.from({ length: 60 }, (_, i) => pad(i, 2))

export function formatDays(days: number): string {
  if (days === infiniteDays) return 'infinity'
  if (days === -infiniteDays) return '-infinity'
  const { year, month, day } = civilFromDays(days)
  return `${formatYear(year)}-${twoDigits[month]}-${twoDigits[day]}`
}

function formatYear(year: number): string {
  if (year >= 0 && year <= 9999) return pad(year, 4)
  return `${year < 0 ? '-' : '+'}${pad(Math.abs(year), 6)}`
}

function pad(number: number, digits: number): string {
  return String(number).padStart(digits, '0')
}

const dateText = /^(\d{4}|[+-]\d{6,7})-(\d\d)-(\d\d)$/
const timestampText = /^(\S+)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z$/

/** Null when the text is no date. */
export function parseDays(text: string): number | null {
  if (text === 'infinity') return infiniteDays
  if (text === '-infinity') return -infiniteDays
  const match = dateText.exec(text)
  if (!match) return null
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const days = daysFromCivil(year, month, day)
  const civil = civilFromDays(days)
  return civil.month === month && civil.day === day ? days : null
}

/** Null when the text is no RFC 3339 timestamp in UTC. */
export function parseMicros(text: string): bigint | null {
  if (text === 'infinity') return infiniteMicros
  if (text === '-infinity') return -infiniteMicros
  const match = timestampText.exec(text)
  const days = parseDays(match?.[1] ?? '')
  if (!match || days === null || Math.abs(days) === infiniteDays) return null
  const seconds = (Number(match[2]) * 60 + Number(match[3])) * 60 + Number(match[4])
  if (Number(match[2]) > 23 || Number(match[3]) > 59 || Number(match[4]) > 59) return null
  const rest = seconds * 1_000_000 + Number((match[5] ?? '').padEnd(6, '0'))
  const micros = days * 86_400_000_000 + rest
  return Number.isSafeInteger(micros) ? BigInt(micros) : BigInt(days) * microsPerDay + BigInt(rest)
}

/** A cell of type TIMESTAMP or DATE as its moment; a date's is its midnight. Null for one that is none. */
export function microsOf(type: ColumnType, cell: Value): bigint | null {
  if (typeof cell !== 'string') return null
  if (type !== 'DATE') return parseMicros(cell)
  const days = parseDays(cell)
  if (days === null || Math.abs(days) !== infiniteDays)
    return days === null ? null : BigInt(days) * microsPerDay
  return days > 0 ? infiniteMicros : -infiniteMicros
}

/** Days since 1970-01-01 of a proleptic Gregorian date; years count through zero. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day }
}
