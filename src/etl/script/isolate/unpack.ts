// Packed rows inside the isolate: each column as an array of values, in the form that an ETL is given them.

import type { PackedColumn } from '../../../parquet/packed-columns.ts'
import { formatDays, formatMicros, formatSafeMicros } from '../../../values/calendar.ts'
import { blankCells } from './blank-cells.ts'
import { decodeValue, type Encoded } from './encoded.ts'

/** What there is of packed rows beside their memory: lengths are of JavaScript's text by now, and texts stand apart. */
export interface InputHead {
  count: number
  columns: readonly PackedColumn[]
}

const two32 = 0x1_0000_0000
/** The high half of an integer that a number holds exactly, but for -2^53 itself, lies within these. */
const safeHigh = 2 ** 21

type FromHalves = (high: number, low: number, words: Int32Array, at: number) => unknown

function whole(words: Int32Array, at: number): bigint {
  return (BigInt(words[at + 1] ?? 0) << 32n) + BigInt((words[at] ?? 0) >>> 0)
}

function toInteger(high: number, low: number, words: Int32Array, at: number): unknown {
  const number = high * two32 + low
  const isSafe = high >= -safeHigh && high < safeHigh && Number.isSafeInteger(number)
  return isSafe ? number : whole(words, at)
}

function toTimestamp(high: number, low: number, words: Int32Array, at: number): unknown {
  const number = high * two32 + low
  const isSafe = high >= -safeHigh && high < safeHigh && Number.isSafeInteger(number)
  return isSafe ? formatSafeMicros(number) : formatMicros(whole(words, at))
}

function fill(count: number, nulls: Uint8Array | null, valueAt: (row: number) => unknown): unknown[] {
  const values = blankCells(count)
  for (let row = 0; row < count; row++) if (nulls?.[row] !== 1) values[row] = valueAt(row)
  return values
}

function fromHalves(words: Int32Array, of: FromHalves): (row: number) => unknown {
  return (row) => of(words[2 * row + 1] ?? 0, (words[2 * row] ?? 0) >>> 0, words, 2 * row)
}

function unpackNumbers(
  data: ArrayBuffer,
  count: number,
  { kind, at, nulls }: Extract<PackedColumn, { nulls: unknown }>,
): unknown[] {
  const nullAt = nulls === null ? null : new Uint8Array(data, nulls, count)
  switch (kind) {
    case 'numbers': {
      const numbers = new Float64Array(data, at, count)
      // -0 becomes 0: see encoded.ts.
      return fill(count, nullAt, (row) => (numbers[row] ?? 0) + 0)
    }
    case 'int32': {
      const numbers = new Int32Array(data, at, count)
      return fill(count, nullAt, (row) => numbers[row])
    }
    case 'days': {
      const days = new Int32Array(data, at, count)
      return fill(count, nullAt, (row) => formatDays(days[row] ?? 0))
    }
    case 'booleans': {
      const bytes = new Uint8Array(data, at, count)
      return fill(count, nullAt, (row) => bytes[row] !== 0)
    }
    case 'integers':
      return fill(count, nullAt, fromHalves(new Int32Array(data, at, 2 * count), toInteger))
    case 'micros':
      return fill(count, nullAt, fromHalves(new Int32Array(data, at, 2 * count), toTimestamp))
  }
}

function unpackTexts(data: ArrayBuffer, count: number, at: number, text: string): unknown[] {
  const lengths = new Int32Array(data, at, count)
  const values = blankCells(count)
  let end = 0
  for (let row = 0; row < count; row++) {
    const length = lengths[row] ?? -1
    if (length < 0) continue
    values[row] = text.substring(end, end + length)
    end += length
  }
  return values
}

/** `texts` has one for each column of texts or cells, in order. */
export function unpack({ count, columns }: InputHead, data: ArrayBuffer, texts: readonly string[]) {
  let next = 0
  return columns.map((column): readonly unknown[] => {
    if (column.kind === 'texts') return unpackTexts(data, count, column.at, texts[next++] ?? '')
    if (column.kind === 'cells') return (JSON.parse(texts[next++] ?? '[]') as Encoded[]).map(decodeValue)
    return unpackNumbers(data, count, column)
  })
}
