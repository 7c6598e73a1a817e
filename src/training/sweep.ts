// What a killed process left behind: datasets that nobody makes any more, and files of datasets that never came to be.

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Catalog } from '../catalog/open.ts'

export const leftBehind = 'The gateway stopped while this dataset was made; run it again.'
const idPattern = /dst_[A-Za-z0-9_-]+/
const idsAtOnce = 1000

/** Fails the datasets first, but for training sets, which are made again, then removes their files. A file of a dataset that the catalog does not know stays. */
export async function sweep({
  catalog,
  datasetsFolder,
  temporaryFolder,
  log,
}: {
  catalog: Catalog
  datasetsFolder: string
  temporaryFolder: string
  log: Logger
}): Promise<void> {
  const left = await catalog.datasets.leaveOrphans()
  if (left > 0) log.warn({ datasets: left }, 'Training sets that an earlier process left unfinished are made')
  const failed = await catalog.datasets.failOrphans(leftBehind)
  if (failed > 0)
    log.warn({ datasets: failed }, 'Datasets that an earlier process left unfinished were failed')
  for (const name of await readdir(temporaryFolder).catch(() => [])) {
    if (idPattern.test(name)) await remove(join(temporaryFolder, name))
  }
  const names = await readdir(datasetsFolder).catch(() => [])
  const whole = names.filter((name) => /^dst_[A-Za-z0-9_-]+\.parquet$/.test(name))
  const parts = names.filter((name) => idPattern.test(name) && !whole.includes(name))
  for (let i = 0; i < parts.length; i += idsAtOnce) {
    const some = parts.slice(i, i + idsAtOnce)
    // The folder may be shared, and another gateway be at work in it.
    const inWork = await catalog.datasets.unfinishedOf(some.map(idIn))
    for (const name of some) if (!inWork.has(idIn(name))) await remove(join(datasetsFolder, name))
  }
  const ids = whole.map((name) => name.slice(0, -'.parquet'.length))
  for (let i = 0; i < ids.length; i += idsAtOnce) {
    const useless = await catalog.prisma.dataset.findMany({
      where: { id: { in: ids.slice(i, i + idsAtOnce) }, status: { in: ['FAILED', 'CANCELLED'] } },
      select: { id: true },
    })
    for (const { id } of useless) await remove(join(datasetsFolder, `${id}.parquet`))
  }
}

function idIn(name: string): string {
  return idPattern.exec(name)?.[0] ?? ''
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
}
