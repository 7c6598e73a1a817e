// Dates and timestamps as text and as the engine's numbers, over its whole range: years of six digits, infinities.

import { formatTimestamp } from '../columns.ts'

const microsPerDay = 86_400_000_000n
const infiniteMicros = 9_223_372_036_854_775_807n
const infiniteDays = 2_147_483_647
/** What `Date`, and so `formatTimestamp`, can hold. */
const dateLimitMicros = 8_640_000_000_000_000_000n

/** Years 0000 to 9999 have four digits; others a sign and at least six, as in ECMAScript; else `infinity`, `-infinity`. */
export function formatMicros(micros: bigint): string {
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

export function formatDays(days: number): string {
  if (days === infiniteDays) return 'infinity'
  if (days === -infiniteDays) return '-infinity'
  const { year, month, day } = civilFromDays(days)
  return `${formatYear(year)}-${pad(month, 2)}-${pad(day, 2)}`
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
  const [hours, minutes, seconds] = [Number(match[2]), Number(match[3]), Number(match[4])]
  if (hours > 23 || minutes > 59 || seconds > 59) return null
  const micros = BigInt((match[5] ?? '').padEnd(6, '0'))
  return BigInt(days) * microsPerDay + BigInt((hours * 60 + minutes) * 60 + seconds) * 1_000_000n + micros
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
