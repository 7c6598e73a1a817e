// Datasets that somebody deletes: the entry goes first, then the files, in this gateway's folder and in those of others.

import { readdir } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Datasets } from '../catalog/datasets.ts'
import { createTurns } from '../concurrency/turns.ts'
import type { Events } from '../events.ts'
import { datasetIn, removeFiles } from './retention.ts'

const idsAtOnce = 500
/** A gateway with a folder of its own that was away for longer keeps the file. */
const rememberedForMs = 90 * 86_400_000

export interface Deletion {
  /** Resolves once its files are gone here. Throws NOT_FOUND, and CONFLICT while the dataset has not ended. */
  delete(datasetId: string): Promise<void>
  /** Removes what is left here of those that were deleted elsewhere, or when this gateway was away. */
  catchUp(): Promise<void>
  close(): Promise<void>
}

export function createDeletion({
  datasets,
  events,
  datasetsFolder,
  forgetDownloads,
  log,
}: {
  datasets: Datasets
  events: Events
  datasetsFolder: string
  /** Removes its files of other formats. */
  forgetDownloads(datasetId: string): Promise<void>
  log: Logger
}): Deletion {
  const turns = createTurns()
  const endListening = events.listen('deletedDatasets', 'all', () => {
    catchUp().catch((error: unknown) =>
      log.warn({ err: error }, 'Files of datasets that were deleted could not be removed'),
    )
  })

  const catchUp = () => turns.alone(removeLeftOver)

  async function removeLeftOver() {
    const ids = (await readdir(datasetsFolder)).map(datasetIn).filter((id) => id !== undefined)
    for (let i = 0; i < ids.length; i += idsAtOnce) {
      await removeAll(await datasets.deletedOf(ids.slice(i, i + idsAtOnce)))
    }
  }

  async function removeAll(ids: readonly string[]) {
    await removeFiles(datasetsFolder, ids)
    for (const id of ids) await forgetDownloads(id)
  }

  return {
    async delete(datasetId) {
      await datasets.delete(datasetId)
      await removeAll([datasetId])
      log.info({ datasetId }, 'A dataset was deleted')
      events.publish('deletedDatasets', 'all', { changed: true })
    },
    async catchUp() {
      await datasets.forgetDeleted(new Date(Date.now() - rememberedForMs))
      await catchUp()
    },
    async close() {
      endListening()
      await turns.alone(async () => {})
    },
  }
}
