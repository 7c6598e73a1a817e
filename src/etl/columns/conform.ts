// Values as they come from an isolate into the one form that training's Parquet gives back: both sides go through here.

import { formatDays, formatMicros, parseDays, parseMicros } from '../../values/calendar.ts'
import type { Value } from '../../values/columns.ts'
import { readDecimal } from '../../values/decimal.ts'
import { formatJson, parseJson } from '../../values/json-text.ts'
import type { Encoded, EncodedObject, Tag } from '../script/isolate/encoded.ts'
import type { OutputType } from './output-type.ts'

/** A value that does not fit its column. The message tells what it is: `is STRING "x"`. */
export class UnfitValueError extends Error {}

export type Conform = (encoded: Encoded | undefined) => Value

function isTag(encoded: Encoded): encoded is Tag {
  return typeof encoded === 'object' && encoded !== null && !Array.isArray(encoded)
}

/** A value in an error's words: its kind, and its beginning. */
function tell(encoded: Encoded): string {
  if (Array.isArray(encoded)) return 'a LIST'
  if (typeof encoded === 'string') return `the text ${JSON.stringify(encoded.slice(0, 60)).slice(0, 60)}`
  if (!isTag(encoded)) return JSON.stringify(encoded)
  if ('t' in encoded) return 'a Date'
  if ('b' in encoded) return 'BYTES'
  return 'o' in encoded ? 'a STRUCT' : 'n' in encoded ? `the bigint ${encoded.n.slice(0, 60)}` : encoded.f
}

function unfit(encoded: Encoded, wanted: string): never {
  throw new UnfitValueError(`is ${tell(encoded)}, not ${wanted}`)
}

/** The bigint that an encoded integer stands for. */
function integerOf(encoded: Encoded): bigint | null {
  if (typeof encoded === 'number') return Number.isSafeInteger(encoded) ? BigInt(encoded) : null
  if (!isTag(encoded)) return null
  if ('n' in encoded) return BigInt(encoded.n)
  return 'f' in encoded && encoded.f === '-0' ? 0n : null
}

function narrow(integer: bigint): number | bigint {
  const number = Number(integer)
  return Number.isSafeInteger(number) ? number : integer
}

function toInteger(encoded: Encoded, bits: 32 | 64): Value {
  const integer = integerOf(encoded)
  if (integer === null || BigInt.asIntN(bits, integer) !== integer)
    return unfit(encoded, `an integer of ${bits} bits (INT${bits})`)
  return narrow(integer)
}

function toFloat(encoded: Encoded): Value {
  if (typeof encoded === 'number') return encoded
  if (isTag(encoded) && 'f' in encoded) return Number(encoded.f)
  return unfit(encoded, 'a number (FLOAT64)')
}

/** No number, date or time is written in more characters; of texts no more are looked at. */
const maxCharacters = 1_000

const looseTimestamp =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?)?(Z|[+-]\d\d(?::?\d\d)?)?$/
const wantedTimestamp = 'a timestamp (TIMESTAMP: a Date, or RFC 3339 text, in UTC when it names no zone)'

function toTimestamp(encoded: Encoded, declared: boolean): Value {
  if (isTag(encoded) && 't' in encoded) return formatMicros(BigInt(encoded.t) * 1000n)
  const isText = declared && typeof encoded === 'string' && encoded.length <= maxCharacters
  // As an input has them: infinite times and years of six digits too.
  const given = isText ? parseMicros(encoded) : null
  if (given !== null) return formatMicros(given)
  const match = isText ? looseTimestamp.exec(encoded) : null
  if (match === null) return unfit(encoded, wantedTimestamp)
  const [, date, time = '00:00', seconds = '00', fraction = '0', zone = 'Z'] = match
  const micros = parseMicros(`${date}T${time}:${seconds}.${fraction}Z`)
  if (micros === null) return unfit(encoded, wantedTimestamp)
  return formatMicros(micros - zoneMicros(zone))
}

function zoneMicros(zone: string): bigint {
  if (zone === 'Z') return 0n
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return BigInt(zone.startsWith('-') ? -minutes : minutes) * 60_000_000n
}

function toDate(encoded: Encoded): Value {
  if (isTag(encoded) && 't' in encoded) return formatMicros(BigInt(encoded.t) * 1000n).replace(/T.*$/, '')
  const days = typeof encoded === 'string' ? parseDays(encoded) : null
  if (days !== null) return formatDays(days)
  return unfit(encoded, 'a date (DATE: a Date, or YYYY-MM-DD)')
}

const decimalText = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/** The number times 10^scale, rounded half away from zero as SQL's cast does; null when the text is no number. */
function scaled(text: string, scale: number): bigint | null {
  const match = text.length > maxCharacters ? null : decimalText.exec(text.trim())
  if (match === null) return null
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  if (whole === '' && fraction === '') return null
  const shift = scale - fraction.length + Number(exponent)
  let integer = BigInt(whole + fraction)
  if (shift >= 0) integer *= 10n ** BigInt(shift)
  else {
    const unit = 10n ** BigInt(-shift)
    integer = (integer + unit / 2n) / unit
  }
  return sign === '-' ? -integer : integer
}

function toDecimal(encoded: Encoded, precision: number, scale: number): Value {
  const text =
    typeof encoded === 'number' || typeof encoded === 'string'
      ? String(encoded)
      : integerOf(encoded)?.toString()
  const integer = text === undefined ? null : scaled(text, scale)
  if (integer === null || integer >= 10n ** BigInt(precision) || integer <= -(10n ** BigInt(precision))) {
    return unfit(encoded, `a number of DECIMAL(${precision},${scale})`)
  }
  return readDecimal(integer, scale)
}

function plainJson(encoded: Encoded): Value {
  if (Array.isArray(encoded)) return encoded.map(plainJson)
  if (!isTag(encoded)) return encoded as Value
  if ('n' in encoded) return BigInt(encoded.n)
  if ('f' in encoded) return Number(encoded.f)
  if ('t' in encoded) return formatMicros(BigInt(encoded.t) * 1000n)
  if ('b' in encoded) return Buffer.from(encoded.b, 'hex').toString('base64')
  return mapFields(encoded.o, plainJson)
}

function mapFields(object: EncodedObject, of: (encoded: Encoded) => Value): { [name: string]: Value } {
  const fields: { [name: string]: Value } = {}
  for (const [name, encoded] of Object.entries(object)) setField(fields, name, of(encoded))
  return fields
}

/** Also when the name is `__proto__`. */
function setField(fields: { [name: string]: Value }, name: string, value: Value): void {
  Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true })
}

function toList(encoded: Encoded, element: Conform): Value {
  return Array.isArray(encoded) ? encoded.map(element) : unfit(encoded, 'an array (LIST)')
}

function toStruct(encoded: Encoded, conforms: ReadonlyMap<string, Conform>): Value {
  if (!isTag(encoded) || !('o' in encoded)) return unfit(encoded, 'an object (STRUCT)')
  const stray = Object.keys(encoded.o).find((name) => !conforms.has(name))
  if (stray !== undefined)
    throw new UnfitValueError(`has a field ${JSON.stringify(stray)} that its STRUCT has not`)
  const object = encoded.o
  const fields: { [name: string]: Value } = {}
  for (const [name, conform] of conforms)
    setField(fields, name, conform(Object.hasOwn(object, name) ? object[name] : null))
  return fields
}

function convert(type: OutputType, declared: boolean): (encoded: Encoded) => Value {
  switch (type.type) {
    case 'BOOLEAN':
      return (encoded) => (typeof encoded === 'boolean' ? encoded : unfit(encoded, 'true or false (BOOLEAN)'))
    case 'STRING':
      return (encoded) => (typeof encoded === 'string' ? encoded : unfit(encoded, 'text (STRING)'))
    case 'INT32':
      return (encoded) => toInteger(encoded, 32)
    case 'INT64':
      return (encoded) => toInteger(encoded, 64)
    case 'FLOAT64':
      return toFloat
    case 'BYTES':
      return (encoded) =>
        isTag(encoded) && 'b' in encoded
          ? new Uint8Array(Buffer.from(encoded.b, 'hex'))
          : unfit(encoded, 'a Uint8Array (BYTES)')
    case 'TIMESTAMP':
      return (encoded) => toTimestamp(encoded, declared)
    case 'DATE':
      return toDate
    case 'DECIMAL':
      return (encoded) => toDecimal(encoded, type.precision, type.scale)
    case 'JSON':
      return (encoded) => (typeof encoded === 'string' ? encoded : parseJson(formatJson(plainJson(encoded))))
    case 'LIST': {
      const element = createConform(type.element, declared)
      return (encoded) => toList(encoded, element)
    }
    case 'STRUCT': {
      const conforms = new Map(type.fields.map(([name, field]) => [name, createConform(field, declared)]))
      return (encoded) => toStruct(encoded, conforms)
    }
  }
}

/** Throws UnfitValueError. Null and what is missing are null. */
export function createConform(type: OutputType, declared: boolean): Conform {
  const of = convert(type, declared)
  return (encoded) => (encoded === null || encoded === undefined ? null : of(encoded))
}
