// What the database refuses, and what a client's text must be for it to be kept.

import { AppError } from '../../errors.ts'
import { diskFullError, isDiskFull } from '../../full-disk.ts'
import { Prisma, type PrismaClient } from '../generated/client.ts'
import { databaseLost, isDatabaseLost } from './lost-database.ts'

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === code
}

/** Another row has the value already. */
export function isUniqueViolation(error: unknown): boolean {
  return hasCode(error, 'P2002')
}

/** The row that is named does not exist. */
export function isMissingReference(error: unknown): boolean {
  return hasCode(error, 'P2003')
}

/** More attempts than this only fail when something is wrong: of those that collide, one always succeeds. */
const maxAttempts = 500

/** Tries again whenever another has taken the number that `attempt` chose. */
export async function retryOnUniqueViolation<T>(attempt: () => Promise<T>): Promise<T> {
  for (let i = 1; ; i++) {
    try {
      return await attempt()
    } catch (error) {
      if (!isUniqueViolation(error) || i === maxAttempts) throw error
    }
  }
}

/** Of a saved query, an ETL, a feature view, a tag. */
export const longestName = 200
const longestPath = 500

/** A name that people give: not blank, of at most 200 characters, on one line. */
export function checkName(what: string, name: string): void {
  if (name.trim() !== '' && name.length <= longestName && !/\p{Cc}/u.test(name)) return
  const got = JSON.stringify(name.slice(0, longestName))
  throw new AppError(
    'BAD_USER_INPUT',
    `The name of ${what} has 1 to ${longestName} characters and no control characters; got ${got}`,
  )
}

export function checkPath(path: string): void {
  if (path !== '' && path.length <= longestPath && !/\p{Cc}/u.test(path)) return
  throw new AppError(
    'BAD_USER_INPUT',
    `An ETL's path has 1 to ${longestPath} characters and no control characters`,
  )
}

/** PostgreSQL's text holds every character but this one. */
export function checkText(what: string, text: string): void {
  const at = text.indexOf('\0')
  if (at === -1) return
  throw new AppError('BAD_USER_INPUT', `${what} holds a NUL character at position ${at}; remove it`)
}

/**
 * The client, but what it throws is an AppError where it was the caller's fault, for a text that no text of the database
 * can be (BAD_USER_INPUT), and where the database cannot be reached or its disk is full (CATALOG_UNAVAILABLE).
 */
export function withClearFailures(prisma: PrismaClient): PrismaClient {
  const extended = prisma.$extends({
    query: {
      async $allOperations({ args, query }) {
        try {
          return await query(args)
        } catch (error) {
          if (isDiskFull(error)) throw diskFullError('CATALOG_UNAVAILABLE', 'the catalog', error)
          if (isDatabaseLost(error)) throw databaseLost(error)
          if (!isImpossibleText(error)) throw error
          const message =
            'An id, a name or a text that was given holds a NUL character or half a surrogate pair, which none has.'
          throw new AppError('BAD_USER_INPUT', message, { cause: error })
        }
      },
    },
  })
  // An extension of queries alone leaves all that the client has as it is.
  return extended as unknown as PrismaClient
}

/** PostgreSQL's 22021: a NUL, or text that is not UTF-8; in JSON 22P05, or that half a surrogate pair is no JSON. */
function isImpossibleText(error: unknown): boolean {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return false
  return /`22(021|P05)`|invalid input syntax for type json/.test(error.message)
}
