// Values as they come from an isolate into the one form that training's Parquet gives back: both sides go through here.

import { formatMicros, parseDays, parseMicros } from '../../values/calendar.ts'
import type { Value } from '../../values/columns.ts'
import { readDecimal } from '../../values/decimal.ts'
import { formatJson, parseJson } from '../../values/json-text.ts'
import type { Tag, Wire, WireObject } from '../script/isolate/wire.ts'
import type { Plan } from './plan.ts'

/** A value that does not fit its column. The message tells what it is: `is STRING "x"`. */
export class UnfitValueError extends Error {}

export type Conform = (wire: Wire | undefined) => Value

function isTag(wire: Wire): wire is Tag {
  return typeof wire === 'object' && wire !== null && !Array.isArray(wire)
}

/** A value in an error's words: its kind, and its beginning. */
function tell(wire: Wire): string {
  if (Array.isArray(wire)) return 'a LIST'
  if (typeof wire === 'string') return `the text ${JSON.stringify(wire.slice(0, 60)).slice(0, 60)}`
  if (!isTag(wire)) return JSON.stringify(wire)
  if ('t' in wire) return 'a Date'
  if ('b' in wire) return 'BYTES'
  return 'o' in wire ? 'a STRUCT' : 'n' in wire ? `the bigint ${wire.n.slice(0, 60)}` : wire.f
}

function unfit(wire: Wire, wanted: string): never {
  throw new UnfitValueError(`is ${tell(wire)}, not ${wanted}`)
}

/** The bigint that an integer on the wire stands for. */
function integerOf(wire: Wire): bigint | null {
  if (typeof wire === 'number') return Number.isSafeInteger(wire) ? BigInt(wire) : null
  if (!isTag(wire)) return null
  if ('n' in wire) return BigInt(wire.n)
  return 'f' in wire && wire.f === '-0' ? 0n : null
}

function narrow(integer: bigint): number | bigint {
  const number = Number(integer)
  return Number.isSafeInteger(number) ? number : integer
}

function toInteger(wire: Wire, bits: 32 | 64): Value {
  const integer = integerOf(wire)
  if (integer === null || BigInt.asIntN(bits, integer) !== integer)
    return unfit(wire, `an integer of ${bits} bits (INT${bits})`)
  return narrow(integer)
}

function toFloat(wire: Wire): Value {
  if (typeof wire === 'number') return wire
  if (isTag(wire) && 'f' in wire) return Number(wire.f)
  return unfit(wire, 'a number (FLOAT64)')
}

/** No number, date or time is written in more characters; of texts no more are looked at. */
const mostCharacters = 1_000

const looseTimestamp =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?)?(Z|[+-]\d\d(?::?\d\d)?)?$/
const wantedTimestamp = 'a timestamp (TIMESTAMP: a Date, or RFC 3339 text, in UTC when it names no zone)'

function toTimestamp(wire: Wire, declared: boolean): Value {
  if (isTag(wire) && 't' in wire) return formatMicros(BigInt(wire.t) * 1000n)
  const isText = declared && typeof wire === 'string' && wire.length <= mostCharacters
  const match = isText ? looseTimestamp.exec(wire) : null
  if (match === null) return unfit(wire, wantedTimestamp)
  const [, date, time = '00:00', seconds = '00', fraction = '0', zone = 'Z'] = match
  const micros = parseMicros(`${date}T${time}:${seconds}.${fraction}Z`)
  if (micros === null) return unfit(wire, wantedTimestamp)
  return formatMicros(micros - zoneMicros(zone))
}

function zoneMicros(zone: string): bigint {
  if (zone === 'Z') return 0n
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return BigInt(zone.startsWith('-') ? -minutes : minutes) * 60_000_000n
}

function toDate(wire: Wire): Value {
  if (isTag(wire) && 't' in wire) return formatMicros(BigInt(wire.t) * 1000n).replace(/T.*$/, '')
  if (typeof wire === 'string' && /^\d{4}-\d\d-\d\d$/.test(wire) && parseDays(wire) !== null) return wire
  return unfit(wire, 'a date (DATE: a Date, or YYYY-MM-DD)')
}

const decimalText = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/

/** The number times 10^scale, rounded half away from zero as SQL's cast does; null when the text is no number. */
function scaled(text: string, scale: number): bigint | null {
  const match = text.length > mostCharacters ? null : decimalText.exec(text.trim())
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

function toDecimal(wire: Wire, precision: number, scale: number): Value {
  const text =
    typeof wire === 'number' || typeof wire === 'string' ? String(wire) : integerOf(wire)?.toString()
  const integer = text === undefined ? null : scaled(text, scale)
  if (integer === null || integer >= 10n ** BigInt(precision) || integer <= -(10n ** BigInt(precision))) {
    return unfit(wire, `a number of DECIMAL(${precision},${scale})`)
  }
  return readDecimal(integer, scale)
}

function plainJson(wire: Wire): Value {
  if (Array.isArray(wire)) return wire.map(plainJson)
  if (!isTag(wire)) return wire as Value
  if ('n' in wire) return BigInt(wire.n)
  if ('f' in wire) return Number(wire.f)
  if ('t' in wire) return formatMicros(BigInt(wire.t) * 1000n)
  if ('b' in wire) return Buffer.from(wire.b, 'hex').toString('base64')
  return mapFields(wire.o, plainJson)
}

function mapFields(object: WireObject, of: (wire: Wire) => Value): { [name: string]: Value } {
  const fields: { [name: string]: Value } = {}
  for (const [name, wire] of Object.entries(object)) setField(fields, name, of(wire))
  return fields
}

/** Also when the name is `__proto__`. */
function setField(fields: { [name: string]: Value }, name: string, value: Value): void {
  Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true })
}

function toList(wire: Wire, element: Conform): Value {
  return Array.isArray(wire) ? wire.map(element) : unfit(wire, 'an array (LIST)')
}

function toStruct(wire: Wire, conforms: ReadonlyMap<string, Conform>): Value {
  if (!isTag(wire) || !('o' in wire)) return unfit(wire, 'an object (STRUCT)')
  const stray = Object.keys(wire.o).find((name) => !conforms.has(name))
  if (stray !== undefined)
    throw new UnfitValueError(`has a field ${JSON.stringify(stray)} that its STRUCT has not`)
  const object = wire.o
  const fields: { [name: string]: Value } = {}
  for (const [name, conform] of conforms)
    setField(fields, name, conform(Object.hasOwn(object, name) ? object[name] : null))
  return fields
}

function convert(plan: Plan, declared: boolean): (wire: Wire) => Value {
  switch (plan.type) {
    case 'BOOLEAN':
      return (wire) => (typeof wire === 'boolean' ? wire : unfit(wire, 'true or false (BOOLEAN)'))
    case 'STRING':
      return (wire) => (typeof wire === 'string' ? wire : unfit(wire, 'text (STRING)'))
    case 'INT32':
      return (wire) => toInteger(wire, 32)
    case 'INT64':
      return (wire) => toInteger(wire, 64)
    case 'FLOAT64':
      return toFloat
    case 'BYTES':
      return (wire) =>
        isTag(wire) && 'b' in wire
          ? new Uint8Array(Buffer.from(wire.b, 'hex'))
          : unfit(wire, 'a Uint8Array (BYTES)')
    case 'TIMESTAMP':
      return (wire) => toTimestamp(wire, declared)
    case 'DATE':
      return toDate
    case 'DECIMAL':
      return (wire) => toDecimal(wire, plan.precision, plan.scale)
    case 'JSON':
      return (wire) => (typeof wire === 'string' ? wire : parseJson(formatJson(plainJson(wire))))
    case 'LIST': {
      const element = createConform(plan.element, declared)
      return (wire) => toList(wire, element)
    }
    case 'STRUCT': {
      const conforms = new Map(plan.fields.map(([name, field]) => [name, createConform(field, declared)]))
      return (wire) => toStruct(wire, conforms)
    }
  }
}

/** Throws UnfitValueError. Null and what is missing are null. */
export function createConform(plan: Plan, declared: boolean): Conform {
  const of = convert(plan, declared)
  return (wire) => (wire === null || wire === undefined ? null : of(wire))
}
