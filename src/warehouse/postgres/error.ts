// What PostgreSQL throws: whose fault it was, by its states, and where.

import { AppError, type ErrorCode } from '../../errors.ts'
import { type Place, placeAfter } from '../../sql/sql-text.ts'
import { createErrorTranslator, type ErrorContext } from '../server-error.ts'

/** By SQLSTATE, the longest beginning that fits. All others are the statement's fault. */
const codesByState: Record<string, ErrorCode> = {
  '08': 'WAREHOUSE_FAILED', // connection
  '25': 'WAREHOUSE_FAILED', // transaction state
  '25006': 'INVALID_SQL', // a write in a read-only transaction
  '28': 'WAREHOUSE_FAILED', // authorisation
  '3D': 'WAREHOUSE_FAILED', // no such database
  '40': 'WAREHOUSE_FAILED', // rollback: serialisation, deadlock
  '53': 'TOO_LARGE', // resources: memory, disk
  '53300': 'WAREHOUSE_FAILED', // too many connections
  '54': 'TOO_LARGE', // a limit of the engine
  '57': 'WAREHOUSE_FAILED', // shut down, starting
  '57014': 'TIMEOUT',
  '58': 'WAREHOUSE_FAILED', // the server's own files
  F0: 'WAREHOUSE_FAILED',
  XX: 'WAREHOUSE_FAILED',
}

/** What rows that are written meet for a while: a server that is a standby yet, or has no memory or no disk, or a lock. */
const passingForWrites = /^(25006|53\w{3}|55\w{3})$/

interface ServerError extends Error {
  code: string
  position?: string
  hint?: string
  /** Of the values, not of the statement: which key is there already, say. */
  detail?: string
}

/** What the server said, as against what befell the connection to it. */
export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && /^[0-9A-Z]{5}$/.test(String((error as { code?: unknown }).code))
}

/** The connection broke or could not be made: another one may do. */
export function isConnectionLost(error: unknown): boolean {
  if (!isServerError(error)) return !(error instanceof AppError)
  return error.code.startsWith('08') || /^57P0[123]$/.test(error.code)
}

function stateCode(state: string): ErrorCode | undefined {
  return codesByState[state] ?? codesByState[state.slice(0, 2)]
}

/**
 * What the server could not go on with while a user's statement ran, the statement has brought about: odd numbers for a
 * function, a value of a gigabyte. That its data are damaged has states of its own (XX001, XX002).
 */
function codeOf({ code, message }: ServerError, { sql, refused }: ErrorContext): ErrorCode | undefined {
  if (refused === 'BAD_USER_INPUT' && passingForWrites.test(code)) return 'WAREHOUSE_FAILED'
  if (code !== 'XX000' || sql === undefined) return stateCode(code)
  return /invalid memory alloc request size/.test(message) ? 'TOO_LARGE' : 'INVALID_SQL'
}

export const toPostgresError = createErrorTranslator({
  server: 'PostgreSQL',
  isFailure: isServerError,
  codeOf,
  tell(error, context) {
    const more = [context.refused && error.detail, error.hint].filter((part) => part !== undefined)
    const { restore = (text) => text } = context
    const message = `${restore(error.message)}${more.map((part) => ` (${part})`).join('')}`
    return { message, place: placeWithin(error, context) }
  },
})

/** The server counts characters of the whole statement, from 1. */
function placeWithin(
  { position }: ServerError,
  { sql, offset = 0, restore = (text) => text }: ErrorContext,
): Place | null {
  if (sql === undefined || position === undefined) return null
  const before = Number(position) - 1 - offset
  const characters = [...sql]
  if (before < 0 || before > characters.length) return null
  return placeAfter(restore(characters.slice(0, before).join('')))
}
