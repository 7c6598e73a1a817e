// A dataset as a file: its Parquet as it lies, or another format made from it while it is sent.

import { access } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { DatasetRecord } from '../catalog/datasets.ts'
import { createPool } from '../concurrency/pool.ts'
import { AppError } from '../errors.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import type { Column, Row } from '../values/columns.ts'
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

export interface Downloads {
  open(request: { dataset: DatasetRecord; path: string; format: DownloadFormat }): Download
  /** Ends those that are still being sent. */
  close(): void
}

export interface DownloadsOptions {
  parquet: ParquetEngine
  /** How many are made at once, since each holds a reader of the engine while it is sent; the others wait. */
  concurrency: number
  /** A client that takes nothing for so long is given up. */
  stallMs: number
}

export function createDownloads({ parquet, concurrency, stallMs }: DownloadsOptions): Downloads {
  const pool = createPool(concurrency)
  const open = new Set<Readable>()

  async function* batches(
    { dataset, path }: { dataset: DatasetRecord; path: string },
    signal: AbortSignal,
    onStall: () => void,
  ): AsyncGenerator<readonly Row[]> {
    const leave = await pool.enter(signal)
    try {
      for await (const rows of parquet.scan(path, { columns: dataset.columns, batchRows, signal })) {
        const timer = setTimeout(onStall, stallMs)
        try {
          yield rows
        } finally {
          clearTimeout(timer)
        }
      }
    } finally {
      leave()
    }
  }

  return {
    open({ dataset, path, format }) {
      const fileName = `${dataset.id}.${format}`
      if (format === 'parquet') return { path, contentType: 'application/vnd.apache.parquet', fileName }
      const { contentType, encode } = streamed[format]
      const controller = new AbortController()
      const onStall = () => stream.destroy(createStallError(dataset, stallMs))
      const rows = batches({ dataset, path }, controller.signal, onStall)
      const stream = Readable.from(encode(dataset.columns, rows), {
        objectMode: false,
        highWaterMark: 65_536,
      })
      // Whoever reads it hears of it; one that nobody reads must not end the process.
      stream.on('error', () => undefined)
      open.add(stream)
      stream.once('close', () => {
        open.delete(stream)
        controller.abort(new Error('The download has ended'))
      })
      return { stream, contentType, fileName }
    },
    close() {
      for (const stream of open) stream.destroy(new AppError('INTERNAL', 'The gateway stops.'))
    },
  }
}

function createStallError({ id }: DatasetRecord, stallMs: number): AppError {
  const message = `The download of dataset ${id} was given up: the client took nothing for ${stallMs / 1000} s.`
  return new AppError('TIMEOUT', message)
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
