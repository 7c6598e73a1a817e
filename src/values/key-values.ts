// Values of a key's column: a client's text becomes a value of its type, and equal values have one canonical text.

import { AppError } from '../errors.ts'
import { formatDays, formatMicros, parseDays } from './calendar.ts'
import type { Column, ColumnType, Value } from './columns.ts'
import { readDecimal, writeDecimal } from './decimal.ts'
import { type KeyForm, keyForm, plainDecimal } from './key-forms.ts'
import { integerRange, parseStorage } from './storage-text.ts'

/** The last microseconds stand for the infinities. */
const limitMicros = 2n ** 63n - 1n
const maxQuoted = 80

interface KeyType {
  /** Undefined when the text is none of the type's. */
  parse(text: string, column: Column): KeyValue | undefined
  expected(column: Column): string
}

/** A cell by which an entity is found. */
export type KeyValue = Exclude<Value, null>

/** How each type reads a client's text, and what to tell the client when it is none; null: no key at all. */
const keyTypes: Record<ColumnType, KeyType | null> = {
  BOOLEAN: { parse: parseBoolean, expected: () => '"true" or "false"' },
  INT32: {
    parse: (text, { storage }) => parseInteger(text, integerRange(storage) ?? integerRange('INTEGER')),
    expected: () => 'an integer that the column can hold, like "42"',
  },
  INT64: {
    parse: (text) => parseInteger(text, integerRange('BIGINT')),
    expected: () => 'an integer of at most 64 bits, like "42"',
  },
  FLOAT64: { parse: parseFloat64, expected: () => 'a number, like "0.5" or "1e3"' },
  DECIMAL: {
    parse: parseDecimal,
    expected: () => 'a decimal number of no more digits than the column holds, like "12.5"',
  },
  STRING: {
    parse: (text, column) => formOf(column)?.parse(text),
    expected: (column) => formOf(column)?.expected ?? 'of another type',
  },
  DATE: { parse: parseDate, expected: () => 'a date, like "2026-01-31"' },
  TIMESTAMP: {
    parse: parseTimestamp,
    expected: () => 'an RFC 3339 timestamp of at most microseconds, like "2026-01-31T12:00:00.000001Z"',
  },
  BYTES: null,
  LIST: null,
  STRUCT: null,
  JSON: null,
}

/** A column of texts that no warehouse has described is one of plain texts. */
function formOf({ native = 'text' }: Column): KeyForm | undefined {
  return keyForm(native)
}

/** Refuses columns whose type cannot find rows. */
export function assertKeyColumn(column: Column): void {
  if (keyTypes[column.type] === null) {
    const usable = Object.entries(keyTypes).flatMap(([type, rule]) => (rule === null ? [] : [type]))
    throw new AppError(
      'BAD_USER_INPUT',
      `The column ${column.name} is of type ${column.type}, which cannot be an index key; a key is one of ${usable.join(', ')}.`,
    )
  }
  if (column.type !== 'STRING' || formOf(column) !== undefined) return
  throw new AppError(
    'BAD_USER_INPUT',
    `The column ${column.name} is of the type ${column.native}, which cannot be an index key: which of its texts are equal cannot be told without asking the warehouse. Write ${cureOf(column)} in the query, and group and join by that.`,
  )
}

/** What gives the column's texts a type by which they are equal when they are the same. */
function cureOf({ name, native = '' }: Column): string {
  const quoted = /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
  if (/\bCOLLATE\b/.test(native)) return `${quoted} COLLATE "C" AS ${quoted}`
  const text = `CAST(${quoted} AS varchar)`
  return native === 'citext' ? `lower(${text}) AS ${quoted}` : `${text} AS ${quoted}`
}

/** A client's text as a value of the column's type; BAD_USER_INPUT, with what would be right, when it is not one. */
export function parseIndexValue(column: Column, text: string): KeyValue {
  assertKeyColumn(column)
  const rule = keyTypes[column.type]
  const value = rule?.parse(text, column)
  if (value !== undefined) return value
  const quoted = text.length > maxQuoted ? `${text.slice(0, maxQuoted)}…` : text
  throw new AppError(
    'BAD_USER_INPUT',
    `The index value ${JSON.stringify(quoted)} does not fit the key ${column.name} of type ${column.type}: it must be ${rule?.expected(column)}.`,
  )
}

const never = () => false

/** Tells of a client's text whether it is sure to be the canonical text of its value. */
export function canonicalTest(column: Column): (text: string) => boolean {
  return (column.type === 'STRING' ? formOf(column)?.isCanonical : undefined) ?? never
}

/** The one text under which a value is kept online: equal values of a column have equal texts, others do not. */
export function canonicalText(column: Column, value: Value): string {
  switch (column.type) {
    case 'STRING':
      return formOf(column)?.parse(String(value)) ?? String(value)
    case 'FLOAT64':
      return String(value === 0 ? 0 : value)
    case 'DECIMAL':
      return plainDecimal(String(value)) ?? String(value)
    case 'TIMESTAMP': {
      const parsed = typeof value === 'string' ? parseTimestamp(value) : undefined
      return String(parsed ?? value)
    }
    default:
      return String(value)
  }
}

/** A cell of a row that carries the key, whatever form it arrived in, as a value of the key column; undefined when it cannot be one. */
export function keyValueOfCell(column: Column, cell: Value): KeyValue | undefined {
  if (typeof cell === 'object') return undefined
  return keyTypes[column.type]?.parse(typeof cell === 'string' ? cell : canonicalText(column, cell), column)
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

function parseDecimal(text: string, { storage }: Column): number | string | undefined {
  if (text.length > 100 || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(text)) return undefined
  const held = parseStorage(storage)
  const { precision, scale } = held.kind === 'decimal' ? held : { precision: 38, scale: 0 }
  const scaled = writeDecimal(text, precision, scale)
  return scaled === null ? undefined : readDecimal(scaled, scale)
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
