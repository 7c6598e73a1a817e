// One cell of an application's row: from JSON to the value the warehouse takes, never coerced in silence.

import { formatMicros, parseDays } from './calendar.ts'
import type { Column, Value } from './columns.ts'
import { readDecimal, writeDecimal } from './decimal.ts'
import { integerRange, parseStorage, type Storage } from './storage-text.ts'

/** What a cell holds once read, or what it should have been. */
export type CellReading = { value: Value } | { expected: string }

/** Reads what is there: neither null nor missing. */
type Reader = (given: unknown) => CellReading

const wholeNumberText = /^(0|-?[1-9]\d{0,38})$/
const longWhole = /^-?[1-9]\d{15,38}$/
const decimalText = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,4})?$/

function readWhole(given: unknown): bigint | null {
  if (typeof given === 'bigint') return given
  if (typeof given === 'number') return Number.isSafeInteger(given) ? BigInt(given) : null
  return typeof given === 'string' && wholeNumberText.test(given) ? BigInt(given) : null
}

function integer(name: string): Reader {
  const [min, max] = integerRange(name) ?? [0n, 0n]
  const isLong = max > BigInt(Number.MAX_SAFE_INTEGER)
  const expected = `a whole number from ${min} to ${max}${isLong ? ', as text when it is beyond ±2^53' : ''}`
  return (given) => {
    const whole = typeof given === 'string' && !isLong ? null : readWhole(given)
    if (whole === null || whole < min || whole > max) return { expected }
    const number = Number(whole)
    return { value: Number.isSafeInteger(number) ? number : whole }
  }
}

function decimal(precision: number, scale: number): Reader {
  const places = scale === 0 ? 'none' : `${scale}`
  const expected = `a number or decimal text with at most ${precision - scale} digits before the point and ${places} after it`
  return (given) => {
    if (typeof given !== 'number' && typeof given !== 'bigint' && typeof given !== 'string')
      return { expected }
    const text = String(given)
    const scaled = decimalText.test(text) ? writeDecimal(text, precision, scale) : null
    return scaled === null ? { expected } : { value: readDecimal(scaled, scale) }
  }
}

function float(fits: (value: number) => boolean, expected: string): Reader {
  return (given) => (typeof given === 'number' && fits(given) ? { value: given } : { expected })
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

/** Of the engine's numbers of days the outermost stand for the infinities. */
const limitDays = 2 ** 31 - 1

function readDate(given: unknown): CellReading {
  const days = typeof given === 'string' ? parseDays(given) : null
  if (days !== null && Math.abs(days) <= limitDays) return { value: given as string }
  return { expected: 'a date like 2026-11-23' }
}

const timestampText =
  /^(\d{4}-\d{2}-\d{2}|[+-]\d{6}-\d{2}-\d{2})[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?([Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/
/** The 22nd of December 290309 BC, and the last moment of 64 bits: those beyond are no engine's. */
const [firstMicros, lastMicros] = [-9_223_372_022_400_000_000n, 9_223_372_036_854_775_806n]

function readTimestamp(given: unknown): CellReading {
  if (given === 'infinity' || given === '-infinity') return { value: given }
  const micros = typeof given === 'string' ? parseTimestamp(given) : null
  if (micros !== null && micros >= firstMicros && micros <= lastMicros) return { value: formatMicros(micros) }
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
  const days = parseDays(day)
  if (days === null) return null
  const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60 * (sign === '-' ? -1 : 1)
  const ofDay = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  return (
    BigInt(days) * 86_400_000_000n + BigInt(ofDay - offset) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  )
}

function list(item: Storage): Reader {
  const read = nullable(readerOf(item))
  return (given) => {
    if (!Array.isArray(given)) return { expected: 'a list' }
    const values: Value[] = []
    for (const [i, part] of given.entries()) {
      const reading = read(part)
      if ('expected' in reading) return { expected: `as item ${i} of the list ${reading.expected}` }
      values.push(reading.value)
    }
    return { value: values }
  }
}

function struct(members: readonly { name: string; storage: Storage }[]): Reader {
  const fields = members.map(({ name, storage }) => ({ name, read: nullable(readerOf(storage)) }))
  const known = new Set(fields.map(({ name }) => name))
  return (given) => {
    if (!isObject(given)) return { expected: 'an object' }
    const unknown = Object.keys(given).find((name) => !known.has(name))
    if (unknown !== undefined)
      return { expected: `an object of no other fields than ${[...known].join(', ')}` }
    const entries: [string, Value][] = []
    for (const { name, read } of fields) {
      const reading = read(Object.hasOwn(given, name) ? given[name] : null)
      if ('expected' in reading)
        return { expected: `as field ${JSON.stringify(name)} of the object ${reading.expected}` }
      entries.push([name, reading.value])
    }
    return { value: Object.fromEntries(entries) }
  }
}

/** By the names of the types that values come in; those of whole numbers stand in their own table. */
const plainReaders: Readonly<Record<string, Reader>> = {
  BOOLEAN: (given) =>
    typeof given === 'boolean' ? { value: given } : { expected: 'true or false, without quotes' },
  FLOAT: float(isFloat32, 'a number of 32 bits: zero, or from 1.5e-45 to 3.4e38'),
  DOUBLE: float(Number.isFinite, 'a finite number, whole ones beyond ±2^53 with an exponent (8e17)'),
  VARCHAR: readText,
  BLOB: readBytes,
  DATE: readDate,
  TIMESTAMP: readTimestamp,
  'TIMESTAMP WITH TIME ZONE': readTimestamp,
  JSON: (given) =>
    holdsRounded(given)
      ? {
          expected:
            'JSON whose whole numbers lie within ±2^53, since others arrive rounded: send them as text',
        }
      : { value: given as Value },
}

/** A whole number of so many digits has been rounded when the request was read. */
function holdsRounded(given: unknown): boolean {
  if (typeof given === 'number')
    return Number.isInteger(given) && !Number.isSafeInteger(given) && Math.abs(given) < 1e21
  if (Array.isArray(given)) return given.some(holdsRounded)
  return isObject(given) && Object.values(given).some(holdsRounded)
}

/** Rounded to 32 bits it is still a number, and not zero unless it was. */
function isFloat32(value: number): boolean {
  const rounded = Math.fround(value)
  return Number.isFinite(rounded) && (rounded !== 0 || value === 0)
}

function readerOf(storage: Storage): Reader {
  switch (storage.kind) {
    case 'decimal':
      return decimal(storage.precision, storage.scale)
    case 'list':
      return list(storage.item)
    case 'struct':
      return struct(storage.fields)
    case 'plain': {
      const { name } = storage
      const reader = integerRange(name) === undefined ? plainReaders[name] : integer(name)
      if (reader === undefined) throw new Error(`Values of type ${name} are not read from JSON`)
      return reader
    }
  }
}

const nullable =
  (read: Reader): Reader =>
  (given) =>
    given === null || given === undefined ? { value: null } : read(given)

export function isObject(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && !Array.isArray(given)
}

/** Reads a column's cells. Null is a value of every column that may be null; a missing cell counts as null. */
export function createCellReader(column: Column): (given: unknown) => CellReading {
  const read = nullable(readerOf(parseStorage(column.storage)))
  if (column.nullable) return read
  const expected = 'a value, since the column of the table may not be null'
  return (given) => (given === null || given === undefined ? { expected } : read(given))
}

/** What a column takes, whatever is given. */
export function describeExpected(column: Column): string {
  const reading = readerOf(parseStorage(column.storage))(Symbol('none'))
  return 'expected' in reading ? reading.expected : 'JSON'
}

/** What was given, short enough for a message: `text "abc"`, `the number 12`. */
export function describeGiven(given: unknown): string {
  if (given === undefined || given === null) return 'nothing'
  if (typeof given === 'string') {
    // A number in JSON that is too long for one of JavaScript's comes as its digits.
    if (longWhole.test(given) && !Number.isSafeInteger(Number(given)))
      return `${given}, as a number or as text`
    const shown = given.length > 60 ? `${given.slice(0, 60).toWellFormed()}…` : given.toWellFormed()
    return `the text ${JSON.stringify(shown)}`
  }
  if (typeof given === 'object') return Array.isArray(given) ? 'a list' : 'an object'
  return typeof given === 'boolean' ? String(given) : `the number ${String(given)}`
}
