// A gateway that was taken for gone, and comes back: whatever it does then, the dataset is what the other one has made.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { DatasetRecord } from '../../src/catalog/datasets.ts'
import { openCatalog } from '../../src/catalog/open.ts'
import { createEvents } from '../../src/events.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { datasetPath } from '../../src/training/making.ts'
import { createRunner, type RunEnd, type RunWork } from '../../src/training/run.ts'
import { trainLimits } from '../limits.ts'
import { createFolder } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'

const log = pino({ level: 'silent' })
let folder: Awaited<ReturnType<typeof createFolder>>
let datasetsFolder: string
let postgres: PostgresServer
let [lost, heir]: Gateway[] = []

type Gateway = Awaited<ReturnType<typeof open>>

/** A gateway as far as it makes datasets, with a folder for all. */
async function open(name: string) {
  const catalog = await openCatalog({ url: postgres.url, folder: '', log })
  const temporaryFolder = join(folder.path, name)
  await mkdir(temporaryFolder)
  const runner = createRunner({
    metrics: createMetrics(),
    datasets: catalog.datasets,
    events: createEvents(),
    datasetsFolder,
    temporaryFolder,
    concurrency: 10,
    timeoutMs: 60_000,
    limits: trainLimits,
    catalogPatienceMs: 10_000,
    log,
  })
  return { ...catalog, runner, temporaryFolder }
}

beforeAll(async () => {
  folder = await createFolder('taken-over')
  datasetsFolder = join(folder.path, 'datasets')
  await mkdir(datasetsFolder)
  postgres = await startPostgres()
  lost = await open('lost')
  heir = await open('heir')
})

afterAll(async () => {
  for (const gateway of [lost, heir]) {
    await gateway?.runner.handBack()
    await gateway?.close()
  }
  await postgres?.stop()
  await folder?.remove()
})

interface Run {
  /** Resolves once it is being made. */
  begun: Promise<void>
  /** Lets its work end: with a file of this text, or a failure. */
  finish(text: string | Error): void
  ended: Promise<RunEnd>
}

function run({ runner }: Gateway, dataset: DatasetRecord): Run {
  const begun = Promise.withResolvers<void>()
  const finished = Promise.withResolvers<string | Error>()
  const work: RunWork = async ({ path, signal }) => {
    begun.resolve()
    const aborted = Promise.withResolvers<never>()
    signal.addEventListener('abort', () => aborted.reject(signal.reason))
    const text = await Promise.race([finished.promise, aborted.promise])
    if (text instanceof Error) throw text
    await writeFile(path, text)
    return { columns: [], rowCount: BigInt(text.length) }
  }
  return { ended: runner.start(dataset, work), begun: begun.promise, finish: finished.resolve }
}

let made: DatasetRecord
let first: Run
let second: Run

/** As the orphans' watch leaves what is a gateway's that is gone, and another one takes it. */
async function takeOver(by: Gateway): Promise<DatasetRecord> {
  await execute(
    postgres.url,
    `UPDATE "Dataset" SET status = 'QUEUED', owner = NULL, "handedBack" = true, takeovers = takeovers + 1 WHERE id = '${made.id}'`,
  )
  const taken = await by.datasets.takeHandedBack()
  if (taken === null) throw new Error('Nothing was handed back')
  return taken
}

function gateways(): [Gateway, Gateway] {
  if (lost === undefined || heir === undefined) throw new Error('The gateways are not open')
  return [lost, heir]
}

beforeEach(async () => {
  const [before, after] = gateways()
  const trainingSet = { name: null }
  made = await before.datasets.create({ queryId: null, etlId: null, sql: '', trainingSet })
  first = run(before, made)
  await first.begun
  second = run(after, await takeOver(after))
  await second.begun
})

async function left(): Promise<string[]> {
  const folders = [datasetsFolder, ...gateways().map(({ temporaryFolder }) => temporaryFolder)]
  const names = await Promise.all(folders.map((path) => readdir(path, { recursive: true })))
  return names.flat().filter((name) => name.includes(made.id))
}

/** The one result, and nothing beside it. */
async function expectMade(text: string) {
  const rowCount = BigInt(text.length)
  expect(await gateways()[0].datasets.byId(made.id)).toMatchObject({ status: 'SUCCEEDED', rowCount })
  expect(await readFile(datasetPath(datasetsFolder, made.id), 'utf8')).toBe(text)
  expect(await left()).toEqual([`${made.id}.parquet`])
}

test('ending first, it tells that it goes on, and leaves the end to the other', async () => {
  first.finish('of the lost')
  expect(await first.ended).toMatchObject({ dataset: { status: 'RUNNING', takeovers: 1 }, error: null })
  second.finish('of the heir, longer')
  expect((await second.ended).dataset.status).toBe('SUCCEEDED')
  await expectMade('of the heir, longer')
})

test('ending last, it tells the end of the other', async () => {
  second.finish('of the heir')
  await second.ended
  first.finish('of the lost, longer')
  expect(await first.ended).toMatchObject({ dataset: { status: 'SUCCEEDED', rowCount: 11n }, error: null })
  await expectMade('of the heir')
})

test('failing, before or after the other has ended, it changes nothing', async () => {
  first.finish(new Error('the disk of the lost'))
  expect(await first.ended).toMatchObject({ dataset: { status: 'RUNNING' }, error: null })
  second.finish('of the heir')
  await second.ended
  await expectMade('of the heir')
})

test('handing back what is not its own any more, it changes nothing', async () => {
  const [before, after] = gateways()
  expect(await before.datasets.handBack(made.id)).toBeNull()
  expect(await before.datasets.isOwn(made)).toBe(false)
  await before.datasets.saveLog(made, ['of the lost'])
  expect(await after.datasets.log(made.id)).toEqual([])
  second.finish('of the heir')
  await second.ended
  first.finish(new Error('too late'))
  await first.ended
  await expectMade('of the heir')
})

test('where the other fails, it tells that failure, and no file stays of either', async () => {
  second.finish(new Error('the disk of the heir'))
  await second.ended
  first.finish('of the lost')
  expect(await first.ended).toMatchObject({ dataset: { status: 'FAILED' }, error: { code: 'INTERNAL' } })
  expect(await left()).toEqual([])
})

test('a file that it has put there goes, where the other fails after it', async () => {
  first.finish('of the lost')
  await first.ended
  second.finish(new Error('the disk of the heir'))
  expect((await second.ended).dataset.status).toBe('FAILED')
  expect(await left()).toEqual([])
})

test('taking anew what it is at work on still, it makes it once', async () => {
  const [before] = gateways()
  const third = run(before, await takeOver(before))
  await third.begun
  expect(await first.ended).toMatchObject({ dataset: { status: 'QUEUED', takeovers: 2 }, error: null })
  expect(before.runner.isAtWork(made.id)).toBe(true)
  third.finish('of the one come back')
  second.finish('of the heir')
  await second.ended
  expect((await third.ended).dataset.status).toBe('SUCCEEDED')
  await expectMade('of the one come back')
})
