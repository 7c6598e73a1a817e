// Datasets: the results of training queries and extractions, and how far each has come.

import type { Column } from '../columns.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import { parseColumns, toColumnsJson } from './columns-json.ts'
import type { Dataset, PrismaClient } from './generated/client.ts'
import { createId } from './ids.ts'
import { refusal, statusesBefore } from './job-states.ts'
import { isGone } from './presence.ts'
import { checkText } from './violations.ts'

export interface DatasetRecord extends Omit<Dataset, 'columns' | 'owner'> {
  columns: Column[]
}

export interface NewDataset {
  queryId: string | null
  etlId: string | null
  sql: string
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
  /** QUEUED. */
  create(dataset: NewDataset): Promise<DatasetRecord>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<DatasetRecord>
  /** Throws NOT_FOUND, and CONFLICT when it has ended or may not go to that state: the database decides, in one statement. */
  update(id: string, changes: DatasetChanges): Promise<DatasetRecord>
  /** Asks the process that makes it to stop; false when it has ended. */
  requestCancel(id: string): Promise<boolean>
  /** Of these ids, those that are QUEUED or RUNNING. */
  unfinishedOf(ids: readonly string[]): Promise<ReadonlySet<string>>
  /**
   * Fails those that are QUEUED or RUNNING, left by a process that is gone, and counts them. Where the database has one
   * process only, that is all of them: call it before any is made.
   */
  failOrphans(message: string): Promise<number>
  /** The ids of those left unfinished by a process that is gone. None where there is one process only. */
  orphans(): Promise<string[]>
  /** Fails one, if its process is gone still. */
  failOrphan(id: string, message: string): Promise<boolean>
}

const failed = `UPDATE "Dataset" SET status = 'FAILED', error = $1, "errorCode" = $2
  WHERE status IN ('QUEUED', 'RUNNING')`
const failedCode: ErrorCode = 'INTERNAL'

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

  return {
    async create(dataset) {
      checkText('The SQL', dataset.sql)
      return toRecord(
        await prisma.dataset.create({ data: { id: createId('dst'), status: 'QUEUED', owner, ...dataset } }),
      )
    },

    byId,

    async update(id, { columns, ...changes }) {
      const [dataset] = await prisma.dataset.updateManyAndReturn({
        where: { id, status: { in: statusesBefore(changes.status) } },
        data: {
          ...changes,
          ...(columns !== undefined && { columns: toColumnsJson(columns) }),
          ...(typeof changes.error === 'string' && { error: changes.error.replaceAll('\0', '') }),
        },
      })
      if (dataset === undefined) throw refusal('dataset', id, (await byId(id)).status, changes.status)
      return toRecord(dataset)
    },

    async requestCancel(id) {
      const { count } = await prisma.dataset.updateMany({
        where: { id, status: { in: ['QUEUED', 'RUNNING'] } },
        data: { cancelRequested: true },
      })
      return count > 0
    },

    async unfinishedOf(ids) {
      const found = await prisma.dataset.findMany({
        where: { id: { in: [...ids] }, status: { in: ['QUEUED', 'RUNNING'] } },
        select: { id: true },
      })
      return new Set(found.map(({ id }) => id))
    },

    async failOrphans(message) {
      if (owner === null) return prisma.$executeRawUnsafe(failed, message, failedCode)
      return prisma.$executeRawUnsafe(`${failed} AND ${orphaned('$3')}`, message, failedCode, owner)
    },

    async orphans() {
      if (owner === null) return []
      const found = await prisma.$queryRawUnsafe<{ id: string }[]>(
        `SELECT id FROM "Dataset" WHERE status IN ('QUEUED', 'RUNNING') AND ${orphaned('$1')}`,
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
