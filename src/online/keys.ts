// How a view and an index value become part of a store's key: bounded in length, and different for different texts.

import { createHash } from 'node:crypto'
import type { WriteEntry } from './port.ts'

/** Longer index values are keyed by their hash, so that every store's limit on keys holds (LMDB: 1,978 bytes). */
const maxPlainBytes = 512

/** What a value's part of a key begins with, unless the value is kept aside. */
export const plainTag = 'v'
const hashTag = 'h'

/** A view's part of a key: plain letters only, so that it needs no escaping in a key or in a pattern. */
export function viewKey(view: string): string {
  return /^\w{1,64}$/.test(view) ? view : `~${sha256(view)}`
}

/** An index value's part of a key: the value itself, or its hash when that would be too long or is not in Unicode. */
export function valueKey(value: string): string {
  return keptAside(value) ? hashTag + sha256(value) : plainTag + value
}

/**
 * Whether the value's key is only a hash, so that the value itself has to be kept with its entry. A lone surrogate
 * is such a case: UTF-8 cannot hold it, and it is still a value of its own.
 */
export function keptAside(value: string): boolean {
  // UTF-8 takes at most three bytes for each of a string's units, so most values need no counting.
  const long = value.length * 3 > maxPlainBytes && Buffer.byteLength(value) > maxPlainBytes
  return long || !value.isWellFormed()
}

/** The value where it has to be kept with its rows; of one that has none, the hash says enough. */
export function valueBeside({ value, rows }: Pick<WriteEntry, 'value' | 'rows'>): string | null {
  return keptAside(value) && !isNoRows(rows) ? value : null
}

function isNoRows(rows: WriteEntry['rows']): boolean {
  return rows.length === 2 && rows.toString() === '[]'
}

/** The index value of a key made by `valueKey`; null when only its hash is there. */
export function plainValue(key: string): string | null {
  return key.startsWith(plainTag) ? key.slice(plainTag.length) : null
}

function sha256(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('hex')
}
