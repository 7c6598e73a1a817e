// What the engine throws, as an AppError: whose fault it was, what it said, and where.

import { AppError, type ErrorCode } from '../errors.ts'
import { diskFullError, isDiskFull } from '../full-disk.ts'
import { type Place, placeAfter } from '../sql/sql-text.ts'
import { refusedServerName } from './server-names.ts'

export interface EngineErrorContext {
  /** The user's own text, and how many bytes of the statement that ran stand before it. */
  sql?: string
  offsetBytes?: number
  /** Makes of the text that ran the user's own, where it is another. */
  restore?: (text: string) => string
  signal?: AbortSignal | undefined
  /** The code for what is not the statement's fault. */
  otherwise?: ErrorCode
  /** The code for what is and shows only on running; INVALID_SQL when not given. */
  refused?: ErrorCode
}

interface EngineFailure {
  kind: string
  message: string
  position: number | null
}

/** By the engine's exception type. All others are the statement's fault. */
const codesByKind: Record<string, ErrorCode> = {
  'Out of Memory': 'TOO_LARGE',
  IO: 'WAREHOUSE_FAILED',
  INTERNAL: 'WAREHOUSE_FAILED',
  FATAL: 'WAREHOUSE_FAILED',
  Connection: 'WAREHOUSE_FAILED',
  Serialization: 'WAREHOUSE_FAILED',
  TransactionContext: 'WAREHOUSE_FAILED',
  HTTP: 'WAREHOUSE_FAILED',
  Permission: 'WAREHOUSE_FAILED',
  INTERRUPT: 'TIMEOUT',
}

/** What shows before a statement runs. */
const unboundKinds = new Set(['Parser', 'Binder', 'Catalog', 'Syntax'])

/** The signal's reason when it aborted; what is an AppError already stays as it is. */
export function toAppError(error: unknown, context: EngineErrorContext = {}): unknown {
  if (context.signal?.aborted) return context.signal.reason
  if (error instanceof AppError) return error
  if (isDiskFull(error))
    return diskFullError(context.otherwise ?? 'WAREHOUSE_FAILED', 'the engine’s files', error)
  const failure = parseFailure(error)
  if (failure === null) {
    const message = error instanceof Error ? error.message : String(error)
    return new AppError(context.otherwise ?? 'WAREHOUSE_FAILED', `The engine failed: ${message}`, {
      cause: error,
    })
  }
  // What fails within the engine while a user's statement runs, the statement has brought about; another would not.
  const isOfStatement = failure.kind === 'INTERNAL' && context.sql !== undefined
  const known = isOfStatement ? undefined : codesByKind[failure.kind]
  if (known !== undefined) {
    const code = known === 'WAREHOUSE_FAILED' ? (context.otherwise ?? known) : known
    return new AppError(code, `The engine failed: ${withoutPaths(failure.message)}`, { cause: error })
  }
  return createRefusal(failure, error, context)
}

function createRefusal(failure: EngineFailure, cause: unknown, context: EngineErrorContext): AppError {
  const { sql, offsetBytes = 0, restore = (text) => text } = context
  const place =
    sql === undefined || failure.position === null
      ? null
      : placeWithin(sql, failure.position - offsetBytes, restore)
  return refuse(refusedServerName(failure.message) ?? restore(failure.message), place, {
    cause,
    code: unboundKinds.has(failure.kind) ? 'INVALID_SQL' : (context.refused ?? 'INVALID_SQL'),
  })
}

export function refuse(
  message: string,
  place: Place | null,
  { cause, code = 'INVALID_SQL' }: { cause?: unknown; code?: ErrorCode } = {},
): AppError {
  const where = place === null ? '' : `line ${place.line}, column ${place.column}: `
  return new AppError(code, `${where}${message}`, {
    cause,
    ...(place === null ? {} : { details: { ...place } }),
  })
}

function placeWithin(sql: string, position: number, restore: (text: string) => string): Place | null {
  const text = Buffer.from(sql)
  return position < 0 || position > text.length
    ? null
    : placeAfter(restore(text.toString('utf8', 0, position)))
}

/** The engine is set to write its errors as JSON; some have its kind before it. */
function parseFailure(error: unknown): EngineFailure | null {
  if (!(error instanceof Error)) return null
  const start = error.message.indexOf('{"exception_type"')
  if (start < 0) return null
  try {
    const parsed = JSON.parse(error.message.slice(start)) as Record<string, string>
    const position = parsed.position === undefined ? null : Number(parsed.position)
    return { kind: parsed.exception_type ?? '', message: parsed.exception_message ?? '', position }
  } catch {
    return null
  }
}

/** A client has no business knowing the server's folders. */
function withoutPaths(message: string): string {
  return message.replace(/"(?:\/|[A-Za-z]:\\)[^"]*"/g, 'a file')
}
