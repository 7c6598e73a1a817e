// What a realtime lookup asks for and what it answers.

import type { AppError } from '../errors.ts'
import { type ByteText, toByteText } from '../values/byte-text.ts'

export type RealtimeSource = 'ONLINE' | 'WAREHOUSE'

interface Looked {
  /** The key's column, or a JSON array of its columns. */
  indexKey: string
  /** As the caller wrote it. */
  indexValue: string
  source: RealtimeSource
  /** The JSON text of an array of row objects, in UTF-8. */
  rows: ByteText
  /** When the rows were computed; of a view in time the moment that they were chosen for. */
  asOfMs: number | null
  /** Of a view in time when the newest row became true, in microseconds UTC. */
  eventTime: bigint | null
  /** When the answer will be another by time alone, in microseconds UTC; null for never. */
  changesAt: bigint | null
}

export type RealtimeResult = Looked &
  (
    | { status: 'FRESH' | 'STALE' | 'NOT_FOUND' | 'EXPIRED'; error: null }
    | { status: 'FAILED'; error: AppError }
  )

/**
 * One answer for each index value, in order. What is wrong with a value or its rows is a result that FAILED; an error
 * stands for a value that could not be looked up just now, whatever it is.
 */
export type LookupAnswers = readonly (RealtimeResult | AppError)[]

const noRows = toByteText('[]')
/** Of what is no row of a view in time. */
export const timeless = { eventTime: null, changesAt: null }

export function failedResult(
  { indexKey, indexValue }: Pick<RealtimeResult, 'indexKey' | 'indexValue'>,
  error: AppError,
  from: Pick<RealtimeResult, 'source' | 'asOfMs'> = { source: 'WAREHOUSE', asOfMs: null },
): RealtimeResult {
  const { source, asOfMs } = from
  return { indexKey, indexValue, status: 'FAILED', source, rows: noRows, asOfMs, ...timeless, error }
}
