// The form in which cells cross between the gateway and an isolate: JSON in which every object is a tag for what JSON cannot hold.

import { limits } from './limits.ts'

/** n: a bigint's digits · f: NaN, Infinity, -Infinity, -0 · b: bytes in hex · t: a Date's milliseconds · o: a plain object. */
export type Tag = { n: string } | { f: string } | { b: string } | { t: number } | { o: EncodedObject }
export type EncodedObject = { readonly [name: string]: Encoded }
export type Encoded = null | boolean | number | string | readonly Encoded[] | Tag

/** What may be encoded. */
type Plain =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Plain[]
  | { readonly [name: string]: Plain }

// As it was before lockdown, which watches for scripts that call it.
const { defineProperty } = Object
/** What an ETL would be given holds too many lists or objects in each other. */
export class TooDeepError extends Error {
  constructor() {
    super(`its input holds a value that is nested deeper than ${limits.inputDepth} levels`)
  }
}

const hexDigits = '0123456789abcdef'

export function toHex(bytes: Uint8Array): string {
  let text = ''
  // Its length could be an object's own word.
  for (let i = 0, byte = bytes[0]; byte !== undefined; byte = bytes[++i])
    text += `${hexDigits[byte >> 4]}${hexDigits[byte & 15]}`
  return text
}

function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** A script's number. */
export function encodeNumber(value: number): Encoded {
  if (Object.is(value, -0)) return { f: '-0' }
  return Number.isFinite(value) ? value : { f: String(value) }
}

/** Whether JSON tells a cell as it is, but that -0 is 0: in files, where values are kept once each, the two are one. */
export function isBare(value: Plain): value is null | boolean | number | string {
  if (typeof value === 'number') return Number.isFinite(value)
  return value === null || (typeof value !== 'object' && typeof value !== 'bigint')
}

/** What a script is given. Throws TooDeepError. */
export function encodeValue(value: Plain, depth = 0): Encoded {
  if (isBare(value)) return value
  if (typeof value === 'number') return { f: String(value) }
  if (typeof value === 'bigint') return { n: String(value) }
  if (value instanceof Uint8Array) return { b: toHex(value) }
  if (depth === limits.inputDepth) throw new TooDeepError()
  if (Array.isArray(value)) return value.map((item: Plain) => encodeValue(item, depth + 1))
  const object: Record<string, Encoded> = Object.create(null)
  for (const [name, field] of Object.entries(value as { readonly [name: string]: Plain })) {
    object[name] = encodeValue(field, depth + 1)
  }
  return { o: object }
}

/** The value in an ETL's hands; a Date's tag never comes this way. */
export function decodeValue(encoded: Encoded): unknown {
  if (encoded === null || typeof encoded !== 'object') return encoded
  if (Array.isArray(encoded)) return encoded.map(decodeValue)
  const tag = encoded as Tag
  if ('f' in tag) return Number(tag.f)
  if ('n' in tag) return BigInt(tag.n)
  if ('b' in tag) return fromHex(tag.b)
  if ('t' in tag) return new Date(tag.t)
  const object = {}
  for (const [name, field] of Object.entries(tag.o)) {
    defineProperty(object, name, {
      value: decodeValue(field),
      writable: true,
      enumerable: true,
      configurable: true,
    })
  }
  return object
}
