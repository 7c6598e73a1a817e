// What Trino throws: whose fault it was, by its own names of errors, and where.

import type { ErrorCode } from '../../errors.ts'
import type { Place } from '../../sql/sql-text.ts'
import { createErrorTranslator } from '../server-error.ts'

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

export const toTrinoError = createErrorTranslator({
  server: 'Trino',
  isFailure: (error): error is TrinoFailure => error instanceof TrinoFailure,
  codeOf: ({ kind, fault }) => codesByKind[kind] ?? codesByFault[fault],
  tell: ({ message, place }, { sql, restore = (text) => text }) => ({
    message: restore(message.replace(/^line \d+:\d+: /, '')),
    place: placeWithin(place, sql, restore),
  }),
})

/** The user's text stands from the second line of the statement on. */
function placeWithin(
  place: Place | null,
  sql: string | undefined,
  restore: (text: string) => string,
): Place | null {
  if (place === null || sql === undefined) return null
  const lines = sql.split('\n')
  const line = place.line - 1
  if (line < 1 || line > lines.length) return null
  const before = [...(lines[line - 1] ?? '')].slice(0, place.column - 1).join('')
  // Where the engine counts further than the line is long, so be it.
  const shift = [...before].length - [...restore(before)].length
  return { line, column: place.column - shift }
}
