// What Trino or the way to it throws, as an AppError: whose fault it was, what it said, and where.

import { refuse } from '../../duckdb/engine-error.ts'
import { AppError, type ErrorCode } from '../../errors.ts'
import type { Place } from '../../sql/sql-text.ts'

export interface TrinoErrorContext {
  /** The user's own text, when it stood from the second line of the statement on. */
  sql?: string
  signal?: AbortSignal | undefined
  /** The code for what is the statement's fault; INVALID_SQL when not given. */
  refused?: ErrorCode
}

/** What the engine said of a query, as against what befell the connection to it. */
export class TrinoFailure extends Error {
  override readonly name = 'TrinoFailure'
  /** `SYNTAX_ERROR` */
  readonly kind: string
  /** `USER_ERROR`, `INTERNAL_ERROR`, `INSUFFICIENT_RESOURCES`, `EXTERNAL` */
  readonly fault: string
  /** In the statement that ran. */
  readonly place: Place | null

  constructor(error: { message: string; kind: string; fault: string; place: Place | null }) {
    super(error.message)
    this.kind = error.kind
    this.fault = error.fault
    this.place = error.place
  }
}

/** By the engine's name of the error, before what its type says. */
const codesByKind: Record<string, ErrorCode> = {
  EXCEEDED_TIME_LIMIT: 'TIMEOUT',
  QUERY_TEXT_TOO_LARGE: 'TOO_LARGE',
  QUERY_QUEUE_FULL: 'WAREHOUSE_FAILED',
  CLUSTER_OUT_OF_MEMORY: 'TOO_LARGE',
  ABANDONED_QUERY: 'WAREHOUSE_FAILED',
  ADMINISTRATIVELY_KILLED: 'WAREHOUSE_FAILED',
  ADMINISTRATIVELY_PREEMPTED: 'WAREHOUSE_FAILED',
  USER_CANCELED: 'WAREHOUSE_FAILED',
  READ_ONLY_VIOLATION: 'INVALID_SQL',
}

const codesByFault: Record<string, ErrorCode> = {
  INSUFFICIENT_RESOURCES: 'TOO_LARGE',
  INTERNAL_ERROR: 'WAREHOUSE_FAILED',
  EXTERNAL: 'WAREHOUSE_FAILED',
}

/** The signal's reason when it aborted; what is an AppError already stays as it is. */
export function toTrinoError(error: unknown, context: TrinoErrorContext = {}): unknown {
  if (context.signal?.aborted) return context.signal.reason
  if (error instanceof AppError) return error
  if (!(error instanceof TrinoFailure)) {
    const message = error instanceof Error && error.message !== '' ? error.message : String(error)
    return new AppError('WAREHOUSE_FAILED', `Trino cannot be reached: ${message}`, { cause: error })
  }
  const known = codesByKind[error.kind] ?? codesByFault[error.fault]
  if (known !== undefined && known !== 'INVALID_SQL')
    return new AppError(known, `Trino failed: ${error.message}`, { cause: error })
  const message = error.message.replace(/^line \d+:\d+: /, '')
  return refuse(message, placeWithin(error.place, context.sql), {
    cause: error,
    code: context.refused ?? 'INVALID_SQL',
  })
}

function placeWithin(place: Place | null, sql: string | undefined): Place | null {
  if (place === null || sql === undefined) return null
  const line = place.line - 1
  return line >= 1 && line <= sql.split('\n').length ? { line, column: place.column } : null
}
