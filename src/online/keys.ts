// How a view and an index value become part of a store's key: bounded in length, and different for different texts.

import { createHash } from 'node:crypto'

/** Longer index values are keyed by their hash, so that every store's limit on keys holds (LMDB: 1,978 bytes). */
const maxPlainBytes = 512

const plainTag = 'v'
const hashTag = 'h'

/** A view's part of a key: plain letters only, so that it needs no escaping in a key or in a pattern. */
export function viewKey(view: string): string {
  return /^\w{1,64}$/.test(view) ? view : `~${sha256(view).toString('hex')}`
}

export interface ValueKey {
  bytes: Buffer
  /** The bytes are a hash: the value itself has to be kept with the entry. */
  hashed: boolean
}

/** An index value's part of a key. Text that UTF-8 cannot hold (a lone surrogate) is hashed too: it is still a value of its own. */
export function valueKey(value: string): ValueKey {
  // UTF-8 takes at most three bytes for each of a string's units, so most values need no counting.
  const short = value.length * 3 <= maxPlainBytes || Buffer.byteLength(value) <= maxPlainBytes
  if (short && value.isWellFormed()) return { bytes: Buffer.from(plainTag + value), hashed: false }
  return { bytes: Buffer.concat([Buffer.from(hashTag), sha256(value)]), hashed: true }
}

/** The index value of a key made by `valueKey`; null when only its hash is there. */
export function plainValue(bytes: Buffer): string | null {
  return bytes[0] === plainTag.charCodeAt(0) ? bytes.toString('utf8', 1) : null
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest()
}
