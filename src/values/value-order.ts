// The one total order of typed values: by size, texts by code point, nulls first; the rows of a frame stand in it, and of a view's rows it says which is the greatest.

import { parseDays, parseMicros } from './calendar.ts'
import type { Column, ColumnType, Row } from './columns.ts'

/** How a column's values are ordered: by what they are, or, of texts that stand for something else, by what they stand for. */
export type Ordering = 'values' | 'days' | 'micros' | 'decimals'

export type Compare<T> = (a: T, b: T) => number

const sign = (difference: number): number => (difference < 0 ? -1 : difference > 0 ? 1 : 0)

/** Null, booleans, numbers, texts, bytes, lists, objects. */
function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'boolean':
      return 1
    case 'number':
    case 'bigint':
      return 2
    case 'string':
      return 3
    default:
      if (value === null || value === undefined) return 0
      return value instanceof Uint8Array ? 4 : Array.isArray(value) ? 5 : 6
  }
}

/** NaN last; a number before a bigint of its value. */
function compareNumbers(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1
  if (a > b) return 1
  const [isA, isB] = [Number.isNaN(a), Number.isNaN(b)]
  if (isA || isB) return Number(isA) - Number(isB)
  return Number(typeof a === 'bigint') - Number(typeof b === 'bigint')
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xe000

/** By code points, as UTF-8 orders them: halves of characters stand above all others. */
function compareTexts(a: string, b: string): number {
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return sign(x - y + 0x10000 * (Number(isSurrogate(x)) - Number(isSurrogate(y))))
  }
  return sign(a.length - b.length)
}

function compareItems<T>(a: ArrayLike<T>, b: ArrayLike<T>, compare: Compare<T>): number {
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const order = compare(a[i] as T, b[i] as T)
    if (order !== 0) return order
  }
  return sign(a.length - b.length)
}

function compareFields([nameA, a]: [string, unknown], [nameB, b]: [string, unknown]): number {
  return compareTexts(nameA, nameB) || compareValues(a, b)
}

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return a === b ? 0 : compareTexts(a, b)
  const rank = rankOf(a)
  const order = rank - rankOf(b)
  if (order !== 0) return order
  switch (rank) {
    case 0:
      return 0
    case 1:
      return Number(a) - Number(b)
    case 2:
      return compareNumbers(a as number | bigint, b as number | bigint)
    case 4:
      return compareItems(a as Uint8Array, b as Uint8Array, compareNumbers)
    case 5:
      return compareItems(a as unknown[], b as unknown[], compareValues)
    default:
      return compareItems(Object.entries(a as object), Object.entries(b as object), compareFields)
  }
}

const isUsualYear = /^\d/

/** Dates or timestamps: what has the same length and a year of four digits is in the texts' own order. */
function compareTimes(parse: (text: string) => number | bigint | null): Compare<unknown> {
  return (a, b) => {
    if (typeof a !== 'string' || typeof b !== 'string' || a === b) return compareValues(a, b)
    if (a.length === b.length && isUsualYear.test(a) && isUsualYear.test(b)) return a < b ? -1 : 1
    return compareNumbers(parse(a) ?? 0, parse(b) ?? 0)
  }
}

/** Of those that are too long for a number, and are the same as one, the texts decide: they have as many places. */
function compareDecimals(a: unknown, b: unknown): number {
  const isText = typeof a === 'string' || typeof b === 'string'
  if (!isText || a === null || b === null) return compareValues(a, b)
  const order = sign(Number(a) - Number(b))
  if (order !== 0 || typeof a !== 'string' || typeof b !== 'string') return order || rankOf(a) - rankOf(b)
  const magnitude = sign(a.length - b.length) || compareTexts(a, b)
  return a.startsWith('-') ? -magnitude : magnitude
}

export const compareBy: Record<Ordering, Compare<unknown>> = {
  values: compareValues,
  days: compareTimes(parseDays),
  micros: compareTimes(parseMicros),
  decimals: compareDecimals,
}

export const orderings: Record<ColumnType, Ordering> = {
  BOOLEAN: 'values',
  INT32: 'values',
  STRING: 'values',
  DATE: 'days',
  TIMESTAMP: 'micros',
  INT64: 'values',
  FLOAT64: 'values',
  DECIMAL: 'decimals',
  BYTES: 'values',
  LIST: 'values',
  STRUCT: 'values',
  JSON: 'values',
}

/** Rows by these columns, one after the other. */
export function createRowComparer(columns: readonly Pick<Column, 'type'>[]): Compare<Row> {
  const compares = columns.map(({ type }) => compareBy[orderings[type]])
  return (a, b) => {
    for (const [i, compare] of compares.entries()) {
      const order = compare(a[i] ?? null, b[i] ?? null)
      if (order !== 0) return order
    }
    return 0
  }
}
