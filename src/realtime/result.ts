// What a realtime lookup asks for and what it answers.

import type { AppError } from '../errors.ts'
import type { ByteText } from '../values/byte-text.ts'

export type RealtimeStatus = 'FRESH' | 'STALE' | 'NOT_FOUND'
export type RealtimeSource = 'ONLINE' | 'WAREHOUSE'

export interface RealtimeResult {
  indexKey: string
  /** As the caller wrote it. */
  indexValue: string
  status: RealtimeStatus
  source: RealtimeSource
  /** The JSON text of an array of row objects, in UTF-8. */
  rows: ByteText
  /** When the rows were computed. */
  asOfMs: number | null
}

/** One answer for each index value, in order; a value that failed is its error. */
export type LookupAnswers = readonly (RealtimeResult | AppError)[]
