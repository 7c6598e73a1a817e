// The names that clients give what they ask, so that asking again is never doing again: each is kept with its job for a week.

import { AppError } from '../errors.ts'
import { Prisma, type PrismaClient, type PublishJob } from './generated/client.ts'

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

/** Throws CONFLICT where something else was asked for under the key. */
export async function findByKey(
  prisma: PrismaClient,
  { key, requestSha256 }: Idempotency,
): Promise<PublishJob | null> {
  const job = await prisma.publishJob.findFirst({
    where: { idempotencyKey: key, createdAt: { gte: forgottenBefore() } },
  })
  if (job === null || Buffer.compare(job.requestSha256 ?? Buffer.alloc(0), requestSha256) === 0) return job
  throw new AppError(
    'CONFLICT',
    `The idempotency key ${JSON.stringify(key)} stands for other rows already, those of publish job ${job.id}: send the rows that were sent with it then, or give these a key of their own.`,
    { details: { jobId: job.id } },
  )
}

/** One that is kept no longer may be given anew. */
export async function forgetOldKey(prisma: PrismaClient, key: string): Promise<void> {
  await prisma.publishJob.updateMany({
    where: { idempotencyKey: key, createdAt: { lt: forgottenBefore() } },
    data: { idempotencyKey: null },
  })
}

/** Of a publish job, in SQL. */
export function isKeyForgotten(): Prisma.Sql {
  return Prisma.sql`("idempotencyKey" IS NULL OR job."createdAt" < ${forgottenBefore()})`
}
