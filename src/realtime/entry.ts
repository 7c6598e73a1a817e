// What an online entry holds: a value's rows, or the error that its ETL gave; and when an entry may be served.

import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import { AppError, type ErrorCode, errorCodes } from '../errors.ts'
import type { View } from '../features/views.ts'
import type { OnlineEntry, WriteEntry } from '../online/port.ts'
import { type ByteText, toText } from '../values/byte-text.ts'

/** One index value's outcome, computed from the warehouse. */
export type Outcome = { ok: true; rows: string } | { ok: false; error: AppError }

/** Outcomes of one snapshot, by canonical index value. */
export interface Computed {
  version: number
  computedAtMs: number
  outcomes: ReadonlyMap<string, Outcome>
}

export const noRows = '[]'

/** What a failure begins with. */
const brace = '{'.charCodeAt(0)

/** A value that is known to have no rows, or whose ETL failed, is remembered for so long. */
const rememberedMs = 3_600_000
/** An ETL's failure is answered from memory for so long; then the next lookup tries again. */
const failureServedMs = 10_000

/** After its view's TTL a value is served as STALE for as long again, and at least so long; then the store forgets it. */
const shortestStaleMs = 60_000

/** A failure is stored too: it takes the place of rows that are no longer right. It begins with `{`, rows with `[`. */
export function toWriteEntry(
  { record }: Pick<View, 'record'>,
  value: string,
  outcome: Outcome,
  computed: Pick<Computed, 'version' | 'computedAtMs'>,
): WriteEntry {
  const text = outcome.ok ? outcome.rows : encodeFailure(outcome.error)
  return {
    value,
    version: computed.version,
    computedAtMs: computed.computedAtMs,
    rows: text,
    expiresInMs: earlier(lifeMs(record), text.startsWith('{') || text === noRows ? rememberedMs : null),
  }
}

/** That a lookup has found no rows need not be remembered; that a refresh has is what fends off older rows. */
export function foundByLookup(entry: WriteEntry): WriteEntry {
  return entry.rows === noRows ? { ...entry, droppable: true } : entry
}

/** What is refreshed by hand only stays until it is. */
function lifeMs({ ttlSeconds, refresh }: FeatureViewRecord): number | null {
  if (ttlSeconds === null || refresh === 'MANUAL') return null
  return ttlSeconds * 1000 + Math.max(ttlSeconds * 1000, shortestStaleMs)
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b)
}

/** The entry's rows or its failure, or null when it must be computed anew: nothing there, behind the watermark, or an old failure. */
export function servable(
  entry: OnlineEntry | null,
  watermark: number,
  nowMs: number,
): ByteText | AppError | null {
  if (entry === null || entry.version < watermark) return null
  if (entry.rows.charCodeAt(0) !== brace) return entry.rows
  return nowMs - entry.computedAtMs > failureServedMs ? null : decodeFailure(toText(entry.rows))
}

function encodeFailure({ code, message, details }: AppError): string {
  return JSON.stringify({ code, message, details })
}

function decodeFailure(text: string): AppError {
  const { code, message, details } = JSON.parse(text) as {
    code: ErrorCode
    message: string
    details?: Record<string, unknown>
  }
  const known = errorCodes.includes(code) ? code : 'ETL_FAILED'
  return new AppError(known, message, details === undefined ? {} : { details })
}
