// Packed rows on their way into an isolate and out of it: texts are UTF-8 outside and JavaScript's own inside.

import { isAscii } from 'node:buffer'
import ivm from 'isolated-vm'
import type { PackedRows } from '../../parquet/packed-columns.ts'
import type { OutputBatch } from './isolate/pack.ts'
import type { InputHead } from './isolate/unpack.ts'
import type { OutputRows } from './messages.ts'

/** The arguments that the harness takes: head, memory, then a text for each column of texts or cells. */
export function enterIsolate({ count, columns, fixed, data }: PackedRows): ivm.Transferable[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const memory = new ArrayBuffer(fixed)
  new Uint8Array(memory).set(bytes.subarray(0, fixed))
  let end = fixed
  const texts = columns.flatMap((column) => {
    if (!('bytes' in column)) return []
    const own = bytes.subarray(end, end + column.bytes)
    end += column.bytes
    if (isAscii(own)) return [own.toString('latin1')]
    if (column.kind === 'texts') toTextLengths(new Int32Array(memory, column.at, count), own)
    return [own.toString()]
  })
  const head: InputHead = { count, columns }
  return [
    new ivm.ExternalCopy(head).copyInto({ release: true }),
    new ivm.ExternalCopy(memory, { transferOut: true }).copyInto({ release: true, transferIn: true }),
    ...texts,
  ]
}

/** Each byte that begins a character is one unit of a text, and two where the character takes four bytes. */
function toTextLengths(lengths: Int32Array, bytes: Uint8Array): void {
  let end = 0
  for (let row = 0; row < lengths.length; row++) {
    let units = 0
    for (const stop = end + Math.max(lengths[row] ?? 0, 0); end < stop; end++) {
      const byte = bytes[end] ?? 0
      units += byte >= 0xf0 ? 2 : (byte & 0xc0) === 0x80 ? 0 : 1
    }
    if ((lengths[row] ?? -1) >= 0) lengths[row] = units
  }
}

export function leaveIsolate([head, memory, ...texts]: OutputBatch): OutputRows {
  const tails = texts.map((text) => Buffer.from(text))
  let next = 0
  for (const column of head.columns) {
    if (column.kind !== 'texts' && column.kind !== 'cells') continue
    const text = texts[next] ?? ''
    const isPlain = tails[next]?.length === text.length
    next++
    if (column.kind === 'texts' && !isPlain)
      toByteLengths(new Int32Array(memory, column.at, head.count), text)
  }
  return {
    ...head,
    fixed: memory.byteLength,
    tails: tails.map((tail) => tail.length),
    data: Buffer.concat([new Uint8Array(memory), ...tails]),
  }
}

/** Texts are well-formed, each on its own. */
function toByteLengths(lengths: Int32Array, text: string): void {
  let end = 0
  for (let row = 0; row < lengths.length; row++) {
    const length = lengths[row] ?? -1
    if (length < 0) continue
    lengths[row] = Buffer.byteLength(text.substring(end, end + length))
    end += length
  }
}
