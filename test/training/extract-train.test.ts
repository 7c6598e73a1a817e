// Extractions on the real engines: query, ETL, dataset, and the output columns that later runs are held against.

import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createId } from '../../src/catalog/ids.ts'
import type { Training } from '../../src/training/service.ts'
import { createDataFolder } from '../data-folder.ts'
import { openTrainingStack, type TrainingStack } from './training-stack.ts'

let folder: Awaited<ReturnType<typeof createDataFolder>>
let stack: TrainingStack
let training: Training

beforeAll(async () => {
  folder = await createDataFolder('training')
  stack = await openTrainingStack(folder.path)
  training = stack.training()
}, 180_000)
afterAll(async () => {
  await training?.close()
  await stack?.close()
  await folder?.remove()
})

async function saveQuery(sql: string, name: string): Promise<string> {
  const { query } = await training.queryTrain({ sql, name, save: true, waitMs: 30_000 })
  return query?.id ?? ''
}

async function writeEtl(fileName: string, source: string): Promise<string> {
  const path = join(stack.etlFolder, fileName)
  await writeFile(path, source)
  return `file:${path}`
}

function extract(
  queryId: string,
  etlPath: string,
  options: { save?: boolean; waitMs?: number; etlName?: string } = {},
) {
  return training.extractTrain({ queryId, etlPath, save: true, waitMs: 30_000, ...options })
}

async function filesOf(datasetId: string): Promise<string[]> {
  const names = await Promise.all([readdir(stack.datasetsFolder), readdir(stack.temporaryFolder)])
  return names.flat().filter((name) => name.includes(datasetId))
}

describe('An extraction', () => {
  test('by SQL gives a dataset of its output, and saves the ETL with its columns', async () => {
    const queryId = await saveQuery('SELECT range AS n FROM range(5)', 'five')
    const etlPath = await writeEtl('doubled.sql', 'SELECT n, n * 2 AS doubled FROM input WHERE n > 0')
    const { etl, dataset } = await extract(queryId, etlPath, { etlName: 'doubled' })
    expect(etl).toMatchObject({ name: 'doubled', version: 1, language: 'SQL', path: etlPath })
    expect(dataset).toMatchObject({ status: 'SUCCEEDED', rowCount: 4n, queryId, etlId: etl?.id, progress: 1 })
    expect(dataset.columns).toMatchObject([
      { name: 'n', type: 'INT64', nullable: false },
      { name: 'doubled', nullable: false },
    ])
    const { rows } = await training.rows(dataset.id, { offset: 0, limit: 10 })
    expect(rows.map((row) => row.map(Number)).toSorted()).toEqual([
      [1, 2],
      [2, 4],
      [3, 6],
      [4, 8],
    ])
    expect(await stack.catalog.etls.outputColumns(etl?.id ?? '', queryId)).toEqual(dataset.columns)
    expect(await filesOf(dataset.id)).toEqual([`${dataset.id}.parquet`])
    const again = await extract(queryId, etl?.id ?? '')
    expect(again.etl?.id).toBe(etl?.id)
  })

  test('by a script gives its objects as rows', async () => {
    const queryId = await saveQuery("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) t(n, word)", 'words')
    const etlPath = await writeEtl(
      'words.ts',
      'export function transform(row: { n: number; word: string | null }) { return { n: row.n, loud: row.word?.toUpperCase() ?? null } }',
    )
    const { etl, dataset } = await extract(queryId, etlPath)
    expect(etl).toMatchObject({ language: 'TYPESCRIPT' })
    expect((await training.rows(dataset.id, { offset: 0, limit: 10 })).rows).toEqual([
      [1, 'A'],
      [2, null],
    ])
    expect(dataset.columns).toMatchObject([
      { name: 'n', nullable: false },
      { name: 'loud', type: 'STRING', nullable: true },
    ])
  })

  test('that is not saved leaves no ETL', async () => {
    const queryId = await saveQuery('SELECT 1 AS n', 'one')
    const etlPath = await writeEtl('unsaved.sql', 'SELECT n + 1 AS next FROM input')
    const before = await stack.catalog.prisma.etl.count()
    const { etl, dataset } = await extract(queryId, etlPath, { save: false })
    expect(etl).toBeNull()
    expect(dataset).toMatchObject({ status: 'SUCCEEDED', etlId: null, queryId })
    expect(await stack.catalog.prisma.etl.count()).toBe(before)
  })

  test('whose ETL fails on a row rejects, and stays FAILED in the catalog without a file', async () => {
    const queryId = await saveQuery('SELECT 1 AS n', 'one')
    const etlPath = await writeEtl(
      'throwing.js',
      'export function transform(row) { throw new Error("no " + row.n) }',
    )
    await expect(extract(queryId, etlPath)).rejects.toMatchObject({
      code: 'ETL_FAILED',
      message: expect.stringMatching(/no 1/),
    })
    const dataset = await stack.catalog.prisma.dataset.findFirstOrThrow({
      where: { queryId, status: 'FAILED' },
    })
    expect(dataset).toMatchObject({ status: 'FAILED', errorCode: 'ETL_FAILED' })
    // Mended at its place, it is loaded anew.
    expect(await stack.catalog.etls.newestByPath(etlPath)).toBeNull()
    await writeEtl('throwing.js', 'export function transform(row) { return row }')
    const mended = await extract(queryId, etlPath)
    expect(mended).toMatchObject({ etl: { version: 1 }, dataset: { status: 'SUCCEEDED' } })
    // What has run once stays, whatever its next run gives.
    const two = await saveQuery("SELECT 'x' AS n", 'two')
    await writeEtl('twice.js', 'export function transform({ n }) { return { n: BigInt(n) } }')
    const twice = etlPath.replace('throwing', 'twice')
    await extract(queryId, twice)
    await expect(extract(two, twice)).rejects.toMatchObject({ code: 'ETL_FAILED' })
    expect(await stack.catalog.etls.newestByPath(twice)).not.toBeNull()
    expect(await filesOf(dataset.id)).toEqual([])
  })

  test('that is cancelled while the ETL runs stops it and leaves no file', async () => {
    const queryId = await saveQuery('SELECT range AS n FROM range(1000)', 'thousand')
    const etlPath = await writeEtl(
      'endless.sql',
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT max(i) AS i FROM n, input',
    )
    const { dataset } = await extract(queryId, etlPath, { waitMs: 0 })
    await expect.poll(async () => (await stack.catalog.datasets.byId(dataset.id)).status).toBe('RUNNING')
    const startedMs = performance.now()
    expect(await training.cancel(dataset.id)).toMatchObject({ status: 'CANCELLED' })
    expect(performance.now() - startedMs).toBeLessThan(5000)
    expect(await filesOf(dataset.id)).toEqual([])
  })

  test('of an unknown query, or by an ETL that cannot be loaded, is refused at once and stores nothing', async () => {
    const queryId = await saveQuery('SELECT 1 AS n', 'one')
    const etlPath = await writeEtl('fine.sql', 'SELECT n FROM input')
    const before = await stack.catalog.prisma.dataset.count()
    await expect(extract(createId('qry'), etlPath)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(extract(queryId, `file:${stack.etlFolder}/absent.sql`)).rejects.toMatchObject({
      code: 'ETL_LOAD_FAILED',
    })
    await expect(extract(queryId, etlPath, { etlName: '' })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
    expect(await stack.catalog.prisma.dataset.count()).toBe(before)
  })
})

describe("An ETL's output columns", () => {
  let batch = 0

  /** Each append replaces what the query sees: it reads only the newest users. */
  async function see(...addresses: unknown[]) {
    batch += 1
    const rows = addresses.map((address) => [JSON.stringify(address), batch])
    const table = { table: 'users', columns: ['address', 'creation_date'], rows }
    await stack.warehouse.append({ jobId: 'outputs', batch, tables: [table] })
  }

  const newestSql =
    'SELECT address FROM feature_store.users WHERE creation_date = (SELECT max(creation_date) FROM feature_store.users)'

  async function createCase(fileName: string) {
    const queryId = await saveQuery(newestSql, 'newest')
    const source = `// ${fileName}\nexport function transform(row) { return JSON.parse(row.address) }`
    const etlPath = await writeEtl(fileName, source)
    return async () => {
      const { etl } = await extract(queryId, etlPath)
      const columns = await stack.catalog.etls.outputColumns(etl?.id ?? '', queryId)
      return columns?.map(({ name, type, nullable }) => [name, type, nullable])
    }
  }

  test('are those of the first run, widened by a later null', async () => {
    await see({ value: 1.5, word: 'a' })
    const run = await createCase('widened.js')
    expect(await run()).toEqual([
      ['value', 'FLOAT64', false],
      ['word', 'STRING', false],
    ])
    await see({ value: 2.5, word: null }, { value: 3.5, word: 'b' })
    expect(await run()).toEqual([
      ['value', 'FLOAT64', false],
      ['word', 'STRING', true],
    ])
    await see({ value: 2.5, word: 'c' })
    expect(await run()).toEqual([
      ['value', 'FLOAT64', false],
      ['word', 'STRING', true],
    ])
    await see({ value: null, word: 'c' })
    expect(await run()).toEqual([
      ['value', 'FLOAT64', true],
      ['word', 'STRING', true],
    ])
  })

  test('are not those of a run over no rows: nothing is pinned before a row was seen', async () => {
    const sql =
      "SELECT user_id, creation_date AS at FROM feature_store.users WHERE user_id LIKE 'first-rows-%'"
    const queryId = await saveQuery(sql, 'first rows')
    const etlPath = await writeEtl(
      'declared.js',
      `export const columns = { at: 'TIMESTAMP' }
      export function transform({ user_id, at }) { return { user_id, at: new Date(at), double: at * 2 } }`,
    )
    const empty = await extract(queryId, etlPath)
    expect(empty.dataset).toMatchObject({ status: 'SUCCEEDED', rowCount: 0n })
    const etlId = empty.etl?.id ?? ''
    expect(await stack.catalog.etls.outputColumns(etlId, queryId)).toBeNull()
    const rows = [
      ['first-rows-1', 1],
      ['first-rows-2', 2],
    ] as const
    const users = { table: 'users', columns: ['user_id', 'creation_date'], rows }
    await stack.warehouse.append({ jobId: createId('job'), batch: 0, tables: [users] })
    const { dataset } = await extract(queryId, etlId)
    expect(dataset.columns.map(({ name }) => name).sort()).toEqual(['at', 'double', 'user_id'])
    expect(await stack.catalog.etls.outputColumns(etlId, queryId)).toEqual(dataset.columns)
    const none = await saveQuery(`${sql} AND creation_date < 0`, 'none of them')
    expect((await extract(none, etlId)).dataset).toMatchObject({ status: 'SUCCEEDED', rowCount: 0n })
  })

  test('that change in name or type are a SCHEMA_MISMATCH that lists each difference', async () => {
    await see({ value: 1.5, word: 'a' })
    const run = await createCase('changed.js')
    const first = await run()
    await see({ value: 'text', other: true })
    await expect(run()).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringMatching(/refreshEtl/),
      details: {
        differences: [
          '"word" (STRING) is missing',
          '"other" (BOOLEAN) is new',
          '"value" was FLOAT64 and is STRING',
        ],
      },
    })
    const dataset = await stack.catalog.prisma.dataset.findFirstOrThrow({
      where: { errorCode: 'SCHEMA_MISMATCH' },
    })
    expect(await filesOf(dataset.id)).toEqual([])
    await see({ value: 2.5, word: 'again' })
    expect(await run()).toEqual(first)
  })

  test('of which no value was seen take the type of the first one that comes, and keep it', async () => {
    await see({ value: null })
    const run = await createCase('undecided.js')
    expect(await run()).toEqual([['value', 'STRING', true]])
    await see({ value: 1.5 })
    expect(await run()).toEqual([['value', 'FLOAT64', true]])
    await see({ value: null })
    expect(await run()).toEqual([['value', 'FLOAT64', true]])
    await see({ value: 'text' })
    await expect(run()).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
  })
})
