// The one error that may reach a client: a code, a sentence that says what was wrong, and details.

export const errorCodes = [
  'BAD_USER_INPUT',
  'INVALID_SQL',
  'NOT_FOUND',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'ETL_LOAD_FAILED',
  'ETL_FAILED',
  'SCHEMA_MISMATCH',
  'WAREHOUSE_FAILED',
  'ONLINE_STORE_UNAVAILABLE',
  'CATALOG_UNAVAILABLE',
  'TIMEOUT',
  'TOO_LARGE',
  'RATE_LIMITED',
  'CONFLICT',
  'INTERNAL',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** The HTTP status that a REST answer carries for each code. */
export const httpStatusByCode: Record<ErrorCode, number> = {
  BAD_USER_INPUT: 400,
  INVALID_SQL: 400,
  NOT_FOUND: 404,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  ETL_LOAD_FAILED: 422,
  ETL_FAILED: 422,
  SCHEMA_MISMATCH: 409,
  WAREHOUSE_FAILED: 502,
  ONLINE_STORE_UNAVAILABLE: 503,
  CATALOG_UNAVAILABLE: 503,
  TIMEOUT: 504,
  TOO_LARGE: 413,
  RATE_LIMITED: 429,
  CONFLICT: 409,
  INTERNAL: 500,
}

export interface AppErrorOptions {
  cause?: unknown
  /** JSON data for the client: where it went wrong, what was expected. */
  details?: Record<string, unknown>
}

/**
 * A failure meant for the client. Anything else that is thrown is logged and masked as INTERNAL.
 * The message says what was wrong, where, and what would be right; it never holds a secret, a path of the
 * server's disk or another caller's data.
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
  }
}

/** Why a gateway turns away for now what it would answer at another time, or what another gateway would. */
export type Unavailability = 'OVERLOADED' | 'STOPPING'

/** Whoever asks, and however seldom: RATE_LIMITED with a reason, and over HTTP 503 with Retry-After. */
export function unavailable(
  reason: Unavailability,
  message: string,
  details: { retryAfterSeconds: number } & Record<string, unknown>,
): AppError {
  return new AppError('RATE_LIMITED', message, { details: { reason, ...details } })
}

/** Nothing is wrong with the request, nor with what its caller asked before. */
export function isUnavailable(details: Record<string, unknown> | undefined): boolean {
  return details?.reason === 'OVERLOADED' || details?.reason === 'STOPPING'
}

/** The HTTP status that says a failure. */
export function httpStatusOf({
  code,
  details,
}: {
  code: ErrorCode
  details?: Record<string, unknown> | undefined
}): number {
  return isUnavailable(details) ? 503 : httpStatusByCode[code]
}

/** What was thrown, in its own words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
