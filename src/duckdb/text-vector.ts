// A chunk's column of texts as UTF-8: what the client's own reader of texts loses, a byte order mark at their beginning, is kept.

import { isAscii } from 'node:buffer'
import { DuckDBBlobVector, type DuckDBDataChunk } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'

/** Texts as one: their UTF-8 bytes one after the other, and the length of each in bytes; -1 is null. */
export interface PackedTexts {
  bytes: Buffer
  lengths: Int32Array
}

/** The column's texts; they hold no memory of the engine's. */
export function packTexts({ chunk, rowCount }: DuckDBDataChunk, column: number): PackedTexts {
  const vector = DuckDBBlobVector.fromRawVector(duckdb.data_chunk_get_vector(chunk, column), rowCount)
  const lengths = new Int32Array(rowCount)
  const texts: Uint8Array[] = []
  for (let row = 0; row < rowCount; row++) {
    const text = vector.getItemBytes(row)
    lengths[row] = text?.length ?? -1
    if (text !== null) texts.push(text)
  }
  return { bytes: Buffer.concat(texts), lengths }
}

export function unpackTexts({ bytes, lengths }: PackedTexts): (string | null)[] {
  const encoding = isAscii(bytes) ? 'latin1' : 'utf8'
  let end = 0
  return Array.from(lengths, (length) => {
    if (length < 0) return null
    end += length
    return bytes.toString(encoding, end - length, end)
  })
}
