// Publish jobs: durable work on the warehouse, and how far each has come.

import { AppError } from '../errors.ts'
import type { PrismaClient, PublishJob } from './generated/client.ts'
import { createId } from './ids.ts'
import { isEnded, type JobStatus, refusal, statusesBefore } from './job-states.ts'
import { retryOnUniqueViolation } from './violations.ts'

export type { JobStatus }
export type PublishJobRecord = PublishJob

export type NewPublishJob =
  | { kind: 'FLOWS'; total: number; seed: number | null }
  | { kind: 'ROWS'; total: number; table: string; payload: Uint8Array }

export interface PublishJobChanges {
  status?: JobStatus
  done?: number
  error?: string | null
  /** Set on the first RUNNING when it is left out. */
  startedAt?: Date | null
  /** Set on the end when it is left out. */
  finishedAt?: Date | null
  /** Dropped on the end in any case. */
  payload?: Uint8Array | null
}

export interface PublishJobs {
  /** QUEUED. With a seed, its `run` counts the jobs of that seed which came before; no two have the same. */
  create(job: NewPublishJob): Promise<PublishJobRecord>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<PublishJobRecord>
  /** Throws NOT_FOUND, and CONFLICT when it has ended or may not go to that state: the database decides, in one statement. */
  update(id: string, changes: PublishJobChanges): Promise<PublishJobRecord>
  /** QUEUED or RUNNING, oldest first. */
  unfinished(): Promise<PublishJobRecord[]>
}

export function createPublishJobs(prisma: PrismaClient): PublishJobs {
  async function create(job: NewPublishJob): Promise<PublishJobRecord> {
    const data = { id: createId('job'), status: 'QUEUED' as const }
    if (job.kind === 'ROWS') {
      return prisma.publishJob.create({ data: { ...data, ...job, payload: ownBytes(job.payload) } })
    }
    const { seed } = job
    if (seed === null) return prisma.publishJob.create({ data: { ...data, ...job } })
    const last = await prisma.publishJob.aggregate({ where: { seed }, _max: { run: true } })
    return prisma.publishJob.create({ data: { ...data, ...job, run: (last._max.run ?? -1) + 1 } })
  }

  async function byId(id: string): Promise<PublishJobRecord> {
    const job = await prisma.publishJob.findUnique({ where: { id } })
    if (job === null) throw new AppError('NOT_FOUND', `There is no publish job ${JSON.stringify(id)}`)
    return job
  }

  /** Undefined when the job is not there, or not in a state that allows it. */
  async function change(id: string, changes: PublishJobChanges, isFirstRun: boolean) {
    const { payload, ...rest } = changes
    const [job] = await prisma.publishJob.updateManyAndReturn({
      where: { id, status: { in: statusesBefore(changes.status) }, ...(isFirstRun && { startedAt: null }) },
      data: {
        ...rest,
        ...(typeof changes.error === 'string' && { error: changes.error.replaceAll('\0', '') }),
        ...(payload !== undefined && { payload: payload === null ? null : ownBytes(payload) }),
        ...(isFirstRun && { startedAt: new Date() }),
        ...(changes.status !== undefined &&
          isEnded(changes.status) && { finishedAt: changes.finishedAt ?? new Date(), payload: null }),
      },
    })
    return job
  }

  return {
    create: (job) => retryOnUniqueViolation(() => create(job)),

    byId,

    async update(id, changes) {
      const mayBeFirstRun = changes.status === 'RUNNING' && changes.startedAt === undefined
      const job =
        (mayBeFirstRun ? await change(id, changes, true) : undefined) ?? (await change(id, changes, false))
      if (job === undefined) throw refusal('publish job', id, (await byId(id)).status, changes.status)
      return job
    },

    unfinished() {
      return prisma.publishJob.findMany({
        where: { status: { in: ['QUEUED', 'RUNNING'] } },
        orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
      })
    },
  }
}

/** Prisma takes bytes only over a buffer that is not shared. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
