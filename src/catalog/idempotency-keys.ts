// The names that clients give what they ask, so that asking again is never doing again: each is kept with its job for a week.

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import type { Value } from '../values/columns.ts'
import { formatJson } from '../values/json-text.ts'
import { Prisma } from './generated/client.ts'

export interface Idempotency {
  key: string
  /** Of all that was asked under the key. */
  requestSha256: Uint8Array
}

const keptMs = 7 * 86_400_000
const longestKey = 255

/** Throws BAD_USER_INPUT. */
export function checkKey(key: string): string {
  if (key.trim() !== '' && key.length <= longestKey && !/\p{Cc}/u.test(key)) return key
  const got = JSON.stringify(key.slice(0, longestKey))
  throw new AppError(
    'BAD_USER_INPUT',
    `An idempotency key has 1 to ${longestKey} characters and no control characters, a UUID for example; got ${got}`,
  )
}

const forgottenBefore = () => new Date(Date.now() - keptMs)

/** What is kept under a key: a job, a dataset. */
interface Kept {
  id: string
  requestSha256: Uint8Array | null
}

/** Throws CONFLICT where something else was asked for under the key; `otherwise` says what, and what to do. */
export async function findByKey<Found extends Kept>(
  { key, requestSha256 }: Idempotency,
  {
    find,
    otherwise,
  }: {
    find(where: { idempotencyKey: string; createdAt: { gte: Date } }): Promise<Found | null>
    otherwise: (id: string) => { what: string; details: Readonly<Record<string, string>> }
  },
): Promise<Found | null> {
  const found = await find({ idempotencyKey: key, createdAt: { gte: forgottenBefore() } })
  if (found === null || Buffer.compare(found.requestSha256 ?? Buffer.alloc(0), requestSha256) === 0)
    return found
  const { what, details } = otherwise(found.id)
  throw new AppError('CONFLICT', `The idempotency key ${JSON.stringify(key)} stands for ${what}.`, {
    details,
  })
}

/** One that is kept no longer may be given anew. */
export async function forgetOldKey(
  key: string,
  forget: (where: { idempotencyKey: string; createdAt: { lt: Date } }) => Promise<unknown>,
): Promise<void> {
  await forget({ idempotencyKey: key, createdAt: { lt: forgottenBefore() } })
}

/** Rows that are hashed between two turns of the event loop. */
const rowsPerTurn = 2000

/** Of what a call brings, by which its retry is known; as it was given, whatever it means by then. */
export async function hashRequest(asked: unknown, rows: unknown): Promise<Uint8Array<ArrayBuffer>> {
  const hash = createHash('sha256').update(`${formatJson(asked as Value)}\n`)
  for (const [index, row] of (Array.isArray(rows) ? rows : [rows]).entries()) {
    hash.update(`${formatJson(row as Value)}\n`)
    if (index % rowsPerTurn === rowsPerTurn - 1) await setImmediate()
  }
  return new Uint8Array(hash.digest())
}

/** Of a publish job, in SQL. */
export function isKeyForgotten(): Prisma.Sql {
  return Prisma.sql`("idempotencyKey" IS NULL OR job."createdAt" < ${forgottenBefore()})`
}
