// Publish jobs: durable work on the warehouse, and how far each has come.

import { AppError } from '../errors.ts'
import { isDatabaseLost, lostWhileStored } from './database/lost-database.ts'
import { isGone } from './database/presence.ts'
import { isUniqueViolation, retryOnUniqueViolation } from './database/violations.ts'
import type { Prisma, PrismaClient, PublishJob } from './generated/client.ts'
import { findByKey, forgetOldKey, type Idempotency, isKeyForgotten } from './idempotency-keys.ts'
import { createId } from './ids.ts'
import { isEnded, type JobStatus, refusal, statusesBefore } from './job-states.ts'

export type { JobStatus }
export type PublishJobRecord = Omit<PublishJob, 'owner'>

export type NewPublishJob =
  | { kind: 'FLOWS'; total: number; seed: number | null }
  | { kind: 'ERASURE'; total: number; payload: Uint8Array }
  | ({ kind: 'ROWS'; total: number; table: string; idempotency?: Idempotency | undefined } & (
      | { payload: Uint8Array }
      | { upload: string }
    ))

export interface PublishJobChanges {
  status?: JobStatus
  done?: number
  error?: string | null
  /** Gone on the end in any case. */
  waitingFor?: string | null
  /** Set on the first RUNNING when it is left out. */
  startedAt?: Date | null
  /** Set on the end when it is left out. */
  finishedAt?: Date | null
  /** Dropped on the end in any case. */
  payload?: Uint8Array | null
  erasure?: Prisma.InputJsonObject
  /** Dropped on the end in any case. */
  upload?: null
}

export interface PublishJobs {
  /**
   * QUEUED. With a seed, its `run` counts the jobs of that seed which came before; no two have the same. Rejects with
   * CATALOG_UNAVAILABLE, and the job's id among the details, where nobody knows whether it is stored. Under an
   * idempotency key that is there already it is the job of that key, or CONFLICT where something else was asked for.
   */
  create(job: NewPublishJob): Promise<PublishJobRecord>
  /** The job that was asked for under the key; CONFLICT where something else was. */
  byKey(idempotency: Idempotency): Promise<PublishJobRecord | null>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<PublishJobRecord>
  /**
   * Throws NOT_FOUND, and CONFLICT when it has ended, may not go to that state, or another process has claimed it: the
   * database decides, in one statement.
   */
  update(id: string, changes: PublishJobChanges): Promise<PublishJobRecord>
  /**
   * Makes it this process's own to run, whoever ran it before: from here on no other process can change it. Null when
   * it has ended. Throws NOT_FOUND.
   */
  claim(id: string): Promise<PublishJobRecord | null>
  /** The same, only where no living process has claimed it; null when one has. */
  claimAbandoned(id: string): Promise<PublishJobRecord | null>
  /** Leaves it to whoever claims it next. */
  release(id: string): Promise<void>
  /** Asks whoever runs it, or claims it later, to end it. */
  requestCancel(id: string): Promise<void>
  /** QUEUED or RUNNING, oldest first. */
  unfinishedIds(): Promise<string[]>
  /** Of those QUEUED or RUNNING that no other process has claimed the oldest, at most so many. */
  unclaimedIds(most: number): Promise<string[]>
  /** The uploads of those QUEUED or RUNNING. */
  uploads(): Promise<string[]>
  countUnfinished(): Promise<number>
  /**
   * Forgets those that ended before, and counts them. Of those of a seed the last stays, from which the next one of that
   * seed counts on: its ids must be none that are there. Those with an idempotency key stay as long as that.
   */
  removeEndedBefore(date: Date): Promise<number>
  /** When a job last wrote to each table; null for the tables of flows. */
  lastChanges(): Promise<{ table: string | null; changedAt: Date }[]>
  /** The ids of those whose process is gone or has left them in the middle. None where there is one process only. */
  abandoned(): Promise<string[]>
}

const unfinished = { in: ['QUEUED', 'RUNNING'] } satisfies { in: JobStatus[] }

/** `owner` is what this process signs its jobs with; null where there can be no other. */
export function createPublishJobs(prisma: PrismaClient, owner: string | null): PublishJobs {
  async function create(id: string, job: NewPublishJob): Promise<PublishJob> {
    const data = { id, status: 'QUEUED' as const }
    if (job.kind === 'ROWS') return createRows(data, job)
    if (job.kind === 'ERASURE')
      return prisma.publishJob.create({ data: { ...data, ...job, payload: ownBytes(job.payload) } })
    const { seed } = job
    if (seed === null) return prisma.publishJob.create({ data: { ...data, ...job } })
    const last = await prisma.publishJob.aggregate({ where: { seed }, _max: { run: true } })
    return prisma.publishJob.create({ data: { ...data, ...job, run: (last._max.run ?? -1) + 1 } })
  }

  const findJob = (idempotency: Idempotency) =>
    findByKey(idempotency, {
      find: (where) => prisma.publishJob.findFirst({ where }),
      otherwise: (jobId) => ({
        what: `other rows already, those of publish job ${jobId}: send the rows that were sent with it then, or give these a key of their own`,
        details: { jobId },
      }),
    })

  async function createRows(
    data: { id: string; status: 'QUEUED' },
    { idempotency, ...job }: Extract<NewPublishJob, { kind: 'ROWS' }>,
  ): Promise<PublishJob> {
    if (idempotency !== undefined)
      await forgetOldKey(idempotency.key, (where) =>
        prisma.publishJob.updateMany({ where, data: { idempotencyKey: null } }),
      )
    try {
      return await prisma.publishJob.create({
        data: {
          ...data,
          ...job,
          payload: 'payload' in job ? ownBytes(job.payload) : null,
          ...(idempotency && {
            idempotencyKey: idempotency.key,
            requestSha256: ownBytes(idempotency.requestSha256),
          }),
        },
      })
    } catch (error) {
      const known = idempotency !== undefined && isUniqueViolation(error) ? await findJob(idempotency) : null
      if (known === null) throw error
      return known
    }
  }

  async function byId(id: string): Promise<PublishJob> {
    const job = await prisma.publishJob.findUnique({ where: { id } })
    if (job === null) throw new AppError('NOT_FOUND', `There is no publish job ${JSON.stringify(id)}`)
    return job
  }

  async function idsWhere(where: Prisma.PublishJobWhereInput, most?: number): Promise<string[]> {
    const jobs = await prisma.publishJob.findMany({
      where,
      ...(most !== undefined && { take: most }),
      orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
      // Their rows to be written may be more than this process can hold.
      select: { id: true },
    })
    return jobs.map(({ id }) => id)
  }

  /** Undefined when the job is not there, or not in a state that allows it. */
  async function change(id: string, changes: PublishJobChanges, isFirstRun: boolean) {
    const { payload, ...rest } = changes
    const [job] = await prisma.publishJob.updateManyAndReturn({
      where: {
        id,
        status: { in: statusesBefore(changes.status) },
        OR: [{ owner: null }, { owner }],
        ...(isFirstRun && { startedAt: null }),
      },
      data: {
        ...rest,
        ...(typeof changes.error === 'string' && { error: changes.error.replaceAll('\0', '') }),
        ...(typeof changes.waitingFor === 'string' && {
          waitingFor: changes.waitingFor.replaceAll('\0', ''),
        }),
        ...(payload !== undefined && { payload: payload === null ? null : ownBytes(payload) }),
        ...(isFirstRun && { startedAt: new Date() }),
        ...(changes.status !== undefined &&
          isEnded(changes.status) && {
            finishedAt: changes.finishedAt ?? new Date(),
            payload: null,
            upload: null,
            waitingFor: null,
          }),
      },
    })
    return job
  }

  return {
    async create(job) {
      const id = createId('job')
      try {
        return toRecord(await retryOnUniqueViolation(() => create(id, job)))
      } catch (error) {
        throw isDatabaseLost(error) ? lostWhileStored(id, error) : error
      }
    },

    async byKey(idempotency) {
      const job = await findJob(idempotency)
      return job && toRecord(job)
    },

    byId: async (id) => toRecord(await byId(id)),

    async update(id, changes) {
      const mayBeFirstRun = changes.status === 'RUNNING' && changes.startedAt === undefined
      const job =
        (mayBeFirstRun ? await change(id, changes, true) : undefined) ?? (await change(id, changes, false))
      if (job !== undefined) return toRecord(job)
      const present = await byId(id)
      if (isEnded(present.status) || present.owner === null || present.owner === owner) {
        throw refusal('publish job', id, present.status, changes.status)
      }
      throw new AppError('CONFLICT', `The publish job ${id} is run by another gateway by now`)
    },

    async claim(id) {
      const [job] = await prisma.publishJob.updateManyAndReturn({
        where: { id, status: unfinished },
        data: { owner },
      })
      if (job === undefined) await byId(id)
      return job === undefined ? null : toRecord(job)
    },

    async claimAbandoned(id) {
      if (owner !== null) {
        const claimed = await prisma.$executeRawUnsafe(
          `UPDATE "PublishJob" SET owner = $1 WHERE id = $2 AND status IN ('QUEUED', 'RUNNING')
            AND (owner IS NULL OR owner = $1 OR ${isGone('owner')})`,
          owner,
          id,
        )
        if (claimed === 0) return null
      }
      const job = await byId(id)
      return isEnded(job.status) ? null : toRecord(job)
    },

    async release(id) {
      await prisma.publishJob.updateMany({ where: { id, owner, status: unfinished }, data: { owner: null } })
    },

    async requestCancel(id) {
      await prisma.publishJob.updateMany({
        where: { id, status: unfinished },
        data: { cancelRequested: true },
      })
    },

    unfinishedIds: () => idsWhere({ status: unfinished }),

    unclaimedIds: (most) => idsWhere({ status: unfinished, OR: [{ owner: null }, { owner }] }, most),

    async uploads() {
      const where = { status: unfinished, upload: { not: null } }
      const jobs = await prisma.publishJob.findMany({ where, select: { upload: true } })
      return jobs.flatMap(({ upload }) => upload ?? [])
    },

    countUnfinished: () => prisma.publishJob.count({ where: { status: unfinished } }),

    removeEndedBefore: (date) =>
      prisma.$executeRaw`DELETE FROM "PublishJob" job WHERE status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')
        AND "finishedAt" < ${date} AND ${isKeyForgotten()} AND (kind <> 'FLOWS' OR EXISTS (
          SELECT FROM "PublishJob" later WHERE later.seed = job.seed AND later.run > job.run))`,

    async lastChanges() {
      const groups = await prisma.publishJob.groupBy({
        by: ['table'],
        where: { done: { gt: 0 }, kind: { not: 'ERASURE' } },
        _max: { startedAt: true, finishedAt: true },
      })
      return groups.flatMap(({ table, _max: { startedAt, finishedAt } }) => {
        const moments = [startedAt, finishedAt].flatMap((moment) => moment?.getTime() ?? [])
        return moments.length === 0 ? [] : [{ table, changedAt: new Date(Math.max(...moments)) }]
      })
    },

    async abandoned() {
      if (owner === null) return []
      const jobs = await prisma.$queryRawUnsafe<{ id: string }[]>(
        `SELECT id FROM "PublishJob" WHERE status IN ('QUEUED', 'RUNNING')
          AND CASE WHEN owner IS NULL THEN status = 'RUNNING' WHEN owner = $1 THEN false ELSE ${isGone('owner')} END`,
        owner,
      )
      return jobs.map(({ id }) => id)
    },
  }
}

function toRecord({ owner: _, ...job }: PublishJob): PublishJobRecord {
  return job
}

/** Prisma takes bytes only over a buffer that is not shared. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
