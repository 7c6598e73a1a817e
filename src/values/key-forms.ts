// What a key of each type that travels as text is: which texts spell it, and which of them is its one canonical text.

import { parseDays } from './calendar.ts'
import { canonicalInterval } from './interval.ts'
import { canonicalCidr, canonicalInet, canonicalIpAddress, canonicalMac } from './network-address.ts'

export interface KeyForm {
  /** The canonical text of the value that a text spells; undefined when it spells none. Canonical texts stay as they are. */
  parse(text: string): string | undefined
  /** Whether a text is sure to be canonical, told faster than by `parse`. */
  isCanonical?: (text: string) => boolean
  expected: string
}

const plain: KeyForm = {
  parse: (text) => (text.isWellFormed() ? text : undefined),
  isCanonical: (text) => text.isWellFormed(),
  expected: 'well-formed Unicode text',
}

/** Blanks at the end mean nothing. */
const padded: KeyForm = {
  parse: (text) => plain.parse(withoutEnd(text, ' ')),
  isCanonical: (text) => !text.endsWith(' ') && text.isWellFormed(),
  expected: plain.expected,
}

const canonicalUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const uuid: KeyForm = {
  parse(text) {
    if (canonicalUuid.test(text)) return text
    const bare = /^\{(.*)\}$/.exec(text)?.[1] ?? text
    if (!/^[0-9a-f]{4}(-?[0-9a-f]{4}){7}$/i.test(bare)) return undefined
    const digits = bare.toLowerCase().replaceAll('-', '')
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  },
  isCanonical: (text) => canonicalUuid.test(text),
  expected: 'a UUID, like "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"',
}

const specialNumbers = new Map([
  ['nan', 'NaN'],
  ['infinity', 'Infinity'],
  ['+infinity', 'Infinity'],
  ['-infinity', '-Infinity'],
])
/** Of places before the point, and behind it: what PostgreSQL holds. */
const [maxWhole, maxPlaces] = [131_072, 16_383]

const numeric: KeyForm = {
  parse(text) {
    const special = specialNumbers.get(text.toLowerCase())
    if (special !== undefined) return special
    const exponent = Number(/e(.*)$/i.exec(text)?.[1] ?? 0)
    if (exponent > maxWhole || exponent < -maxPlaces) return undefined
    const shown = plainDecimal(text)
    if (shown === undefined) return undefined
    const [whole = '', places = ''] = shown.split('.')
    return whole.length <= maxWhole && places.length <= maxPlaces ? shown : undefined
  },
  expected: 'a number, like "12.5" or "1e-8"',
}

const bignum: KeyForm = {
  parse: (text) => (/^[+-]?\d+$/.test(text) ? plainDecimal(text) : undefined),
  expected: 'an integer, like "42"',
}

/** Without sign for zero, plus, leading zeros, trailing zeros or exponent; undefined when it is no number. */
export function plainDecimal(text: string): string | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,6}))?$/i.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = whole + fraction
  if (digits === '') return undefined
  const point = whole.length + Number(exponent)
  const padded = point > digits.length ? digits.padEnd(point, '0') : digits
  const left = (point <= 0 ? '' : padded.slice(0, point)).replace(/^0+/, '') || '0'
  const right = withoutEnd(point <= 0 ? '0'.repeat(-point) + padded : padded.slice(point), '0')
  const shown = right === '' ? left : `${left}.${right}`
  return sign === '-' && shown !== '0' ? `-${shown}` : shown
}

/** Without that character at the end; a pattern would try each run of it anew. */
function withoutEnd(text: string, character: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === character) end -= 1
  return text.slice(0, end)
}

const clock = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?$/

/** `03:04:05.5` of at most so many places; undefined when it is no time of a day. */
function canonicalTime(text: string, places: number, hasMidnight: boolean): string | undefined {
  const match = clock.exec(text)
  if (match === null) return undefined
  const [, hour = '', minute = '', second = '00', fraction = ''] = match
  const shown = withoutEnd(fraction, '0')
  if (shown.length > places || Number(minute) > 59 || Number(second) > 59) return undefined
  const isMidnight = hasMidnight && hour === '24' && Number(minute) + Number(second) === 0 && shown === ''
  if (Number(hour) > 23 && !isMidnight) return undefined
  return `${hour}:${minute}:${second}${shown === '' ? '' : `.${shown}`}`
}

const time = (places: number, hasMidnight: boolean): KeyForm => ({
  parse: (text) => canonicalTime(text, places, hasMidnight),
  expected: `a time of at most ${places} places of seconds, like "03:04:05.5"`,
})

/** Finer than a TIMESTAMP of microseconds. */
const fineTimestamp = (places: number): KeyForm => ({
  parse(text) {
    if (text === 'infinity' || text === '-infinity') return text
    const [, day = '', at = ''] = /^(\d{4}-\d\d-\d\d)[T ]([\d:.]+)Z?$/i.exec(text) ?? []
    const shown = canonicalTime(at, places, false)
    return shown === undefined || parseDays(day) === null ? undefined : `${day} ${shown}`
  },
  expected: `a timestamp in UTC of at most ${places} places of seconds, like "2026-01-31 12:00:00.000000001"`,
})

const bits: KeyForm = {
  parse: (text) => (/^[01]*$/.test(text) ? text : undefined),
  expected: 'bits, like "0101"',
}

const address = (parse: KeyForm['parse'], expected: string): KeyForm => ({ parse, expected })

/** By the engine's own name of the type, in small letters; of time and timestamp by how fine they are. */
const forms: Record<string, KeyForm | ((places: number) => KeyForm)> = {
  text: plain,
  varchar: plain,
  name: plain,
  '"char"': plain,
  enum: plain,
  unknown: plain,
  '"null"': plain,
  bpchar: padded,
  char: padded,
  uuid,
  numeric,
  bignum,
  interval: { parse: canonicalInterval, expected: 'an interval, like "1 month 2 days 03:04:05.5"' },
  time: (places) => (Number.isNaN(places) ? time(6, true) : time(places, false)),
  time_ns: time(9, true),
  timestamp_ns: fineTimestamp(9),
  timestamp: fineTimestamp,
  bit: bits,
  varbit: bits,
  inet: address(
    canonicalInet,
    'an address, or one with the length of its network, like "10.0.0.1" or "10.0.0.1/8"',
  ),
  cidr: address(canonicalCidr, 'a network, like "10.0.0.0/8"'),
  ipaddress: address(canonicalIpAddress, 'an address, like "10.0.0.1" or "2001:db8::1"'),
  macaddr: address((text) => canonicalMac(text, 6), 'a MAC address, like "08:00:2b:01:02:03"'),
  macaddr8: address(
    (text) => canonicalMac(text, 8),
    'a MAC address of 8 bytes, like "08:00:2b:01:02:03:04:05"',
  ),
}

const known = new Map<string, KeyForm | undefined>()

/** How keys of a type are written; undefined where which of its texts are equal cannot be told by rule. */
export function keyForm(native: string): KeyForm | undefined {
  const found = known.get(native)
  if (found !== undefined || known.has(native)) return found
  const form = findForm(native)
  known.set(native, form)
  return form
}

function findForm(native: string): KeyForm | undefined {
  const [, name = '', places] = /^([^()]+)(?:\((\d+)\))?$/.exec(native.toLowerCase()) ?? []
  const form = Object.hasOwn(forms, name) ? forms[name] : undefined
  return typeof form === 'function' ? form(Number(places)) : form
}
