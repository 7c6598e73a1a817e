// One dataset's run: how often its progress is told, and that nothing of the run outlives it.

import { readdir, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCatalog } from '../../src/catalog/open.ts'
import { createEvents } from '../../src/events.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { watchDataset } from '../../src/training/progress.ts'
import { createRunner, type Runner } from '../../src/training/run.ts'
import { createDataFolder } from '../data-folder.ts'
import { trainLimits } from '../limits.ts'

const log = pino({ level: 'silent' })
const events = createEvents()
let folder: Awaited<ReturnType<typeof createDataFolder>>
let catalog: Awaited<ReturnType<typeof openCatalog>>
let runner: Runner

beforeAll(async () => {
  folder = await createDataFolder('training')
  catalog = await openCatalog({ url: 'pglite:', folder: `${folder.path}/catalog`, log })
  runner = createRunner({
    metrics: createMetrics(),
    datasets: catalog.datasets,
    events,
    datasetsFolder: folder.path,
    temporaryFolder: folder.path,
    concurrency: 1,
    timeoutMs: 30_000,
    limits: trainLimits,
    catalogPatienceMs: 60_000,
    log,
  })
}, 180_000)
afterAll(async () => {
  await runner?.handBack()
  await catalog?.close()
  await folder?.remove()
})

function createDataset() {
  return catalog.datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
}

async function filesOf(datasetId: string): Promise<string[]> {
  return (await readdir(folder.path)).filter((name) => name.includes(datasetId))
}

test('Progress grows, stays within 0 and 1, and is told at most four times a second', async () => {
  const dataset = await createDataset()
  const watching = Array.fromAsync(watchDataset({ datasets: catalog.datasets, events }, dataset.id))
  await runner.start(dataset, async ({ path, onProgress }) => {
    await writeFile(path, 'whole')
    for (let i = 0; i < 100; i++) {
      onProgress(i % 10 === 0 ? null : i % 7 === 0 ? 0.001 : i / 80)
      await delay(10)
    }
    return { columns: [], rowCount: 0n }
  })
  const states = await watching
  const fractions = states.flatMap(({ status, progress }) =>
    status === 'RUNNING' && progress !== null ? [progress] : [],
  )
  expect(fractions.length).toBeGreaterThanOrEqual(2)
  const seconds = (states.at(-1)?.elapsedMs ?? 0) / 1000
  expect(fractions.length).toBeLessThanOrEqual(4 * seconds + 1)
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
  expect(Math.max(...fractions)).toBeLessThanOrEqual(1)
  expect(states.at(-1)).toMatchObject({ status: 'SUCCEEDED', progress: 1 })
})

test('A fault that is none of the caller is masked, and all files of the run are gone', async () => {
  const dataset = await createDataset()
  const end = await runner.start(dataset, async ({ path, temporaryPath }) => {
    await writeFile(path, 'half')
    await writeFile(`${path}.part`, 'half')
    await writeFile(temporaryPath, 'half')
    throw new Error('the secret of /etc/passwd')
  })
  expect(end.error).toMatchObject({ code: 'INTERNAL' })
  expect(end.dataset).toMatchObject({ status: 'FAILED', errorCode: 'INTERNAL' })
  expect(end.dataset.error).not.toMatch(/passwd/)
  expect(await filesOf(dataset.id)).toEqual([])
})

test('A full disk is told as one', async () => {
  const dataset = await createDataset()
  const end = await runner.start(dataset, () =>
    Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })),
  )
  expect(end.error).toMatchObject({ code: 'TOO_LARGE', message: expect.stringMatching(/disk .* is full/) })
})

test('A catalog that cannot be written to ends the run all the same, and the next one runs', async () => {
  const dataset = await createDataset()
  await catalog.prisma.dataset.delete({ where: { id: dataset.id } })
  const end = await runner.start(dataset, async () => ({ columns: [], rowCount: 0n }))
  expect(end.error).toMatchObject({ code: 'NOT_FOUND' })
  const next = await runner.start(await createDataset(), async ({ path }) => {
    await writeFile(path, 'whole')
    return { columns: [], rowCount: 0n }
  })
  expect(next).toMatchObject({ error: null, dataset: { status: 'SUCCEEDED' } })
})
