// What a client may learn of a failure: AppErrors as they are, anything else logged under the request's id and masked.

import type { Logger } from 'pino'
import { AppError, type ErrorCode, httpStatusOf } from '../../errors.ts'

export interface Failure {
  code: ErrorCode
  message: string
  details?: Record<string, unknown> | undefined
  /** Where the log tells more: the id to find it by. */
  requestId?: string
}

export interface FailureFacts {
  requestId: string
  log: Logger
}

/** The AppError that an error is or was caused by, through the wrappers that executors and drivers put around it. */
export function findAppError(error: unknown): AppError | null {
  let current = error
  for (let depth = 0; depth < 10 && current instanceof Error; depth++) {
    if (current instanceof AppError) return current
    current = ('originalError' in current ? current.originalError : undefined) ?? current.cause
  }
  return null
}

/** Codes whose cause is worth a line in the log: the gateway's surroundings failed, not the client. */
const logged: ReadonlySet<ErrorCode> = new Set([
  'WAREHOUSE_FAILED',
  'ONLINE_STORE_UNAVAILABLE',
  'CATALOG_UNAVAILABLE',
  'INTERNAL',
])

export function describeFailure(error: unknown, { requestId, log }: FailureFacts): Failure {
  const known = findAppError(error)
  if (known === null) {
    log.error({ err: error, requestId }, 'A request failed unexpectedly')
    return {
      code: 'INTERNAL',
      message: `Something went wrong in the gateway; request ${requestId}`,
      requestId,
    }
  }
  const isLogged = logged.has(known.code)
  if (isLogged) log.warn({ err: known, requestId }, known.message)
  return {
    code: known.code,
    message: known.message,
    ...(known.details !== undefined && { details: known.details }),
    ...(isLogged && { requestId }),
  }
}

/** How HTTP says it: the status, and when to ask again where that is known; a second later where it is not. */
export function httpAnswerOf(failure: Pick<Failure, 'code' | 'details'>) {
  const status = httpStatusOf(failure)
  const seconds = failure.details?.retryAfterSeconds ?? (status === 503 ? 1 : undefined)
  const headers: Record<string, string> = seconds === undefined ? {} : { 'retry-after': String(seconds) }
  return { status, headers }
}
