// Datasets that are kept no longer: by their age, and the oldest first where they take more of the disk than they may.

import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Catalog } from '../catalog/open.ts'
import { type Repetition, repeat } from '../concurrency/repeat.ts'

export interface Retention {
  /** Null keeps datasets however old. */
  maxAgeMs: number | null
  /** Of the files in this gateway's folder, together; null sets no limit. */
  maxBytes: number | null
}

export interface RetentionOptions extends Retention {
  catalog: Pick<Catalog, 'datasets'>
  datasetsFolder: string
  log: Logger
}

const lookEveryMs = 600_000
const idsAtOnce = 500
const fileName = /^(dst_[A-Za-z0-9_-]+)\.parquet$/

/** The dataset that a file of the folder is, whole. */
export function datasetIn(name: string): string | undefined {
  return fileName.exec(name)?.[1]
}

/** Removes what may go, and counts the datasets. A file goes before its entry: cut short, the next run finds the entry. */
export async function removeOldDatasets(options: RetentionOptions, nowMs = Date.now()): Promise<number> {
  const tooOld = await removeByAge(options, nowMs)
  return tooOld + (await removeBySize(options))
}

async function removeByAge({ catalog, datasetsFolder, maxAgeMs }: RetentionOptions, nowMs: number) {
  if (maxAgeMs === null) return 0
  const before = new Date(nowMs - maxAgeMs)
  let removed = 0
  for (;;) {
    const ids = await catalog.datasets.endedBefore(before, idsAtOnce)
    await removeFiles(datasetsFolder, ids)
    removed += await catalog.datasets.remove(ids)
    if (ids.length < idsAtOnce) break
  }
  // Another gateway removes the entries of its own time too, and not the files in this one's folder.
  const files = (await filesOf(datasetsFolder)).filter(({ modifiedMs }) => modifiedMs < before.getTime())
  for (let i = 0; i < files.length; i += idsAtOnce) {
    const ids = files.slice(i, i + idsAtOnce).map(({ id }) => id)
    const known = await catalog.datasets.present(ids)
    await removeFiles(
      datasetsFolder,
      ids.filter((id) => !known.has(id)),
    )
  }
  return removed
}

async function removeBySize({ catalog, datasetsFolder, maxBytes }: RetentionOptions) {
  if (maxBytes === null) return 0
  const files = (await filesOf(datasetsFolder)).sort((a, b) => a.modifiedMs - b.modifiedMs)
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const ids: string[] = []
  // The newest stays, however large: who has just asked for it will read it.
  for (const file of files.slice(0, -1)) {
    if (bytes <= maxBytes) break
    bytes -= file.bytes
    ids.push(file.id)
  }
  await removeFiles(datasetsFolder, ids)
  return catalog.datasets.remove(ids)
}

async function filesOf(folder: string) {
  const files: { id: string; bytes: number; modifiedMs: number }[] = []
  for (const name of await readdir(folder)) {
    const id = datasetIn(name)
    const found = id === undefined ? null : await stat(join(folder, name)).catch(() => null)
    if (id !== undefined && found !== null) files.push({ id, bytes: found.size, modifiedMs: found.mtimeMs })
  }
  return files
}

export async function removeFiles(folder: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) await rm(join(folder, `${id}.parquet`), { force: true })
}

export function keepRetention(options: RetentionOptions & { catchUp(): Promise<void> }): Repetition {
  const { log } = options
  return repeat({
    everyMs: lookEveryMs,
    failure: 'Datasets that are kept no longer could not be removed',
    log,
    async turn() {
      await options.catchUp()
      const datasets = await removeOldDatasets(options)
      if (datasets > 0) log.info({ datasets }, 'Datasets that are kept no longer were removed')
    },
  })
}
