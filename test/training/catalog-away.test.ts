// A dataset that ends while its catalog's PostgreSQL is away, for longer than its caller waits.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Catalog, openCatalog } from '../../src/catalog/open.ts'
import { createEvents } from '../../src/events.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { datasetPath } from '../../src/training/making.ts'
import { createRunner, type Runner } from '../../src/training/run.ts'
import { trainLimits } from '../limits.ts'
import { createFolder } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'

const log = pino({ level: 'silent' })
let folder: Awaited<ReturnType<typeof createFolder>>
let datasetsFolder: string
let postgres: PostgresServer
let catalog: Catalog
let runner: Runner

beforeAll(async () => {
  folder = await createFolder('catalog-away')
  datasetsFolder = join(folder.path, 'datasets')
  await mkdir(datasetsFolder)
  postgres = await startPostgres()
  catalog = await openCatalog({ url: postgres.url, folder: '', log })
  runner = createRunner({
    metrics: createMetrics(),
    datasets: catalog.datasets,
    events: createEvents(),
    datasetsFolder,
    temporaryFolder: folder.path,
    concurrency: 2,
    timeoutMs: 60_000,
    limits: trainLimits,
    catalogPatienceMs: 300,
    log,
  })
})

afterAll(async () => {
  await runner?.handBack()
  await catalog?.close()
  await postgres?.stop()
  await folder?.remove()
})

test('its caller is told that the catalog is away, and its end and its file are there once that is back', async () => {
  const [made, failed] = await Promise.all(
    ['SELECT 1', 'SELECT 2'].map((sql) => catalog.datasets.create({ queryId: null, etlId: null, sql })),
  )
  if (made === undefined || failed === undefined) throw new Error('There are no datasets')
  const away = Promise.withResolvers<void>()
  let running = 0
  const begin = async () => {
    if (++running === 2) {
      await postgres.kill()
      away.resolve()
    }
    await away.promise
  }
  const ends = await Promise.all([
    runner.start(made, async ({ path }) => {
      await begin()
      await writeFile(path, 'rows')
      return { columns: [], rowCount: 5n }
    }),
    runner.start(failed, async () => {
      await begin()
      throw new Error('broken')
    }),
  ])
  for (const { error } of ends) expect(error).toMatchObject({ code: 'CATALOG_UNAVAILABLE' })

  await postgres.restart()
  await expect
    .poll(async () => (await catalog.datasets.byId(made.id).catch(() => null))?.status)
    .toBe('SUCCEEDED')
  expect(await catalog.datasets.byId(made.id)).toMatchObject({ rowCount: 5n, progress: 1 })
  expect(await readFile(datasetPath(datasetsFolder, made.id), 'utf8')).toBe('rows')
  await expect.poll(async () => (await catalog.datasets.byId(failed.id)).errorCode).toBe('INTERNAL')
})
