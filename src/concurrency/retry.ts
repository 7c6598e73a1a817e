// Trying again after a failure: for as long as it takes where it may pass, a few times where nothing says that it will.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { AppError, type ErrorCode } from '../errors.ts'

/** Waits before the second try, the third, and so on; the last one again and again. */
export const usualDelaysMs: readonly number[] = [100, 400, 1500, 4000, 6000]

/** Something that is needed is away, full or busy: the same call does well once it is back. */
const usuallyPassing: ReadonlySet<ErrorCode> = new Set([
  'WAREHOUSE_FAILED',
  'ONLINE_STORE_UNAVAILABLE',
  'CATALOG_UNAVAILABLE',
  'TIMEOUT',
  'RATE_LIMITED',
])

/** Failures that the same call would meet again. */
const lasting: ReadonlySet<ErrorCode> = new Set([
  'BAD_USER_INPUT',
  'INVALID_SQL',
  'SCHEMA_MISMATCH',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
])

/**
 * Calls until it resolves. `delayMs` tells how long to wait after each failure, of which the first is number 0; null has
 * it thrown. Aborting stops the waiting with the signal's reason.
 */
export async function callAgain<T>(
  call: () => Promise<T>,
  delayMs: (failures: number, error: unknown) => number | null,
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await call()
    } catch (error) {
      const ms = delayMs(failures, error)
      if (ms === null) throw error
      await sleep(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
  }
}

/** Each wait twice as long as the one before it. */
export function doubling(firstMs: number, longestMs: number): (failures: number) => number {
  return (failures) => Math.min(firstMs * 2 ** failures, longestMs)
}

export interface RetryOptions {
  /** The subject of the log's sentence: `Appending a batch to the warehouse`. */
  what: string
  delaysMs: readonly number[]
  signal: AbortSignal
  /** Failures that are waited out however long; when given, every other is thrown at once. */
  passing?: ReadonlySet<ErrorCode>
  /** Told of each failure that is waited out. */
  onWait?: (error: unknown) => void
  log: Logger
}

/**
 * Calls until it resolves. A failure that may pass is waited out however long, one that would be met again is thrown at
 * once, any other when it is met after each of the waits too. Aborting stops the waiting with the signal's reason.
 */
export function retry<T>(
  { what, delaysMs, signal, passing, onWait, log }: RetryOptions,
  call: () => Promise<T>,
): Promise<T> {
  const delay = (failures: number, error: unknown) => {
    const code = error instanceof AppError ? error.code : 'INTERNAL'
    const isPassing = (passing ?? usuallyPassing).has(code)
    const mayPass = isPassing || (passing === undefined && !lasting.has(code))
    const delayMs = delaysMs[failures] ?? (isPassing ? delaysMs.at(-1) : undefined)
    if (delayMs === undefined || !mayPass) return null
    log.warn({ err: error, delayMs }, `${what} failed and is tried again`)
    onWait?.(error)
    return delayMs
  }
  return callAgain(call, delay, signal)
}
