// The files of a dataset while it is made, and how the whole one takes its place where several gateways share the folder: one that was taken for gone may still be at work.

import { link, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatasetRecord } from '../catalog/datasets.ts'
import { AppError } from '../errors.ts'

/** Another gateway makes it by now, or has made it, or this one does anew: what is done here counts no more. */
export class RunTakenOver extends AppError {
  constructor(datasetId: string, cause?: unknown) {
    super('CONFLICT', `The dataset ${datasetId} is made by another gateway by now`, { cause })
  }
}

export interface Making {
  /** Of its own: their few files are all that is looked at while they grow, and go with them. */
  folders: readonly string[]
  path: string
  temporaryPath: string
  open(): Promise<void>
  /** The dataset's file from here on; never over that of another gateway, for which it throws RunTakenOver. */
  place(): Promise<void>
  /** Also what those that made it before have left. */
  remove(): Promise<void>
}

export function datasetPath(datasetsFolder: string, datasetId: string): string {
  return join(datasetsFolder, `${datasetId}.parquet`)
}

export function createMaking(
  { id, takeovers }: Pick<DatasetRecord, 'id' | 'takeovers'>,
  {
    datasetsFolder,
    temporaryFolder,
    isOwn,
  }: { datasetsFolder: string; temporaryFolder: string; isOwn(): Promise<boolean> },
): Making {
  const foldersOf = (turn: number) =>
    [datasetsFolder, temporaryFolder].map((folder) => join(folder, `${id}.${turn}.making`))
  const folders = foldersOf(takeovers)
  const [making = '', between = ''] = folders
  const path = join(making, 'dataset.parquet')
  const target = datasetPath(datasetsFolder, id)
  return {
    folders,
    path,
    temporaryPath: join(between, 'query.parquet'),
    async open() {
      for (const folder of folders) await mkdir(folder, { recursive: true })
    },
    async place() {
      try {
        // Unlike a rename it takes the place of no file that is there.
        await link(path, target)
      } catch {
        if (!(await isOwn())) throw new RunTakenOver(id)
        await rename(path, target)
      }
    },
    async remove() {
      for (let turn = 0; turn <= takeovers; turn++)
        for (const folder of foldersOf(turn)) await rm(folder, { recursive: true, force: true })
    },
  }
}
