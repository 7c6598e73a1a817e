// A catalog whose database cannot be reached just now: told from other failures in whatever words Prisma, pg or the system puts it.

import { AppError } from '../../errors.ts'

const retryAfterSeconds = 1

/** The system's codes, and PostgreSQL's for a connection that broke, a server that stops or starts, and one that is full. */
const codes =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|08\w{3}|57P0[123]|53300)$/
/** As Prisma's driver adapters name them. */
const kinds: ReadonlySet<unknown> = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
])
/** Where pg gives no code. */
const words =
  /^(Connection terminated|Client has encountered a connection error|Query read timeout|timeout exceeded when trying to connect)/

interface Told extends Error {
  code?: unknown
  meta?: { driverAdapterError?: { cause?: { kind?: unknown; originalCode?: unknown } } }
}

/** Whether the same call may do well in a moment, at whatever depth the reason stands. */
export function isDatabaseLost(reason: unknown): boolean {
  for (let error = reason; error instanceof Error; error = error.cause) {
    const { code, meta } = error as Told
    const driver = meta?.driverAdapterError?.cause
    if (kinds.has(driver?.kind) || words.test(error.message)) return true
    if ([code, driver?.originalCode].some((each) => typeof each === 'string' && codes.test(each))) return true
  }
  return false
}

export function databaseLost(cause: unknown): AppError {
  const message = 'The catalog’s database cannot be reached just now; ask again in a moment'
  return new AppError('CATALOG_UNAVAILABLE', message, { cause, details: { retryAfterSeconds } })
}

/** As it was being stored, so that it may be there: whoever asked again at once might have it twice. */
export function lostWhileStored(jobId: string, cause: unknown): AppError {
  const message = `The catalog’s database was lost while publish job ${jobId} was stored, which may be there and will be done then; look for it in a moment by publishJob(id: "${jobId}"), and ask again only where it is not`
  return new AppError('CATALOG_UNAVAILABLE', message, { cause, details: { jobId } })
}
