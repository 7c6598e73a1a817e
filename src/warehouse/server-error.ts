// What a server or the way to it throws, as an AppError: whose fault it was, what it said, and where.

import { refuse } from '../duckdb/engine-error.ts'
import { AppError, type ErrorCode, messageOf } from '../errors.ts'
import type { Place } from '../sql/sql-text.ts'

export interface ErrorContext {
  /** The user's own text, and how many characters of the statement that ran stand before it. */
  sql?: string
  offset?: number
  /** Makes of the text that ran the user's own, where it is another. */
  restore?: ((text: string) => string) | undefined
  signal?: AbortSignal | undefined
  /** The code for what is the statement's or its values' fault; INVALID_SQL when not given, BAD_USER_INPUT for rows to be written. */
  refused?: ErrorCode
}

export interface ServerErrors<Failure extends Error> {
  /** For messages. */
  server: string
  /** What the server said, as against what befell the connection to it. */
  isFailure(error: unknown): error is Failure
  /** Undefined for what is the statement's fault. */
  codeOf(failure: Failure, context: ErrorContext): ErrorCode | undefined
  /** What is said of a statement's fault, and where it stands in the user's text. */
  tell(failure: Failure, context: ErrorContext): { message: string; place: Place | null }
}

/** The signal's reason when it aborted; what is an AppError already stays as it is. */
export function createErrorTranslator<Failure extends Error>(errors: ServerErrors<Failure>) {
  const { server, isFailure, codeOf, tell } = errors
  return (error: unknown, context: ErrorContext = {}): unknown => {
    if (context.signal?.aborted) return context.signal.reason
    if (error instanceof AppError) return error
    if (!isFailure(error))
      return new AppError(
        'WAREHOUSE_FAILED',
        `${server} cannot be reached: ${messageOf(error) || String(error)}`,
        {
          cause: error,
        },
      )
    const code = codeOf(error, context)
    if (code !== undefined && code !== 'INVALID_SQL')
      return new AppError(code, `${server} failed: ${error.message}`, { cause: error })
    const { message, place } = tell(error, context)
    return refuse(message, place, { cause: error, code: context.refused ?? 'INVALID_SQL' })
  }
}
