// What a caller of training may ask for at most, wherever the call comes from.

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors.ts'

/** How long a call that starts a dataset, or other long work, may wait for its end; and does unless it says so. */
export const maxWaitMs = 600_000
export const usualWaitMs = 30_000
/** Rows in one page of a dataset. */
export const maxPage = 10_000

export interface TrainLimits {
  rows: number
  /** Of the dataset's file, and of each that comes in between. */
  megabytes: number
}

const watchMs = 250

/** Throws TOO_LARGE. */
export function refuseManyRows(count: bigint, { rows }: TrainLimits): void {
  if (count <= BigInt(rows)) return
  const message = `The dataset has ${count} rows; at most ${rows} are kept (TRAIN_MAX_ROWS). Ask for fewer, or raise the limit.`
  throw new AppError('TOO_LARGE', message, { details: { most: rows } })
}

/** Looks at the files in these folders while they grow, and tells once of one that is too large. Returns what ends it. */
export function watchSize(
  folders: readonly string[],
  { megabytes }: TrainLimits,
  onTooLarge: (error: AppError) => void,
): () => void {
  const message = `The dataset grew beyond ${megabytes} MB (TRAIN_MAX_MB); nothing of it was kept. Ask for less, or raise the limit.`
  let isLooking = false
  const timer = setInterval(async () => {
    if (isLooking) return
    isLooking = true
    const sizes = await Promise.all(folders.map((folder) => largestFile(folder)))
    isLooking = false
    if (Math.max(...sizes) <= megabytes * 1_000_000) return
    clearInterval(timer)
    onTooLarge(new AppError('TOO_LARGE', message, { details: { maxMegabytes: megabytes } }))
  }, watchMs)
  return () => clearInterval(timer)
}

/** In bytes; 0 when there is none. */
async function largestFile(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  return Math.max(0, ...(await Promise.all(sizes)))
}
