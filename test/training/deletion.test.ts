// Datasets that are deleted: their files go here, from other gateways' folders, and when a gateway comes back.

import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDeletion } from '../../src/training/deletion.ts'
import { createDataFolder } from '../data-folder.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

let folder: Awaited<ReturnType<typeof createDataFolder>>
let stack: TrainingStack
let training: ReturnType<TrainingStack['training']>

beforeAll(async () => {
  folder = await createDataFolder('deletion')
  stack = await openTrainingStack(folder.path)
  training = stack.training()
})

afterAll(async () => {
  await training?.close()
  await stack?.close()
  await folder.remove()
})

async function makeDataset() {
  const sql = 'SELECT random() AS a'
  return (await training.queryTrain({ sql, name: 'a', save: true, waitMs: 60_000 })).dataset.id
}

async function filesOf(id: string, ...folders: string[]) {
  const names = await Promise.all(folders.map((each) => readdir(each)))
  return names.flat().filter((name) => name.startsWith(id))
}

/** Another gateway, on the same catalog, that has copies of these datasets in a folder of its own. */
async function otherGateway(name: string, ids: readonly string[]) {
  const datasetsFolder = join(folder.path, name)
  await mkdir(datasetsFolder)
  for (const id of ids)
    await copyFile(join(stack.datasetsFolder, `${id}.parquet`), join(datasetsFolder, `${id}.parquet`))
  const forgotten: string[] = []
  const deletion = createDeletion({
    datasets: stack.catalog.datasets,
    events: stack.events,
    datasetsFolder,
    forgetDownloads: async (id) => void forgotten.push(id),
    log: stack.log,
  })
  return { datasetsFolder, deletion, forgotten }
}

test('a dataset goes with its files of all formats, here and on other gateways, and nothing else goes', async () => {
  const [gone, kept] = [await makeDataset(), await makeDataset()]
  const downloads = join(stack.temporaryFolder, 'downloads')
  const { signal } = new AbortController()
  await training.download(gone, 'csv', signal)
  await training.download(kept, 'csv', signal)
  const other = await otherGateway('other', [gone, kept])
  expect(await filesOf(gone, stack.datasetsFolder, downloads, other.datasetsFolder)).toHaveLength(3)

  await training.delete(gone)
  await other.deletion.close()
  expect(await filesOf(gone, stack.datasetsFolder, downloads, other.datasetsFolder)).toEqual([])
  expect(await filesOf(kept, stack.datasetsFolder, downloads, other.datasetsFolder)).toHaveLength(3)
  expect(other.forgotten).toEqual([gone])
  await expect(training.download(gone, 'csv', signal)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(training.rows(gone, { offset: 0, limit: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a gateway that was away when a dataset was deleted removes its file when it is back', async () => {
  const id = await makeDataset()
  const other = await otherGateway('away', [id])
  await other.deletion.close()
  await training.delete(id)
  expect(await filesOf(id, other.datasetsFolder)).toHaveLength(1)
  await other.deletion.catchUp()
  expect(await filesOf(id, other.datasetsFolder)).toEqual([])
})

test('a dataset that is made is not deleted, and goes once it is cancelled', async () => {
  const sql = 'SELECT count(*) AS n FROM range(100000000000) a(i) WHERE hash(i) = 7'
  const { dataset } = await training.queryTrain({ sql, name: 'long', save: true, waitMs: 0 })
  await expect(training.delete(dataset.id)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(/is (QUEUED|RUNNING), .* cancel it/),
  })
  await training.cancel(dataset.id)
  await training.delete(dataset.id)
  await expect(training.delete(dataset.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
