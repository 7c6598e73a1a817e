// Index values: a client's text becomes a value of the key column's type, and one canonical text for each value.

import type { Column, ColumnType, Value } from '../columns.ts'
import { AppError } from '../errors.ts'
import { formatDays, formatMicros, parseDays } from '../parquet/calendar.ts'
import { readDecimal, writeDecimal } from '../parquet/decimal.ts'
import { integerRange, parseStorage } from '../parquet/storage-text.ts'

/** The last microseconds stand for the infinities. */
const limitMicros = 2n ** 63n - 1n
const maxQuoted = 80

type Parse = (text: string, column: Column) => Value | undefined

/** How each type reads a client's text (undefined: it is not one), and what to tell the client then; null: no key at all. */
const keyTypes: Record<ColumnType, { parse: Parse; expected: string } | null> = {
  BOOLEAN: { parse: parseBoolean, expected: '"true" or "false"' },
  INT32: {
    parse: (text, { storage }) => parseInteger(text, integerRange(storage) ?? integerRange('INTEGER')),
    expected: 'an integer that the column can hold, like "42"',
  },
  INT64: {
    parse: (text) => parseInteger(text, integerRange('BIGINT')),
    expected: 'an integer of at most 64 bits, like "42"',
  },
  FLOAT64: { parse: parseFloat64, expected: 'a number, like "0.5" or "1e3"' },
  DECIMAL: {
    parse: parseDecimal,
    expected: 'a decimal number of no more digits than the column holds, like "12.5"',
  },
  STRING: { parse: parseText, expected: 'well-formed Unicode text' },
  DATE: { parse: parseDate, expected: 'a date, like "2026-01-31"' },
  TIMESTAMP: {
    parse: parseTimestamp,
    expected: 'an RFC 3339 timestamp of at most microseconds, like "2026-01-31T12:00:00.000001Z"',
  },
  BYTES: null,
  LIST: null,
  STRUCT: null,
  JSON: null,
}

/** Refuses columns whose type cannot find rows. */
export function assertKeyColumn(column: Column): void {
  if (keyTypes[column.type] !== null) return
  const usable = Object.entries(keyTypes).flatMap(([type, rule]) => (rule === null ? [] : [type]))
  throw new AppError(
    'BAD_USER_INPUT',
    `The column ${column.name} is of type ${column.type}, which cannot be an index key; a key is one of ${usable.join(', ')}.`,
  )
}

/** A client's text as a value of the column's type; BAD_USER_INPUT, with what would be right, when it is not one. */
export function parseIndexValue(column: Column, text: string): Value {
  assertKeyColumn(column)
  const rule = keyTypes[column.type]
  const value = rule?.parse(text, column)
  if (value !== undefined) return value
  const quoted = text.length > maxQuoted ? `${text.slice(0, maxQuoted)}…` : text
  throw new AppError(
    'BAD_USER_INPUT',
    `The index value ${JSON.stringify(quoted)} does not fit the key ${column.name} of type ${column.type}: it must be ${rule?.expected}.`,
  )
}

/** Whether the client's text is sure to be the canonical text of its value. */
export function isCanonical(column: Column, text: string): boolean {
  return column.type === 'STRING' && text.isWellFormed()
}

/** The one text under which a value is kept online: equal values of a column have equal texts, others do not. */
export function canonicalText(column: Column, value: Value): string {
  switch (column.type) {
    case 'FLOAT64':
      return String(value === 0 ? 0 : value)
    case 'DECIMAL':
      return plainDecimal(String(value))
    case 'TIMESTAMP': {
      const parsed = typeof value === 'string' ? parseTimestamp(value) : undefined
      return String(parsed ?? value)
    }
    default:
      return String(value)
  }
}

/** A cell of a row that carries the key, whatever form it arrived in, as a value of the key column; undefined when it cannot be one. */
export function keyOfCell(column: Column, cell: Value): { value: Value; text: string } | undefined {
  if (typeof cell === 'object') return undefined
  const value = keyTypes[column.type]?.parse(
    typeof cell === 'string' ? cell : canonicalText(column, cell),
    column,
  )
  return value === undefined || value === null ? undefined : { value, text: canonicalText(column, value) }
}

function parseBoolean(text: string): boolean | undefined {
  const lower = text.toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

function parseInteger(text: string, range: ReturnType<typeof integerRange>): number | bigint | undefined {
  if (range === undefined || !/^[+-]?\d{1,40}$/.test(text)) return undefined
  const value = BigInt(text.replace(/^\+/, ''))
  if (value < range[0] || value > range[1]) return undefined
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

const specialFloats = new Map([
  ['nan', Number.NaN],
  ['infinity', Number.POSITIVE_INFINITY],
  ['+infinity', Number.POSITIVE_INFINITY],
  ['-infinity', Number.NEGATIVE_INFINITY],
])

function parseFloat64(text: string, column: Column): number | undefined {
  const special = specialFloats.get(text.toLowerCase())
  if (special !== undefined) return special
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined
  const value = column.storage === 'FLOAT' ? Math.fround(Number(text)) : Number(text)
  return Number.isFinite(value) ? (value === 0 ? 0 : value) : undefined
}

function parseDecimal(text: string, { storage }: Column): Value | undefined {
  if (text.length > 100 || !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) return undefined
  const held = parseStorage(storage)
  const { precision, scale } = held.kind === 'decimal' ? held : { precision: 38, scale: 0 }
  const scaled = writeDecimal(text, precision, scale)
  return scaled === null ? undefined : readDecimal(scaled, scale)
}

/** Without sign for zero, plus, leading zeros, trailing zeros or exponent. */
function plainDecimal(text: string): string {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text)
  if (match === null) return text
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  const padded = point > digits.length ? digits.padEnd(point, '0') : digits
  const left = (point <= 0 ? '' : padded.slice(0, point)).replace(/^0+/, '') || '0'
  const right = (point <= 0 ? '0'.repeat(-point) + padded : padded.slice(point)).replace(/0+$/, '')
  const plain = right === '' ? left : `${left}.${right}`
  return sign === '-' && plain !== '0' ? `-${plain}` : plain
}

function parseText(text: string): string | undefined {
  return text.isWellFormed() ? text : undefined
}

function parseDate(text: string): string | undefined {
  const days = parseDays(text)
  return days === null ? undefined : formatDays(days)
}

const timestamp =
  /^(\d{4}-\d\d-\d\d|[+-]\d{6,7}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?(?:Z|([+-])(\d\d):?(\d\d)?)?$/i

/** Without an offset it is UTC, as everywhere in the gateway. */
function parseTimestamp(text: string): string | undefined {
  if (text === 'infinity' || text === '-infinity') return text
  const match = timestamp.exec(text)
  const days = parseDays(match?.[1] ?? '')
  if (match === null || days === null) return undefined
  const [, , hour, minute, second = '0', fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = match
  const clock = [hour, minute, second, zoneHour, zoneMinute].map(Number)
  const [hours = 0, minutes = 0, seconds = 0, zoneHours = 0, zoneMinutes = 0] = clock
  if (hours > 23 || minutes > 59 || seconds > 59 || zoneHours > 23 || zoneMinutes > 59) return undefined
  const offset = (zoneHours * 60 + zoneMinutes) * (sign === '-' ? -1 : 1)
  const atSeconds = BigInt(days) * 86_400n + BigInt(hours * 3600 + (minutes - offset) * 60 + seconds)
  const micros = atSeconds * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  return micros < limitMicros && micros > -limitMicros ? formatMicros(micros) : undefined
}
