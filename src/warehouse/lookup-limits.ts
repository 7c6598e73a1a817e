// What one lookup may give: the rows go to an online store and to a prediction, which wait for them.

import { AppError } from '../errors.ts'
import type { Row, Value } from '../values/columns.ts'

export interface LookupLimits {
  rows: number
  /** Of text and bytes, and eight for each other cell. */
  megabytes: number
}

/** Throws TOO_LARGE. */
export function refuseManyRows(count: number, { rows }: LookupLimits): void {
  if (count <= rows) return
  const message = `The lookup finds more than ${rows} rows (LOOKUP_MAX_ROWS); let the query group or limit them for each index value.`
  throw new AppError('TOO_LARGE', message, { details: { most: rows } })
}

/** Throws TOO_LARGE. */
export function refuseLargeRows(rows: readonly Row[], limits: LookupLimits): void {
  let size = 0
  for (const row of rows) for (const value of row) size += sizeOf(value)
  if (size > limits.megabytes * 1_000_000) throw tooLarge(limits)
}

export function tooLarge({ megabytes }: LookupLimits): AppError {
  const message = `The lookup finds more than ${megabytes} MB (LOOKUP_MAX_MB); let the query give fewer or smaller values.`
  return new AppError('TOO_LARGE', message, { details: { maxMegabytes: megabytes } })
}

function sizeOf(value: Value): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  if (value instanceof Uint8Array) return value.length
  const parts: readonly Value[] = Array.isArray(value) ? value : Object.values(value)
  return parts.reduce<number>((sum, part) => sum + sizeOf(part), 8)
}
