// An entry as one binary value: a short header, then the JSON text of its rows as it is served.

import { type ByteText, byteTextOf } from '../values/byte-text.ts'
import type { OnlineEntry, WriteEntry } from './port.ts'

// byte 0      format, with a bit for each optional part
// bytes 1–8   version, float64 little-endian (the Redis script reads it in place: struct.unpack('<d', …))
// bytes 9–16  computedAtMs, float64
// 8 bytes     expiresAtMs, float64, only with `hasExpiry`
// 4 + n bytes the index value in UTF-16LE after its length, only with `hasValue`: its key is a hash
// the rest    rows
// The bit `isDroppable` stands for no part: the Redis scripts tell by it what may go.
const format = 0x10
const hasExpiry = 0x01
const hasValue = 0x02
const isDroppable = 0x04
const allFlags = hasExpiry | hasValue | isDroppable

const headerEnd = 17

export interface PackedExtras {
  /** Where the store itself forgets nothing: when a reader must take the entry for missing. */
  expiresAtMs?: number | null
  /** Where the key is only a hash: the index value itself. */
  value?: string | null
  droppable?: boolean
}

export function pack(
  entry: Pick<WriteEntry, 'version' | 'computedAtMs' | 'rows'>,
  { expiresAtMs = null, value = null, droppable = false }: PackedExtras,
): Buffer {
  const valueBytes = value === null ? null : Buffer.from(value, 'utf16le')
  const size =
    headerEnd +
    (expiresAtMs === null ? 0 : 8) +
    (valueBytes ? 4 + valueBytes.length : 0) +
    Buffer.byteLength(entry.rows)
  const packed = Buffer.allocUnsafe(size)
  packed[0] =
    format |
    (expiresAtMs === null ? 0 : hasExpiry) |
    (valueBytes ? hasValue : 0) |
    (droppable ? isDroppable : 0)
  packed.writeDoubleLE(entry.version, 1)
  packed.writeDoubleLE(entry.computedAtMs, 9)
  let at = headerEnd
  if (expiresAtMs !== null) at = packed.writeDoubleLE(expiresAtMs, at)
  if (valueBytes) {
    at = packed.writeUInt32LE(valueBytes.length, at)
    at += valueBytes.copy(packed, at)
  }
  if (typeof entry.rows === 'string') packed.write(entry.rows, at)
  else packed.set(entry.rows, at)
  return packed
}

/** Written by this format; anything else (a later release's, say) is to be taken for missing. */
export function isReadable(packed: Buffer): boolean {
  const first = packed[0]
  return first !== undefined && packed.length >= headerEnd && (first & ~allFlags) === format
}

export function packedVersion(packed: Buffer): number {
  return packed.readDoubleLE(1)
}

/** When the entry expires; Infinity for one that stays. */
export function packedExpiry(packed: Buffer): number {
  return hasFlag(packed, hasExpiry) ? packed.readDoubleLE(headerEnd) : Number.POSITIVE_INFINITY
}

export function packedDroppable(packed: Buffer): boolean {
  return hasFlag(packed, isDroppable)
}

/** The index value that was kept with the entry, if it was. */
export function packedValue(packed: Buffer): string | null {
  if (!hasFlag(packed, hasValue)) return null
  const at = valueStart(packed)
  return packed.toString('utf16le', at + 4, at + 4 + packed.readUInt32LE(at))
}

/** The entry; its rows are copied. */
export function unpack(packed: Buffer): OnlineEntry {
  const rows = byteTextOf(packed, rowsStart(packed), packed.length)
  return { version: packed.readDoubleLE(1), computedAtMs: packed.readDoubleLE(9), rows }
}

/** The entry that lies in `bytes` from `start` to `end`, and in `text`, which holds the same bytes; null unless it is readable. */
export function unpackWithin(bytes: Buffer, text: ByteText, start: number, end: number): OnlineEntry | null {
  const first = bytes[start] ?? 0
  if (first === format && end - start >= headerEnd) {
    const rows = text.slice(start + headerEnd, end) as ByteText
    return { version: bytes.readDoubleLE(start + 1), computedAtMs: bytes.readDoubleLE(start + 9), rows }
  }
  const packed = bytes.subarray(start, end)
  return isReadable(packed) ? unpack(packed) : null
}

function rowsStart(packed: Buffer): number {
  const at = valueStart(packed)
  return hasFlag(packed, hasValue) ? at + 4 + packed.readUInt32LE(at) : at
}

function valueStart(packed: Buffer): number {
  return hasFlag(packed, hasExpiry) ? headerEnd + 8 : headerEnd
}

function hasFlag(packed: Buffer, flag: number): boolean {
  return ((packed[0] ?? 0) & flag) !== 0
}
