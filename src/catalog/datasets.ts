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
  /**
   * Fails those that are QUEUED or RUNNING, left by a process that is gone, and counts them. Where the database has one
   * process only, that is all of them: call it before any is made.
   */
  failOrphans(message: string): Promise<number>
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

    async failOrphans(message) {
      const failed = `UPDATE "Dataset" SET status = 'FAILED', error = $1, "errorCode" = $2
        WHERE status IN ('QUEUED', 'RUNNING')`
      const code: ErrorCode = 'INTERNAL'
      if (owner === null) return prisma.$executeRawUnsafe(failed, message, code)
      const orphaned = `(owner IS NULL OR (owner <> $3 AND ${isGone('owner')}))`
      return prisma.$executeRawUnsafe(`${failed} AND ${orphaned}`, message, code, owner)
    },
  }
}

function toRecord({ owner: _, ...dataset }: Dataset): DatasetRecord {
  return { ...dataset, columns: parseColumns(dataset.columns) }
}
