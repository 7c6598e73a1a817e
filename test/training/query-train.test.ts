// Training queries on the real warehouse and catalog: datasets, their ends, and what failures leave behind.

import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createId } from '../../src/catalog/ids.ts'
import type { Training } from '../../src/training/service.ts'
import { createDataFolder } from '../data-folder.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

/** Minutes of work that holds no memory. */
const slowSql =
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT max(i) AS i FROM n'

let folder: Awaited<ReturnType<typeof createDataFolder>>
let stack: TrainingStack
let training: Training

beforeAll(async () => {
  folder = await createDataFolder('training')
  stack = await openTrainingStack(folder.path)
  training = stack.training()
  await training.start()
}, 180_000)
afterAll(async () => {
  await training?.close()
  await stack?.close()
  await folder?.remove()
})

const opened: Training[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

/** A service of the same stores with limits of its own. */
function another(options: Parameters<TrainingStack['training']>[0]): Training {
  const one = stack.training(options)
  opened.push(one)
  return one
}

async function filesOf(datasetId: string): Promise<string[]> {
  const names = await Promise.all([readdir(stack.datasetsFolder), readdir(stack.temporaryFolder)])
  return names.flat().filter((name) => name.includes(datasetId))
}

function run(sql: string, options: { name?: string; save?: boolean; waitMs?: number; by?: Training } = {}) {
  const { name = 'a query', save = true, waitMs = 30_000, by = training } = options
  return by.queryTrain({ sql, name, save, waitMs })
}

/** Resolves once the dataset is being made. */
function begun({ id }: { id: string }) {
  return expect.poll(async () => (await stack.catalog.datasets.byId(id)).status).toBe('RUNNING')
}

const wordsSql =
  "SELECT * FROM (VALUES (1, 'one', NULL), (2, NULL, NULL)) t(number, word, nothing) ORDER BY number"

describe('A training query', () => {
  test('is saved and becomes a dataset with its rows, its columns and their observed nulls', async () => {
    const { query, dataset } = await run(wordsSql, { name: 'words' })
    expect(dataset).toMatchObject({
      status: 'SUCCEEDED',
      rowCount: 2n,
      progress: 1,
      error: null,
      queryId: query?.id,
    })
    expect(dataset.elapsedMs).toBeGreaterThan(0)
    expect(dataset.columns.map(({ name, type, nullable }) => [name, type, nullable])).toEqual([
      ['number', 'INT32', false],
      ['word', 'STRING', true],
      ['nothing', 'INT32', true],
    ])
    expect(query).toMatchObject({ name: 'words', version: 1, sql: wordsSql })
    expect(query?.columns).toEqual(dataset.columns)
    const page = await training.rows(dataset.id, { offset: 1, limit: 5 })
    expect(page.rows).toEqual([[2, null, null]])
    expect((await stat(join(stack.datasetsFolder, `${dataset.id}.parquet`))).size).toBeGreaterThan(0)
    expect(await filesOf(dataset.id)).toEqual([`${dataset.id}.parquet`])
  })

  test('of the same SQL and name is the same entry, and leaves one when it is not saved', async () => {
    const [first, second] = await Promise.all([
      run(wordsSql, { name: 'twice' }),
      run(wordsSql, { name: 'twice' }),
    ])
    expect(second.query?.id).toBe(first.query?.id)
    expect(second.dataset.id).not.toBe(first.dataset.id)
    const before = await stack.catalog.prisma.savedQuery.count()
    const unsaved = await run('SELECT 5 AS five', { name: 'unsaved', save: false })
    expect(unsaved.query).toBeNull()
    expect(unsaved.dataset).toMatchObject({ status: 'SUCCEEDED', queryId: null, sql: 'SELECT 5 AS five' })
    expect(await stack.catalog.prisma.savedQuery.count()).toBe(before)
  })

  test('with no rows has its columns, which stay nullable since nothing was seen', async () => {
    const { query, dataset } = await run('SELECT 1 AS a WHERE false', { name: 'none' })
    expect(dataset.rowCount).toBe(0n)
    expect(dataset.columns).toMatchObject([{ name: 'a', type: 'INT32', nullable: true }])
    expect(query?.columns).toMatchObject([{ name: 'a', nullable: true }])
    expect((await training.rows(dataset.id, { offset: 0, limit: 1 })).rows).toEqual([])
  })

  test('widens the saved columns when a later run sees a null, and never narrows them again', async () => {
    const sql = 'SELECT user_id, address FROM feature_store.users'
    const append = (batch: number, rows: (string | null)[][]) =>
      stack.warehouse.append({
        jobId: 'widening',
        batch,
        tables: [{ table: 'users', columns: ['user_id', 'address'], rows }],
      })
    await append(1, [['a', 'here']])
    const first = await run(sql, { name: 'users' })
    expect(first.query?.columns.map((column) => column.nullable)).toEqual([false, false])
    await append(2, [['b', null]])
    const second = await run(sql, { name: 'users' })
    expect(second.query?.columns.map((column) => column.nullable)).toEqual([false, true])
    const third = await run(`${sql} WHERE address IS NOT NULL`, { name: 'users' })
    expect(third.query?.version).toBe(2)
    expect(third.dataset.columns.map((column) => column.nullable)).toEqual([false, false])
    const again = await stack.catalog.savedQueries.byId(first.query?.id ?? '')
    expect(again.columns.map((column) => column.nullable)).toEqual([false, true])
  })
})

describe('A training query that cannot be', () => {
  test('of wrong SQL is refused at once with the line, and nothing is stored', async () => {
    const counts = () =>
      Promise.all([stack.catalog.prisma.savedQuery.count(), stack.catalog.prisma.dataset.count()])
    const before = await counts()
    await expect(run('SELECT 1 AS a,\n  nowhere FROM users_of_no_schema')).rejects.toMatchObject({
      code: 'INVALID_SQL',
      details: { line: 2 },
    })
    await expect(run('DROP TABLE feature_store.users')).rejects.toMatchObject({ code: 'INVALID_SQL' })
    expect(await counts()).toEqual(before)
  })

  test.each([
    ['an empty name', { name: '  ' }, /queryName has 0 characters; it must have 1 to 200/],
    ['a name too long', { name: 'n'.repeat(201) }, /queryName has 201 characters/],
    ['a name of two lines', { name: 'a\nb' }, /queryName holds a control character/],
    ['a negative wait', { waitMs: -1 }, /waitMs is -1; it must be a whole number from 0 to 600000/],
    ['a wait too long', { waitMs: 600_001 }, /waitMs is 600001/],
    ['a wait that is no number', { waitMs: Number.NaN }, /waitMs is NaN/],
  ])('with %s is BAD_USER_INPUT that says what is right', async (_, options, message) => {
    await expect(run('SELECT 1 AS a', options)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(message),
    })
  })

  test('that fails while it runs rejects the waiting caller, and stays FAILED in the catalog without a file', async () => {
    const sql = "SELECT CAST(t.x AS INTEGER) AS x FROM (VALUES ('1'), ('not a number')) t(x)"
    await expect(run(sql, { name: 'failing' })).rejects.toMatchObject({
      message: expect.stringMatching(/not a number/),
    })
    const dataset = await stack.catalog.prisma.dataset.findFirstOrThrow({ where: { sql } })
    expect(dataset).toMatchObject({ status: 'FAILED', error: expect.stringMatching(/not a number/) })
    expect(dataset.errorCode).toMatch(/^(INVALID_SQL|WAREHOUSE_FAILED)$/)
    expect(await filesOf(dataset.id)).toEqual([])
    await expect(training.rows(dataset.id, { offset: 0, limit: 1 })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/is FAILED \(.*not a number/s),
    })
    await expect(training.download(dataset.id, 'csv', new AbortController().signal)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
  })

  test('takes longer than the limit ends as TIMEOUT', async () => {
    const quick = another({ timeoutMs: 300 })
    await expect(run(slowSql, { name: 'slow', by: quick })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringMatching(/longer than 0.3 s/),
    })
    const [dataset] = await stack.catalog.prisma.dataset.findMany({ where: { errorCode: 'TIMEOUT' } })
    expect(dataset).toMatchObject({ status: 'FAILED' })
    expect(await filesOf(dataset?.id ?? '')).toEqual([])
  })
})

describe('Datasets in the background', () => {
  test('answer after waitMs as they stand, and go on to their end', async () => {
    const { dataset } = await run('SELECT max(range) AS top FROM range(50000000)', {
      name: 'later',
      waitMs: 0,
    })
    expect(['QUEUED', 'RUNNING']).toContain(dataset.status)
    const states: string[] = []
    for await (const state of training.progress(dataset.id)) states.push(state.status)
    expect(states.at(-1)).toBe('SUCCEEDED')
    expect((await training.rows(dataset.id, { offset: 0, limit: 1 })).rows).toEqual([[49999999]])
  })

  test('wait as QUEUED when the pool is full; cancelling frees the room, queued or running', async () => {
    const narrow = another({ concurrency: 1 })
    const first = await run(slowSql, { name: 'slow', waitMs: 0, by: narrow })
    await begun(first.dataset)
    const second = await run(slowSql, { name: 'slow', waitMs: 50, by: narrow })
    expect(second.dataset.status).toBe('QUEUED')
    const third = await run('SELECT 3 AS three', { name: 'third', waitMs: 50, by: narrow })
    expect(third.dataset.status).toBe('QUEUED')
    expect(await narrow.cancel(second.dataset.id)).toMatchObject({ status: 'CANCELLED', error: null })
    const cancelledAtMs = performance.now()
    expect(await narrow.cancel(first.dataset.id)).toMatchObject({ status: 'CANCELLED' })
    expect(performance.now() - cancelledAtMs).toBeLessThan(5000)
    for await (const state of narrow.progress(third.dataset.id)) {
      if (state.status === 'SUCCEEDED') expect(state.rowCount).toBe(1n)
    }
    expect(await stack.catalog.datasets.byId(third.dataset.id)).toMatchObject({ status: 'SUCCEEDED' })
    expect(await filesOf(first.dataset.id)).toEqual([])
    for (const ended of [first, second, third]) {
      await expect(narrow.cancel(ended.dataset.id)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringMatching(/has ended already: it is (CANCELLED|SUCCEEDED)/),
      })
    }
  })

  test('that are cancelled answer the caller who still waits', async () => {
    const waiting = run(slowSql, { name: 'slow to be cancelled' })
    const running = { status: 'RUNNING', query: { name: 'slow to be cancelled' } } as const
    const find = () => stack.catalog.prisma.dataset.findFirst({ where: running })
    await expect.poll(find).not.toBeNull()
    await training.cancel((await find())?.id ?? '')
    expect((await waiting).dataset.status).toBe('CANCELLED')
  })

  test('are handed back when the gateway stops, and made, or cancelled, by another', async () => {
    const stopping = stack.training()
    const waiting = run(slowSql, { name: 'handed back', waitMs: 60_000, by: stopping })
    const running = { status: 'RUNNING', query: { name: 'handed back' } } as const
    await expect.poll(() => stack.catalog.prisma.dataset.findFirst({ where: running })).not.toBeNull()
    await stopping.close()
    const { dataset } = await waiting
    expect(dataset).toMatchObject({ status: 'QUEUED', handedBack: true, error: null })
    await expect.poll(async () => (await stack.catalog.datasets.byId(dataset.id)).status).toBe('RUNNING')
    expect(await training.cancel(dataset.id)).toMatchObject({ status: 'CANCELLED', handedBack: false })
  })
})

describe('Progress', () => {
  test('of a dataset that has ended is its end alone', async () => {
    const { dataset } = await run('SELECT 1 AS a')
    const states = await Array.fromAsync(training.progress(dataset.id))
    expect(states).toEqual([dataset])
  })

  test('shows the present state first, grows, and misses no end however late it is read', async () => {
    const narrow = another({ concurrency: 1 })
    const blocker = await run(slowSql, { name: 'slow', waitMs: 0, by: narrow })
    const { dataset } = await run('SELECT 1 AS a', { waitMs: 0, by: narrow })
    const states = narrow.progress(dataset.id)[Symbol.asyncIterator]()
    expect((await states.next()).value).toMatchObject({ status: 'QUEUED' })
    await narrow.cancel(blocker.dataset.id)
    const seen: string[] = []
    for (let next = await states.next(); !next.done; next = await states.next()) seen.push(next.value.status)
    expect(seen.at(-1)).toBe('SUCCEEDED')
  })

  test('ends at once for a client that leaves while it waits', async () => {
    const narrow = another({ concurrency: 1 })
    const { dataset } = await run(slowSql, { name: 'slow', waitMs: 0, by: narrow })
    await begun(dataset)
    const states = narrow.progress(dataset.id)[Symbol.asyncIterator]()
    await states.next()
    const waiting = states.next()
    await states.return?.()
    for (let next = await waiting; !next.done; next = await states.next())
      expect(next.value.status).toBe('RUNNING')
    expect(await states.next()).toMatchObject({ done: true })
    await narrow.cancel(dataset.id)
  })

  test('of an unknown dataset is NOT_FOUND', async () => {
    const states = training.progress(createId('dst'))[Symbol.asyncIterator]()
    await expect(states.next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('Rows', () => {
  test('come by page, and a page outside the bounds is BAD_USER_INPUT', async () => {
    const { dataset } = await run('SELECT range AS n FROM range(10) ORDER BY n', { name: 'ten' })
    const page = (offset: number, limit: number) => training.rows(dataset.id, { offset, limit })
    expect((await page(8, 10_000)).rows).toEqual([[8], [9]])
    expect((await page(10, 1)).rows).toEqual([])
    for (const [offset, limit] of [
      [-1, 1],
      [0, 0],
      [0, 10_001],
      [0.5, 1],
    ] as const) {
      await expect(page(offset, limit)).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringMatching(/must be a whole number from/),
      })
    }
  })

  test('of a dataset whose file is gone are NOT_FOUND, and of an unknown one too', async () => {
    const { dataset } = await run('SELECT 1 AS a')
    const { rm } = await import('node:fs/promises')
    await rm(join(stack.datasetsFolder, `${dataset.id}.parquet`))
    // Each once the one before has been answered: of those under way one could fail before anyone looks.
    for (const read of [
      () => training.rows(dataset.id, { offset: 0, limit: 1 }),
      () => training.download(dataset.id, 'parquet', new AbortController().signal),
      () => training.download(dataset.id, 'arrow', new AbortController().signal),
    ]) {
      await expect(read()).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: expect.stringMatching(/not in this gateway's folder of datasets: .*run the query again/),
      })
    }
    await expect(training.rows(createId('dst'), { offset: 0, limit: 1 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})

describe('A start', () => {
  test('fails what a killed process left, clears its files away, and keeps all else', async () => {
    const { dataset: whole } = await run('SELECT 1 AS a', { save: false })
    const { datasets } = stack.catalog
    const queued = await datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
    const running = await datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
    await datasets.update(running.id, { status: 'RUNNING' })
    const unknown = `${createId('dst')}.parquet`
    for (const name of [`${running.id}.parquet`, `${queued.id}.parquet.part`, unknown]) {
      await writeFile(join(stack.datasetsFolder, name), 'half')
    }
    await writeFile(join(stack.temporaryFolder, `${running.id}.query.parquet`), 'half')
    await another({}).start()
    for (const { id } of [queued, running]) {
      expect(await datasets.byId(id)).toMatchObject({
        status: 'FAILED',
        error: expect.stringMatching(/run it again/),
      })
      expect(await filesOf(id)).toEqual([])
    }
    expect(await filesOf(whole.id)).toHaveLength(1)
    expect(await readdir(stack.datasetsFolder)).toContain(unknown)
  })
})
