// One cell of an application's row: from JSON to the value the warehouse takes, never coerced in silence.

import { type Column, type ColumnType, formatTimestamp, type Value } from '../columns.ts'
import { parseDays } from '../parquet/calendar.ts'
import { integerRange, parseStorage } from '../parquet/storage-text.ts'

/** What a cell holds once read, or what it should have been. */
export type CellReading = { value: Value } | { expected: string }

type CellReader = (given: unknown, storage: string) => CellReading

const wholeNumberText = /^(0|-?[1-9]\d{0,38})$/
const decimalText = /^-?(0|[1-9]\d*)(\.\d+)?$/

function readWhole(given: unknown): bigint | null {
  if (typeof given === 'bigint') return given
  if (typeof given === 'number') return Number.isSafeInteger(given) ? BigInt(given) : null
  return typeof given === 'string' && wholeNumberText.test(given) ? BigInt(given) : null
}

function readInteger(given: unknown, storage: string, fallback: 'INTEGER' | 'BIGINT'): CellReading {
  const [min, max] = integerRange(storage) ?? integerRange(fallback) ?? [0n, 0n]
  const whole = typeof given === 'string' && fallback === 'INTEGER' ? null : readWhole(given)
  if (whole !== null && whole >= min && whole <= max) {
    const number = Number(whole)
    return { value: Number.isSafeInteger(number) ? number : whole }
  }
  const asText = fallback === 'BIGINT' ? ', as text when it is beyond ±2^53' : ''
  return { expected: `a whole number from ${min} to ${max}${asText}` }
}

/** Numbers keep at most this many digits in a double; more are only exact as text. */
const exactDigits = 15

function readDecimal(given: unknown, storage: string): CellReading {
  const held = parseStorage(storage)
  const { precision, scale } = held.kind === 'decimal' ? held : { precision: 38, scale: 0 }
  const expected =
    held.kind === 'decimal'
      ? `a number or decimal text with at most ${precision - scale} digits before the point and ${scale} after it`
      : 'a whole number, or its text'
  if (typeof given !== 'number' && typeof given !== 'bigint' && typeof given !== 'string') return { expected }
  const text = String(given)
  if (!decimalText.test(text)) return { expected }
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  const wholeDigits = whole === '0' ? 0 : whole.length
  if (wholeDigits > precision - scale || fraction.length > scale) return { expected }
  return { value: wholeDigits + fraction.length <= exactDigits ? Number(text) : text }
}

function readText(given: unknown): CellReading {
  if (typeof given === 'string' && given.isWellFormed()) return { value: given }
  return { expected: 'text (in quotes), well-formed Unicode' }
}

function readBytes(given: unknown): CellReading {
  if (typeof given === 'string') {
    const bytes = Buffer.from(given, 'base64')
    if (bytes.toString('base64') === given) return { value: new Uint8Array(bytes) }
  }
  return { expected: 'bytes as base64 text' }
}

const dateText = /^\d{4}-\d{2}-\d{2}$/

/** Null for a day that the calendar has not: `2026-02-30`. */
function readDay(text: string): number | null {
  return dateText.test(text) ? parseDays(text) : null
}

function readDate(given: unknown): CellReading {
  if (typeof given === 'string' && readDay(given) !== null) return { value: given }
  return { expected: 'a date like 2026-11-23' }
}

const timestampText =
  /^(\d{4}-\d{2}-\d{2})[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?([Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/

function readTimestamp(given: unknown): CellReading {
  const micros = typeof given === 'string' ? parseTimestamp(given) : null
  if (micros !== null) return { value: formatTimestamp(micros) }
  return {
    expected:
      'an RFC 3339 timestamp with its zone and at most microseconds, like 2026-11-23T09:30:00.123456Z',
  }
}

/** Microseconds since the epoch of an RFC 3339 timestamp, or null. */
function parseTimestamp(text: string): bigint | null {
  const match = timestampText.exec(text)
  if (match === null) return null
  const [, day = '', hours, minutes, seconds, fraction = '', , sign, zoneHours = '0', zoneMinutes = '0'] =
    match
  const days = readDay(day)
  if (days === null) return null
  const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60 * (sign === '-' ? -1 : 1)
  const ofDay = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  return BigInt(days * 86_400 + ofDay - offset) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
}

const expectedBoolean = 'true or false'
const expectedNumber = 'a finite number'

const readers: Record<ColumnType, CellReader> = {
  BOOLEAN: (given) => (typeof given === 'boolean' ? { value: given } : { expected: expectedBoolean }),
  INT32: (given, storage) => readInteger(given, storage, 'INTEGER'),
  INT64: (given, storage) => readInteger(given, storage, 'BIGINT'),
  FLOAT64: (given) =>
    typeof given === 'number' && Number.isFinite(given) ? { value: given } : { expected: expectedNumber },
  DECIMAL: readDecimal,
  STRING: readText,
  BYTES: readBytes,
  DATE: readDate,
  TIMESTAMP: readTimestamp,
  LIST: (given) => (Array.isArray(given) ? { value: given } : { expected: 'a list' }),
  STRUCT: (given) => (isObject(given) ? { value: given as Value } : { expected: 'an object' }),
  JSON: (given) => ({ value: given as Value }),
}

export function isObject(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && !Array.isArray(given)
}

/** Null is a value of every column that may be null; a missing cell counts as null. */
export function readCell(column: Column, given: unknown): CellReading {
  if (given !== null && given !== undefined) return readers[column.type](given, column.storage)
  return column.nullable
    ? { value: null }
    : { expected: 'a value, since the column of the table may not be null' }
}

/** What was given, short enough for a message: `text "abc"`, `the number 12`. */
export function describeGiven(given: unknown): string {
  if (given === undefined || given === null) return 'nothing'
  if (typeof given === 'string') {
    const shown = given.length > 60 ? `${given.slice(0, 60).toWellFormed()}…` : given.toWellFormed()
    return `the text ${JSON.stringify(shown)}`
  }
  if (typeof given === 'object') return Array.isArray(given) ? 'a list' : 'an object'
  return typeof given === 'boolean' ? String(given) : `the number ${String(given)}`
}
