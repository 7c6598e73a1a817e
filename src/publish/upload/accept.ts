// An upload on its way to a job: received, checked as a whole against its table, and stored with the job that is to write it.

import type { Readable } from 'node:stream'
import { checkKey } from '../../catalog/idempotency-keys.ts'
import type { Catalog } from '../../catalog/open.ts'
import type { PublishJobRecord } from '../../catalog/publish-jobs.ts'
import { AppError } from '../../errors.ts'
import type { TableFiles, Warehouse, WarehouseTable } from '../../warehouse/port.ts'
import { rowsTableName } from '../../warehouse/rows-table.ts'
import { assertTaken, findIngestTable } from '../ingest.ts'
import { formatOf } from './formats.ts'
import type { Upload, Uploads } from './uploads.ts'

export interface UploadRequest {
  table: string
  body: Readable
  contentType: string | undefined
  contentLength?: string | undefined
  idempotencyKey?: string | undefined
  /** Its client has left. */
  signal: AbortSignal
}

export function createAcceptance(options: {
  catalog: Pick<Catalog, 'publishJobs'>
  warehouse: Pick<Warehouse, 'findMisfit' | 'tables'>
  uploads: Uploads
  /** Rejects when there is no room for another job. */
  assertRoom: () => Promise<void>
}) {
  const { catalog, warehouse, uploads, assertRoom } = options

  /** Asks the engine about the values that it alone can judge. */
  async function assertJudged(files: TableFiles, table: WarehouseTable, signal: AbortSignal): Promise<void> {
    const judged = files.columns.filter(({ name }) => table.intake?.judged.includes(name))
    if (judged.length === 0) return
    const columns = judged.map(({ name }) => name)
    let row = 0
    for await (const rows of uploads.rows(files, judged)) {
      signal.throwIfAborted()
      const places = rows.map((_, i) => row + i)
      const parts = [{ table: files.table, columns, rows, places }]
      await assertTaken(warehouse, table, { count: files.rowCount, parts })
      row += rows.length
    }
  }

  async function store(
    upload: Upload,
    { table, key, signal }: { table: WarehouseTable; key: string | undefined; signal: AbortSignal },
  ): Promise<PublishJobRecord> {
    const idempotency = key === undefined ? undefined : { key, requestSha256: upload.sha256 }
    const known = idempotency && (await catalog.publishJobs.byKey(idempotency))
    if (known) return known
    const { parts } = await uploads.prepare(upload, table, signal)
    const name = rowsTableName(table)
    for (const files of await uploads.files(upload.name, name)) await assertJudged(files, table, signal)
    const total = parts.reduce((sum, part) => sum + part.rowCount, 0)
    return catalog.publishJobs.create({ kind: 'ROWS', total, table: name, upload: upload.name, idempotency })
  }

  return async function accept(request: UploadRequest): Promise<PublishJobRecord> {
    const format = formatOf(request.contentType)
    const key = request.idempotencyKey === undefined ? undefined : checkKey(request.idempotencyKey)
    const table = findIngestTable(await warehouse.tables(), request.table)
    await assertRoom()
    const upload = await uploads.receive(request.body, {
      format,
      table: rowsTableName(table),
      length: Number(request.contentLength),
    })
    try {
      const job = await store(upload, { table, key, signal: request.signal })
      if (job.upload !== upload.name) await uploads.remove(upload.name)
      return job
    } catch (error) {
      if (!mayBeStored(error)) await uploads.remove(upload.name)
      throw error
    }
  }
}

/** Where the catalog was lost meanwhile, the job may be there, and needs its rows. */
function mayBeStored(error: unknown): boolean {
  return error instanceof AppError && error.code === 'CATALOG_UNAVAILABLE'
}
