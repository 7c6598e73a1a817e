// What is kept no longer: datasets by age and by size, publish jobs, rows online, the rows of removed views.

import { access, readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { removeOldDatasets } from '../../src/training/retention.ts'
import { createDataFolder } from '../data-folder.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

const day = 86_400_000
const keepAll = { maxAgeMs: null, maxBytes: null }
let folder: Awaited<ReturnType<typeof createDataFolder>>
let stack: TrainingStack
let training: ReturnType<TrainingStack['training']>

beforeAll(async () => {
  folder = await createDataFolder('retention')
  stack = await openTrainingStack(folder.path)
  training = stack.training()
})

afterAll(async () => {
  await training?.close()
  await stack?.close()
  await folder.remove()
})

function fileOf(id: string) {
  return join(stack.datasetsFolder, `${id}.parquet`)
}

/** A dataset as if it had been made so many days ago. */
async function makeDataset(daysAgo: number, rows = 1) {
  const sql = `SELECT random() AS a FROM range(${rows})`
  const { dataset } = await training.queryTrain({ sql, name: 'old', save: true, waitMs: 60_000 })
  const createdAt = new Date(Date.now() - daysAgo * day)
  await stack.catalog.prisma.dataset.update({ where: { id: dataset.id }, data: { createdAt } })
  await utimes(fileOf(dataset.id), createdAt, createdAt)
  return dataset.id
}

async function isKept(id: string) {
  const [inCatalog, file] = await Promise.all([
    stack.catalog.datasets.present([id]),
    access(fileOf(id)).then(
      () => true,
      () => false,
    ),
  ])
  expect(inCatalog.has(id)).toBe(file)
  return file
}

function remove(retention: { maxAgeMs: number | null; maxBytes: number | null }) {
  return removeOldDatasets({ ...stack, ...retention })
}

test('a dataset older than it is kept goes with its file, a younger one and one in the making stay', async () => {
  const [old, young] = [await makeDataset(8), await makeDataset(6)]
  const making = await stack.catalog.datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
  await stack.catalog.prisma.dataset.update({
    where: { id: making.id },
    data: { createdAt: new Date(Date.now() - 30 * day) },
  })
  expect(await remove(keepAll)).toBe(0)
  expect(await remove({ maxAgeMs: 7 * day, maxBytes: null })).toBe(1)
  expect([await isKept(old), await isKept(young)]).toEqual([false, true])
  expect(await stack.catalog.datasets.byId(making.id)).toMatchObject({ status: 'QUEUED' })
  await expect(training.rows(old, { offset: 0, limit: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await stack.catalog.datasets.update(making.id, { status: 'CANCELLED' })
})

test('a file whose entry another gateway has removed already goes in its time', async () => {
  const [old, young] = [await makeDataset(8), await makeDataset(6)]
  await stack.catalog.datasets.remove([old, young])
  await remove({ maxAgeMs: 7 * day, maxBytes: null })
  const left = await readdir(stack.datasetsFolder)
  expect(left).not.toContain(`${old}.parquet`)
  expect(left).toContain(`${young}.parquet`)
})

test('beyond the room they may take the oldest datasets go, the newest never', async () => {
  await remove({ maxAgeMs: 0, maxBytes: null })
  const ids = [await makeDataset(3, 50_000), await makeDataset(2, 50_000), await makeDataset(1, 50_000)]
  const { size } = await stat(fileOf(ids[0] ?? ''))
  expect(await remove({ maxAgeMs: null, maxBytes: 2.5 * size })).toBe(1)
  expect(await Promise.all(ids.map(isKept))).toEqual([false, true, true])
  expect(await remove({ maxAgeMs: null, maxBytes: 1 })).toBe(1)
  expect(await Promise.all(ids.map(isKept))).toEqual([false, false, true])
})

test('publish jobs that ended long ago are forgotten, but for the last of each seed and what is not done', async () => {
  const { publishJobs, prisma } = stack.catalog
  const longAgo = new Date(Date.now() - 100 * day)
  async function ended(job: Parameters<typeof publishJobs.create>[0], finishedAt: Date) {
    const { id } = await publishJobs.create(job)
    await publishJobs.update(id, { status: 'RUNNING' })
    await publishJobs.update(id, { status: 'SUCCEEDED', finishedAt })
    return id
  }
  const rows = { kind: 'ROWS', total: 1, table: 'users', payload: new Uint8Array([1]) } as const
  const flows = { kind: 'FLOWS', total: 1, seed: 7 } as const
  const [oldRows, newRows] = [await ended(rows, longAgo), await ended(rows, new Date())]
  const [firstOfSeed, lastOfSeed] = [await ended(flows, longAgo), await ended(flows, longAgo)]
  const { id: unfinished } = await publishJobs.create(rows)
  expect(await publishJobs.removeEndedBefore(new Date(Date.now() - 90 * day))).toBe(2)
  const left = (await prisma.publishJob.findMany()).map(({ id }) => id)
  expect(left).toEqual(expect.arrayContaining([newRows, lastOfSeed, unfinished]))
  expect(left).not.toContain(oldRows)
  expect(left).not.toContain(firstOfSeed)
  expect(await publishJobs.create(flows)).toMatchObject({ run: 2 })
})
