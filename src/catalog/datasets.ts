// Datasets: the results of training queries and extractions, and how far each has come.

import { AppError, type ErrorCode } from '../errors.ts'
import type { Column } from '../values/columns.ts'
import { parseColumns, toColumnsJson } from './columns-json.ts'
import { isGone } from './database/presence.ts'
import { checkText, isUniqueViolation } from './database/violations.ts'
import { type Dataset, Prisma, type PrismaClient } from './generated/client.ts'
import { findByKey, forgetOldKey, type Idempotency } from './idempotency-keys.ts'
import { createId } from './ids.ts'
import { isEnded, jobStatuses, refusal, statusesBefore } from './job-states.ts'

export interface DatasetRecord extends Omit<Dataset, 'columns' | 'owner'> {
  columns: Column[]
}

export interface NewDataset {
  id?: string
  queryId: string | null
  etlId: string | null
  sql: string
  /** What whoever makes it in this one's place has to know of an ETL that is not in the catalog. */
  unsavedEtl?: Prisma.InputJsonObject
  /** Of a training set all that it is made of. */
  trainingSet?: Prisma.InputJsonObject
  /** The moment that stands for as_of(), in microseconds since 1970, UTC. */
  asOf?: bigint | null
  idempotency?: Idempotency | undefined
}

export interface DatasetChanges {
  status?: DatasetRecord['status']
  columns?: readonly Column[]
  rowCount?: bigint | null
  /** From 0 to 1 while it runs. */
  progress?: number | null
  elapsedMs?: number | null
  error?: string | null
  errorCode?: ErrorCode | null
}

export interface Datasets {
  /** QUEUED. Under an idempotency key that is there already it is the dataset of that key, or CONFLICT where something else was asked for. */
  create(dataset: NewDataset): Promise<DatasetRecord>
  /** The dataset that was asked for under the key; CONFLICT where something else was. */
  byKey(idempotency: Idempotency): Promise<DatasetRecord | null>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<DatasetRecord>
  /**
   * Throws NOT_FOUND, and CONFLICT when it has ended, may not go to that state, or is made by another process by now, or
   * by this one anew, with more `takeovers` than are told: the database decides, in one statement.
   */
  update(id: string, changes: DatasetChanges, takeovers?: number): Promise<DatasetRecord>
  /** Whether it is unfinished still and this process's to make, after so many takeovers. */
  isOwn(made: Pick<DatasetRecord, 'id' | 'takeovers'>): Promise<boolean>
  /** Asks the process that makes it to stop; false when it has ended. */
  requestCancel(id: string): Promise<boolean>
  /** Leaves one of this process to whoever takes it next, as QUEUED; null when it has ended meanwhile, or was taken over as for `update`. */
  handBack(id: string, takeovers?: number): Promise<DatasetRecord | null>
  /** The oldest that was handed back, from here on this process's to make; null where there is none. */
  takeHandedBack(): Promise<DatasetRecord | null>
  /** Those QUEUED that are this process's and were made before; it has heard of each, or never will. */
  queuedHere(before: Date): Promise<string[]>
  /** The oldest that have ended, of those made before. */
  endedBefore(date: Date, limit: number): Promise<string[]>
  /** Those that have SUCCEEDED, by their ids, from behind one. */
  succeededAfter(id: string | null, limit: number): Promise<DatasetRecord[]>
  /** Of these ids, those that the catalog has. */
  present(ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Forgets those that have ended, and counts them. */
  remove(ids: readonly string[]): Promise<number>
  /** What an ETL said while it made the dataset, line by line; none where it said nothing. */
  log(id: string): Promise<readonly string[]>
  /** Of one that is not this process's to make any more nothing is kept. */
  saveLog(made: Pick<DatasetRecord, 'id' | 'takeovers'>, lines: readonly string[]): Promise<void>
  /** Forgets one and remembers that it was deleted. Throws NOT_FOUND, and CONFLICT while it has not ended. */
  delete(id: string): Promise<void>
  /** Of these ids, those that somebody deleted. */
  deletedOf(ids: readonly string[]): Promise<string[]>
  /** Forgets that datasets were deleted before. */
  forgetDeleted(before: Date): Promise<void>
  /** Of these ids, those that are QUEUED or RUNNING. */
  unfinishedOf(ids: readonly string[]): Promise<ReadonlySet<string>>
  /**
   * Leaves training sets of a process that was killed, all or one, to whoever takes them next, as QUEUED, and counts them;
   * those that were left so before stay for `failOrphans`.
   */
  leaveOrphans(id?: string): Promise<number>
  /**
   * Fails those that are QUEUED or RUNNING, left by a process that was killed, and counts them. Where the database has one
   * process only, that is all of them: call it before any is made.
   */
  failOrphans(message: string): Promise<number>
  /** The ids of those left unfinished by a process that is gone. None where there is one process only. */
  orphans(): Promise<string[]>
  /** Fails one, if its process is gone still. */
  failOrphan(id: string, message: string): Promise<boolean>
}

const unfinished = `status IN ('QUEUED', 'RUNNING') AND NOT "handedBack"`
const failed = `UPDATE "Dataset" SET status = 'FAILED', error = $1, "errorCode" = $2 WHERE ${unfinished}`
const failedCode: ErrorCode = 'INTERNAL'
/** What ends every process that makes it is not made for ever. */
const mostTakeovers = 2
const left = `UPDATE "Dataset" SET status = 'QUEUED', owner = NULL, "handedBack" = true, progress = NULL, takeovers = takeovers + 1
  WHERE ${unfinished} AND "trainingSet" IS NOT NULL AND NOT "cancelRequested" AND takeovers < ${mostTakeovers}`

const ended = jobStatuses.filter(isEnded)

/** SQL that is true of what no living process makes; `own` is the parameter that names this one. */
function orphaned(own: string): string {
  return `CASE WHEN owner IS NULL THEN true WHEN owner = ${own} THEN false ELSE ${isGone('owner')} END`
}

export function createDatasets(prisma: PrismaClient, owner: string | null): Datasets {
  async function byId(id: string): Promise<DatasetRecord> {
    const dataset = await prisma.dataset.findUnique({ where: { id } })
    if (dataset === null) throw new AppError('NOT_FOUND', `There is no dataset ${JSON.stringify(id)}`)
    return toRecord(dataset)
  }

  async function byKey(idempotency: Idempotency): Promise<DatasetRecord | null> {
    const found = await findByKey(idempotency, {
      find: (where) => prisma.dataset.findFirst({ where }),
      otherwise: (datasetId) => ({
        what: `another request already, that of dataset ${datasetId}: ask for the same again, or give this one a key of its own`,
        details: { datasetId },
      }),
    })
    return found && toRecord(found)
  }

  /** What a process that was taken for gone, and was not, can change no more: what others make, and what it makes anew itself. */
  function ownAfter(takeovers: number | undefined) {
    return { owner, handedBack: false, ...(takeovers !== undefined && { takeovers }) }
  }

  async function isOwn({ id, takeovers }: Pick<DatasetRecord, 'id' | 'takeovers'>): Promise<boolean> {
    const where = { id, status: { in: statusesBefore(undefined) }, ...ownAfter(takeovers) }
    return (await prisma.dataset.count({ where })) > 0
  }

  return {
    async create({ idempotency, ...dataset }) {
      checkText('The SQL', dataset.sql)
      const data = { id: createId('dst'), status: 'QUEUED', owner, ...dataset } as const
      if (idempotency === undefined) return toRecord(await prisma.dataset.create({ data }))
      const { key: idempotencyKey, requestSha256 } = idempotency
      await forgetOldKey(idempotencyKey, (where) =>
        prisma.dataset.updateMany({ where, data: { idempotencyKey: null } }),
      )
      try {
        const named = { ...data, idempotencyKey, requestSha256: new Uint8Array(requestSha256) }
        return toRecord(await prisma.dataset.create({ data: named }))
      } catch (error) {
        const known = isUniqueViolation(error) ? await byKey(idempotency) : null
        if (known === null) throw error
        return known
      }
    },

    byKey,

    byId,

    async update(id, { columns, ...changes }, takeovers) {
      const [dataset] = await prisma.dataset.updateManyAndReturn({
        where: { id, status: { in: statusesBefore(changes.status) }, ...ownAfter(takeovers) },
        data: {
          ...changes,
          ...(columns !== undefined && { columns: toColumnsJson(columns) }),
          ...(typeof changes.error === 'string' && { error: changes.error.replaceAll('\0', '') }),
          ...(changes.status !== undefined && isEnded(changes.status) && { unsavedEtl: Prisma.DbNull }),
        },
      })
      if (dataset !== undefined) return toRecord(dataset)
      const { status } = await byId(id)
      if (!statusesBefore(changes.status).includes(status))
        throw refusal('dataset', id, status, changes.status)
      throw new AppError('CONFLICT', `The dataset ${id} is made by another gateway by now`)
    },

    isOwn,

    async requestCancel(id) {
      const { count } = await prisma.dataset.updateMany({
        where: { id, status: { in: ['QUEUED', 'RUNNING'] } },
        data: { cancelRequested: true },
      })
      return count > 0
    },

    async handBack(id, takeovers) {
      const [dataset] = await prisma.dataset.updateManyAndReturn({
        where: { id, status: { in: ['QUEUED', 'RUNNING'] }, ...ownAfter(takeovers) },
        data: { status: 'QUEUED', owner: null, handedBack: true, progress: null },
      })
      return dataset === undefined ? null : toRecord(dataset)
    },

    async takeHandedBack() {
      const free = { status: 'QUEUED', handedBack: true } as const
      for (;;) {
        const oldest = [{ createdAt: 'asc' }, { id: 'asc' }] as const
        const found = await prisma.dataset.findFirst({
          where: free,
          orderBy: [...oldest],
          select: { id: true },
        })
        if (found === null) return null
        // In one statement, so that of two that ask at once one gets it, and whoever gets it knows all of it.
        const [taken] = await prisma.dataset.updateManyAndReturn({
          where: { id: found.id, ...free },
          data: { owner, handedBack: false },
        })
        if (taken !== undefined) return toRecord(taken)
      }
    },

    async queuedHere(before) {
      const found = await prisma.dataset.findMany({
        where: { owner, status: 'QUEUED', handedBack: false, createdAt: { lt: before } },
        select: { id: true },
      })
      return found.map(({ id }) => id)
    },

    async endedBefore(date, limit) {
      const found = await prisma.dataset.findMany({
        where: { createdAt: { lt: date }, status: { in: ended } },
        orderBy: { createdAt: 'asc' },
        take: limit,
        select: { id: true },
      })
      return found.map(({ id }) => id)
    },

    async succeededAfter(id, limit) {
      const found = await prisma.dataset.findMany({
        where: { status: 'SUCCEEDED', ...(id !== null && { id: { gt: id } }) },
        orderBy: { id: 'asc' },
        take: limit,
      })
      return found.map(toRecord)
    },

    async present(ids) {
      const found = await prisma.dataset.findMany({ where: { id: { in: [...ids] } }, select: { id: true } })
      return new Set(found.map(({ id }) => id))
    },

    async remove(ids) {
      const { count } = await prisma.dataset.deleteMany({
        where: { id: { in: [...ids] }, status: { in: ended } },
      })
      return count
    },

    async log(id) {
      return (await prisma.datasetLog.findUnique({ where: { datasetId: id } }))?.lines ?? []
    },

    async saveLog(made, said) {
      if (!(await isOwn(made))) return
      const { id: datasetId } = made
      const lines = said.map((line) => line.replaceAll('\0', '\\0'))
      await prisma.datasetLog.upsert({
        where: { datasetId },
        create: { datasetId, lines },
        update: { lines },
      })
    },

    async delete(id) {
      const deleted = await prisma.$executeRaw`
        WITH deleted AS (DELETE FROM "Dataset" WHERE id = ${id} AND status::text = ANY (${ended}) RETURNING id)
        INSERT INTO "DeletedDataset" (id) SELECT id FROM deleted ON CONFLICT DO NOTHING`
      if (deleted > 0) return
      const { status } = await byId(id)
      const message = `The dataset ${id} is ${status}, so it is used by the run that makes it: cancel it (cancelJob) or wait for its end, then delete it.`
      throw new AppError('CONFLICT', message, { details: { status } })
    },

    async deletedOf(ids) {
      const where = { id: { in: [...ids] } }
      return (await prisma.deletedDataset.findMany({ where, select: { id: true } })).map(({ id }) => id)
    },

    async forgetDeleted(before) {
      await prisma.deletedDataset.deleteMany({ where: { deletedAt: { lt: before } } })
    },

    async unfinishedOf(ids) {
      const found = await prisma.dataset.findMany({
        where: { id: { in: [...ids] }, status: { in: ['QUEUED', 'RUNNING'] } },
        select: { id: true },
      })
      return new Set(found.map(({ id }) => id))
    },

    async leaveOrphans(id) {
      if (owner === null) return id === undefined ? prisma.$executeRawUnsafe(left) : 0
      const gone = `${left} AND ${orphaned('$1')}`
      return id === undefined
        ? prisma.$executeRawUnsafe(gone, owner)
        : prisma.$executeRawUnsafe(`${gone} AND id = $2`, owner, id)
    },

    async failOrphans(message) {
      if (owner === null) return prisma.$executeRawUnsafe(failed, message, failedCode)
      return prisma.$executeRawUnsafe(`${failed} AND ${orphaned('$3')}`, message, failedCode, owner)
    },

    async orphans() {
      if (owner === null) return []
      const found = await prisma.$queryRawUnsafe<{ id: string }[]>(
        `SELECT id FROM "Dataset" WHERE ${unfinished} AND ${orphaned('$1')}`,
        owner,
      )
      return found.map(({ id }) => id)
    },

    async failOrphan(id, message) {
      if (owner === null) return false
      const sql = `${failed} AND ${orphaned('$3')} AND id = $4`
      return (await prisma.$executeRawUnsafe(sql, message, failedCode, owner, id)) > 0
    },
  }
}

function toRecord({ owner: _, ...dataset }: Dataset): DatasetRecord {
  return { ...dataset, columns: parseColumns(dataset.columns) }
}
