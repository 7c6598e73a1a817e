// A dataset as a file: its Parquet as it lies, or another format made from it.

import { access } from 'node:fs/promises'
import type { DatasetRecord } from '../catalog/datasets.ts'
import { createLimiter } from '../concurrency/limiter.ts'
import { AppError } from '../errors.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import type { Column, Row } from '../values/columns.ts'
import { encodeCsv } from './formats/csv.ts'
import { createFormatFiles } from './formats/files.ts'
import { encodeNdjson } from './formats/ndjson.ts'

export const downloadFormats = ['parquet', 'arrow', 'csv', 'ndjson'] as const
export type DownloadFormat = (typeof downloadFormats)[number]

/** A file, whole: its length is known and a part of it can be taken. */
export interface Download {
  path: string
  contentType: string
  fileName: string
}

type Encoder = (
  columns: readonly Column[],
  batches: AsyncIterable<readonly Row[]>,
) => AsyncGenerator<string | Uint8Array>

export const contentTypes: Record<DownloadFormat, string> = {
  parquet: 'application/vnd.apache.parquet',
  arrow: 'application/vnd.apache.arrow.file',
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson',
}

const encoders: Record<Exclude<DownloadFormat, 'parquet'>, Encoder> = {
  // Arrow is large, and most gateways are never asked for it: a start does not wait for it.
  async *arrow(columns, batches) {
    const { encodeArrow } = await import('./formats/arrow.ts')
    yield* encodeArrow(columns, batches)
  },
  csv: encodeCsv,
  ndjson: encodeNdjson,
}

const batchRows = 2048

export interface Downloads {
  /** Rejects with the signal's reason when it aborts before the file is made. */
  open(request: {
    dataset: DatasetRecord
    path: string
    format: DownloadFormat
    signal: AbortSignal
  }): Promise<Download>
  /** Removes the dataset's files of other formats, and ends the making of them. */
  forget(datasetId: string): Promise<void>
  /** Ends the making of those that are still made. */
  close(): Promise<void>
}

export interface DownloadsOptions {
  parquet: ParquetEngine
  /** Where files of other formats are kept while they are asked for. */
  folder: string
  /** How many are made at once, since each holds a reader of the engine; the others wait. */
  concurrency: number
}

export function createDownloads({ parquet, folder, concurrency }: DownloadsOptions): Downloads {
  const limiter = createLimiter(concurrency)
  const files = createFormatFiles(folder)

  async function* batches(
    { dataset, path }: { dataset: DatasetRecord; path: string },
    signal: AbortSignal,
  ): AsyncGenerator<readonly Row[]> {
    const leave = await limiter.enter(signal)
    try {
      yield* parquet.scan(path, { columns: dataset.columns, batchRows, signal })
    } finally {
      leave()
    }
  }

  return {
    async open({ dataset, path, format, signal }) {
      const fileName = `${dataset.id}.${format}`
      const contentType = contentTypes[format]
      if (format === 'parquet') return { path, contentType, fileName }
      const encode = encoders[format]
      const file = await files.get({
        name: fileName,
        make: (made) => encode(dataset.columns, batches({ dataset, path }, made)),
        source: path,
        signal,
      })
      return { path: file, contentType, fileName }
    },
    async forget(datasetId) {
      for (const format of downloadFormats) await files.remove(`${datasetId}.${format}`)
    },
    close: files.close,
  }
}

/** Rejects when the dataset is not there to be read, and says why. */
export async function assertReadable(dataset: DatasetRecord, path: string): Promise<void> {
  if (dataset.status !== 'SUCCEEDED') {
    const reason = dataset.error === null ? '' : ` (${dataset.error})`
    const message = `Dataset ${dataset.id} is ${dataset.status}${reason}; its rows can be read once it is SUCCEEDED.`
    throw new AppError('CONFLICT', message, { details: { status: dataset.status } })
  }
  try {
    await access(path)
  } catch (cause) {
    const message = `The file of dataset ${dataset.id} is not in this gateway's folder of datasets: it was removed, or another gateway made it. Give all gateways one shared folder (DATASETS_DIR), or run the query again.`
    throw new AppError('NOT_FOUND', message, { cause })
  }
}
