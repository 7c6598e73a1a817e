// A dataset as a file: its Parquet as it lies, or another format made from it while it is sent.

import { access } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { DatasetRecord } from '../catalog/datasets.ts'
import type { Column, Row } from '../columns.ts'
import { AppError } from '../errors.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import { encodeArrow } from './formats/arrow.ts'
import { encodeCsv } from './formats/csv.ts'
import { encodeNdjson } from './formats/ndjson.ts'

export const downloadFormats = ['parquet', 'arrow', 'csv', 'ndjson'] as const
export type DownloadFormat = (typeof downloadFormats)[number]

export type Download = { contentType: string; fileName: string } & (
  | { /** A file, which answers range requests. */ path: string }
  | { /** Destroying it stops the work. */ stream: Readable }
)

type Encoder = (
  columns: readonly Column[],
  batches: AsyncIterable<readonly Row[]>,
) => AsyncGenerator<string | Uint8Array>

const streamed: Record<Exclude<DownloadFormat, 'parquet'>, { contentType: string; encode: Encoder }> = {
  arrow: { contentType: 'application/vnd.apache.arrow.file', encode: encodeArrow },
  csv: { contentType: 'text/csv; charset=utf-8; header=present', encode: encodeCsv },
  ndjson: { contentType: 'application/x-ndjson', encode: encodeNdjson },
}

const batchRows = 2048

export function openDownload(
  parquet: ParquetEngine,
  { dataset, path, format }: { dataset: DatasetRecord; path: string; format: DownloadFormat },
): Download {
  const fileName = `${dataset.id}.${format}`
  if (format === 'parquet') return { path, contentType: 'application/vnd.apache.parquet', fileName }
  const { contentType, encode } = streamed[format]
  const controller = new AbortController()
  const { signal } = controller
  const batches = parquet.scan(path, { columns: dataset.columns, batchRows, signal })
  const stream = Readable.from(encode(dataset.columns, batches), {
    objectMode: false,
    highWaterMark: 1 << 16,
  })
  stream.once('close', () => controller.abort(new Error('The download has ended')))
  return { stream, contentType, fileName }
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
    const message = `The file of dataset ${dataset.id} is no longer on the gateway's disk; run the query again.`
    throw new AppError('NOT_FOUND', message, { cause })
  }
}
