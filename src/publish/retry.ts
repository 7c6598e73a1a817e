// Trying again after a failure that may pass.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { AppError, type ErrorCode } from '../errors.ts'

/** Waits before the second try, the third, and so on: about twelve seconds in all. */
export const usualDelaysMs: readonly number[] = [100, 400, 1500, 4000, 6000]

/** Failures that the same call would meet again. */
const lasting: ReadonlySet<ErrorCode> = new Set([
  'BAD_USER_INPUT',
  'INVALID_SQL',
  'SCHEMA_MISMATCH',
  'TOO_LARGE',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
])

interface RetryOptions {
  what: string
  delaysMs: readonly number[]
  signal: AbortSignal
  log: Logger
}

/** Calls until it resolves, or fails with the last failure. Aborting stops the waiting with the signal's reason. */
export async function retry<T>(
  { what, delaysMs, signal, log }: RetryOptions,
  call: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      const delayMs = delaysMs[attempt]
      if (delayMs === undefined || (error instanceof AppError && lasting.has(error.code))) throw error
      log.warn({ err: error, delayMs }, `${what} failed and is tried again`)
      await sleep(delayMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}
