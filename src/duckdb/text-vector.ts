// A chunk's column of texts, read and written in bulk: one call into the engine for many texts, where its client makes one for each.

import { isAscii } from 'node:buffer'
import type { DuckDBDataChunk } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'

/** The engine's string_t: four bytes of length; then up to twelve bytes of text, or the first four and a pointer. */
const structBytes = 16
const inlineBytes = 12
const pointerAt = 8

/** Texts as one: their UTF-8 bytes one after the other, and the length of each in bytes; -1 is null. */
export interface PackedTexts {
  bytes: Buffer
  lengths: Int32Array
}

/** The column's texts; they hold no memory of the engine's. */
export function packTexts(chunk: DuckDBDataChunk, column: number): PackedTexts {
  const { rowCount } = chunk
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, column)
  const structs = duckdb.vector_get_data(vector, rowCount * structBytes)
  const words = new Uint32Array(structs.buffer, structs.byteOffset, rowCount * 4)
  const lengths = new Int32Array(rowCount)
  const isNull = nullTest(vector, rowCount)
  let total = 0
  for (let row = 0; row < rowCount; row++) {
    const length = isNull?.(row) === true ? -1 : (words[row * 4] ?? 0)
    lengths[row] = length
    if (length > 0) total += length
  }
  const bytes = Buffer.allocUnsafe(total)
  copyShort(structs, lengths, bytes)
  copyLong(structs, words, lengths, bytes)
  return { bytes, lengths }
}

/** Which rows are null; null when none is. */
export function nullTest(vector: duckdb.Vector, rowCount: number): ((row: number) => boolean) | null {
  // There is none for a vector without nulls, whatever the client's types say.
  const validity: Uint8Array | null = duckdb.vector_get_validity(vector, Math.ceil(rowCount / 64) * 8)
  if (validity === null || validity === undefined) return null
  return (row) => ((validity[row >> 3] ?? 0) & (1 << (row & 7))) === 0
}

function copyShort(structs: Uint8Array, lengths: Int32Array, bytes: Buffer): void {
  let end = 0
  for (let row = 0; row < lengths.length; row++) {
    const length = lengths[row] ?? 0
    if (length <= 0) continue
    if (length <= inlineBytes) {
      const from = row * structBytes + 4
      for (let i = 0; i < length; i++) bytes[end + i] = structs[from + i] ?? 0
    }
    end += length
  }
}

/** Texts that lie one right behind the other in the engine's memory are read at one go. */
function copyLong(structs: Uint8Array, words: Uint32Array, lengths: Int32Array, bytes: Buffer): void {
  let run = { firstRow: 0, target: 0, address: 0, length: 0 }
  let end = 0
  function copyRun() {
    if (run.length === 0) return
    const buffer = structs.buffer as ArrayBuffer
    const pointer = structs.byteOffset + run.firstRow * structBytes + pointerAt
    bytes.set(duckdb.get_data_from_pointer(buffer, pointer, run.length), run.target)
  }
  for (let row = 0; row < lengths.length; row++) {
    const length = lengths[row] ?? 0
    if (length <= 0) continue
    if (length > inlineBytes) {
      const address = (words[row * 4 + 2] ?? 0) + (words[row * 4 + 3] ?? 0) * 0x1_0000_0000
      if (address === run.address + run.length && end === run.target + run.length) run.length += length
      else {
        copyRun()
        run = { firstRow: row, target: end, address, length }
      }
    }
    end += length
  }
  copyRun()
}

export function readTexts(chunk: DuckDBDataChunk, column: number): (string | null)[] {
  const { bytes, lengths } = packTexts(chunk, column)
  const encoding = isAscii(bytes) ? 'latin1' : 'utf8'
  const texts = new Array<string | null>(lengths.length)
  let end = 0
  for (let row = 0; row < lengths.length; row++) {
    const length = lengths[row] ?? 0
    texts[row] = length < 0 ? null : bytes.toString(encoding, end, end + Math.max(length, 0))
    if (length > 0) end += length
  }
  return texts
}

/** More than this at once goes text by text: bulk costs a copy of it all. */
const maxPackedLength = 16_000_000

/** False when they are too long to be packed. */
export function packable(texts: readonly (string | null)[]): boolean {
  let length = 0
  for (const text of texts) length += text?.length ?? 0
  return length <= maxPackedLength
}

export function packStrings(texts: readonly (string | null)[]): PackedTexts {
  const joined = texts.join('')
  const lengths = new Int32Array(texts.length)
  const bytes = Buffer.from(joined)
  if (bytes.length === joined.length) {
    for (let row = 0; row < texts.length; row++) lengths[row] = texts[row]?.length ?? -1
    return { bytes, lengths }
  }
  // Each on its own: the halves of two characters that are alone at their texts' ends would make one.
  const parts = texts.map((text, row) => {
    const part = Buffer.from(text ?? '')
    lengths[row] = text === null ? -1 : part.length
    return part
  })
  return { bytes: Buffer.concat(parts), lengths }
}

export function slicePacked({ bytes, lengths }: PackedTexts, from: number, to: number): PackedTexts {
  if (from === 0 && to === lengths.length) return { bytes, lengths }
  let start = 0
  for (let row = 0; row < from; row++) start += Math.max(lengths[row] ?? 0, 0)
  let end = start
  for (let row = from; row < to; row++) end += Math.max(lengths[row] ?? 0, 0)
  return { bytes: bytes.subarray(start, end), lengths: lengths.subarray(from, to) }
}

/**
 * Puts the texts into the column. All bytes are given to the vector's own memory as one text, the first row's; then
 * every row's struct is made to point into it.
 */
export function writeTexts(chunk: DuckDBDataChunk, column: number, { bytes, lengths }: PackedTexts): void {
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, column)
  const rowCount = lengths.length
  const structs = new Uint8Array(rowCount * structBytes)
  const words = new Uint32Array(structs.buffer)
  const base = bytes.length > inlineBytes ? placeBytes(vector, bytes) : 0
  let hasNull = false
  let end = 0
  for (let row = 0; row < rowCount; row++) {
    const length = lengths[row] ?? 0
    if (length < 0) {
      hasNull = true
      continue
    }
    words[row * 4] = length
    const shown = length <= inlineBytes ? length : 4
    for (let i = 0; i < shown; i++) structs[row * structBytes + 4 + i] = bytes[end + i] ?? 0
    if (length > inlineBytes) {
      words[row * 4 + 2] = (base + end) % 0x1_0000_0000
      words[row * 4 + 3] = Math.floor((base + end) / 0x1_0000_0000)
    }
    end += length
  }
  duckdb.copy_data_to_vector(vector, 0, structs.buffer, 0, structs.byteLength)
  if (hasNull) writeNulls(vector, rowCount, (row) => (lengths[row] ?? 0) < 0)
}

export function writeNulls(vector: duckdb.Vector, rowCount: number, isNull: (row: number) => boolean): void {
  const validity = new Uint8Array(Math.ceil(rowCount / 64) * 8).fill(0xff)
  for (let row = 0; row < rowCount; row++) {
    if (isNull(row)) validity[row >> 3] = (validity[row >> 3] ?? 0) & ~(1 << (row & 7))
  }
  duckdb.vector_ensure_validity_writable(vector)
  duckdb.copy_data_to_vector_validity(vector, 0, validity.buffer, 0, validity.byteLength)
}

/** The address of the bytes in the vector's memory. */
function placeBytes(vector: duckdb.Vector, bytes: Buffer): number {
  duckdb.vector_assign_string_element_len(vector, 0, bytes)
  const placed = duckdb.vector_get_data(vector, structBytes)
  const view = new DataView(placed.buffer, placed.byteOffset, structBytes)
  return view.getUint32(pointerAt, true) + view.getUint32(pointerAt + 4, true) * 0x1_0000_0000
}
