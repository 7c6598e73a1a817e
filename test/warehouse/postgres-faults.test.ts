// A PostgreSQL that is killed, restarted or hangs; gateways that share one; and what a gateway leaves in it.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createParquetEngine } from '../../src/parquet/engine.ts'
import type { Column } from '../../src/values/columns.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { startProxy } from '../servers/proxy.ts'
import { createWarehouseFolder } from './open-duckdb.ts'
import {
  createPostgresWarehouseFolder,
  type PostgresWarehouse,
  startPostgresWarehouse,
} from './open-postgres.ts'

const slow = 'SELECT sum(a * b) AS s FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b'
const rows = 'SELECT a FROM generate_series(1, 100000) a'
const endless = "SELECT a, 'some text' AS t FROM generate_series(1, 1000000000) a"

let postgres: PostgresWarehouse
let warehouse: Warehouse

beforeAll(async () => {
  postgres = await startPostgresWarehouse()
  warehouse = postgres.warehouse
})

afterAll(() => postgres?.stop())

const addUser = (id: string, batch: number, through = warehouse) =>
  through.append({ jobId: 'faults', batch, tables: [{ table: 'users', columns: ['user_id'], rows: [[id]] }] })
const findUser = (id: string) =>
  warehouse.lookup({ sql: 'SELECT user_id FROM feature_store.users', key: ['user_id'], values: [[id]] })

/** Resolves once the server runs a statement that begins so. */
async function isRunning(beginning: string): Promise<void> {
  const sql = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '${beginning}%' AND pid <> pg_backend_pid()`
  while ((await postgres.execute(sql))[0]?.n === 0);
}

async function isGone(beginning: string): Promise<void> {
  const sql = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '${beginning}%' AND pid <> pg_backend_pid()`
  while ((await postgres.execute(sql))[0]?.n !== 0);
}

/** A killed server's own processes outlive it until they see that their client is gone; no other starts before. */
async function restartOnceFree(): Promise<void> {
  const givenUpMs = performance.now() + 30_000
  for (;;) {
    try {
      return await postgres.server.restart()
    } catch (error) {
      if (performance.now() > givenUpMs) throw error
    }
  }
}

async function elapsedMs(work: Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work
  return performance.now() - startedMs
}

const failure = (promise: Promise<unknown>) =>
  expect(promise).rejects.toMatchObject({ code: 'WAREHOUSE_FAILED' })

test('an aborted export is stopped in the server too, before its first row and amidst its rows', async () => {
  for (const sql of [slow, endless]) {
    const controller = new AbortController()
    const path = join(postgres.datasetsFolder, 'aborted.parquet')
    const exporting = warehouse.exportParquet({ sql, path, signal: controller.signal })
    await isRunning('COPY')
    controller.abort(new Error('enough'))
    await expect(exporting).rejects.toThrow('enough')
    await isGone('COPY')
  }
  expect(await readdir(postgres.datasetsFolder)).toEqual([])
  expect(await readdir(join(postgres.folder, 'tmp', 'pipes'))).toEqual([])
})

test('an export tells its progress by the rows sent, from nothing towards everything', async () => {
  const seen: (number | null)[] = []
  const { rowCount } = await warehouse.exportParquet({
    sql: "SELECT a, repeat('x', 40) || a AS t FROM generate_series(1, 3000000) a",
    path: join(postgres.datasetsFolder, 'progress.parquet'),
    onProgress: ({ fraction }) => seen.push(fraction),
  })
  expect(rowCount).toBe(3_000_000n)
  expect(seen.length).toBeGreaterThan(0)
  for (const fraction of seen) expect(fraction === null || (fraction >= 0 && fraction <= 1)).toBe(true)
})

test('a scan that is aborted, and one whose reader left, hold nothing in the server', async () => {
  const controller = new AbortController()
  const scanned = await warehouse.scan({ sql: rows, key: ['a'], signal: controller.signal })
  let count = 0
  await expect(async () => {
    for await (const batch of scanned.batches) {
      count += batch.length
      controller.abort(new Error('left'))
    }
  }).rejects.toThrow('left')
  expect(count).toBeGreaterThan(0)
  const { batches } = await warehouse.scan({ sql: rows, key: ['a'] })
  for await (const _ of batches) break
  await isGone('FETCH')
  const [row] = await postgres.execute(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
  )
  expect(row).toEqual({ n: 0 })
})

test('a server that is killed fails what runs at once; when it is back, all goes on without a restart', async () => {
  await addUser('before', 1)
  const path = join(postgres.datasetsFolder, 'killed.parquet')
  const exporting = failure(warehouse.exportParquet({ sql: slow, path }))
  await isRunning('COPY')
  await postgres.server.kill()
  await exporting
  expect(await elapsedMs(failure(warehouse.ping()))).toBeLessThan(10_000)
  expect(await elapsedMs(failure(findUser('before')))).toBeLessThan(10_000)
  expect(await elapsedMs(failure(addUser('lost', 2)))).toBeLessThan(10_000)
  await restartOnceFree()
  await warehouse.ping()
  expect((await findUser('before')).rows).toEqual([['before']])
  expect((await addUser('after', 2)).applied).toBe(true)
  expect((await findUser('lost')).rows).toEqual([])
})

test('lookups over a restart fail or are right, and after it none fails', async () => {
  let restarting = true
  const lookingUp = (async () => {
    while (restarting) {
      const result = await findUser('before').catch((error: unknown) => error)
      if (result instanceof Error) expect(result).toMatchObject({ code: 'WAREHOUSE_FAILED' })
      else expect(result).toMatchObject({ rows: [['before']] })
    }
  })()
  await postgres.server.restart()
  restarting = false
  await lookingUp
  const results = await Promise.all(Array.from({ length: 40 }, () => findUser('before')))
  expect(results.every(({ rows }) => rows.length === 1)).toBe(true)
})

test('a server that hangs fails everything within seconds, and serves again when it goes on', async () => {
  await addUser('before', 1)
  const proxy = await startProxy(postgres.server.port)
  const beyond = await createPostgresWarehouseFolder(
    postgres.server.url.replace(`:${postgres.server.port}/`, `:${proxy.port}/`),
  )
  const far = await beyond.open()
  const sql = 'SELECT user_id FROM feature_store.users'
  await far.lookup({ sql, key: ['user_id'], values: [['before']] })
  const { batches } = await far.scan({ sql: rows, key: ['a'] })
  const path = join(beyond.datasetsFolder, 'hanging.parquet')
  const exporting = failure(far.exportParquet({ sql: slow, path }))
  await isRunning('COPY')
  proxy.hang()
  const signal = AbortSignal.timeout(500)
  const all = [
    exporting,
    failure(far.lookup({ sql, key: ['user_id'], values: [['before']] })),
    failure(addUser('hung', 3, far)),
    failure(far.version()),
    failure(far.ping()),
    failure(Array.fromAsync(batches)),
    expect(far.lookup({ sql, key: ['user_id'], values: [['before']], signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    }),
  ]
  expect(await elapsedMs(Promise.all(all))).toBeLessThan(30_000)
  proxy.goOn()
  expect((await far.lookup({ sql, key: ['user_id'], values: [['before']] })).rows).toEqual([['before']])
  await addUser('hung', 3, far)
  expect((await findUser('hung')).rows).toEqual([['hung']])
  proxy.hang()
  expect(await elapsedMs(far.close())).toBeLessThan(15_000)
  await proxy.stop()
  await beyond.remove()
}, 120_000)

test('two gateways that open one empty database at once both do', async () => {
  await postgres.execute('CREATE DATABASE shared')
  const url = postgres.server.databaseUrl('shared')
  const [one, two] = await Promise.all([
    createPostgresWarehouseFolder(url),
    createPostgresWarehouseFolder(url),
  ])
  const opened = await Promise.all([one.open(), two.open(), one.open(), two.open()])
  await Promise.all(opened.map((each) => each.close()))
  await Promise.all([one.remove(), two.remove()])
})

test('appends of two gateways are each applied once, and versions tell what a snapshot sees', async () => {
  const other = await postgres.open()
  const before = await warehouse.version()
  const results = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      addUser(`shared${i % 30}`, 100 + (i % 30), i < 30 ? warehouse : other),
    ),
  )
  const readers = Array.from({ length: 30 }, async (_, i) => {
    const sql = "SELECT 1 AS k, count(*) AS n FROM feature_store.users WHERE user_id LIKE 'shared%'"
    const { version, rows } = await (i % 2 === 0 ? warehouse : other).lookup({
      sql,
      key: ['k'],
      values: [[1]],
    })
    expect(rows).toEqual([[1, version - before]])
  })
  await Promise.all(readers)
  await other.close()
  expect(results.filter(({ applied }) => applied)).toHaveLength(30)
  expect(new Set(results.filter(({ applied }) => applied).map(({ version }) => version)).size).toBe(30)
  expect(await warehouse.version()).toBe(before + 30)
})

test('a role that may make nothing serves a database where everything is made already', async () => {
  await postgres.execute(`CREATE ROLE modest LOGIN; GRANT USAGE ON SCHEMA gateway, feature_store TO modest;
     GRANT SELECT ON ALL TABLES IN SCHEMA gateway, feature_store TO modest;
     GRANT INSERT ON ALL TABLES IN SCHEMA feature_store TO modest;
     GRANT INSERT ON gateway.ledger TO modest; GRANT UPDATE ON gateway.version TO modest;
     REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE TABLE secret (a int)`)
  const modest = await createPostgresWarehouseFolder(postgres.server.url.replace('postgres@', 'modest@'))
  const own = await modest.open()
  expect((await addUser('modest', 200, own)).applied).toBe(true)
  await expect(own.lookup({ sql: 'SELECT a FROM secret', key: ['a'], values: [[1]] })).rejects.toMatchObject({
    code: 'INVALID_SQL',
    message: expect.stringContaining('permission denied'),
  })
  expect((await own.tables()).map(({ name }) => name)).not.toContain('secret')
  await own.close()
  await modest.remove()
})

test('what both engines can hold arrives in the same columns, types and values from DuckDB', async () => {
  const embedded = await createWarehouseFolder()
  const duckdb = await embedded.open()
  const parquet = await createParquetEngine({
    folders: [postgres.datasetsFolder, embedded.datasetsFolder],
    memoryMb: 256,
    temporaryFolder: postgres.folder,
  })
  const sql = `SELECT 1 AS k, true AS b, 7::SMALLINT AS i2, -5::INTEGER AS i4, 9007199254740993::BIGINT AS i8, 0.1::REAL AS f4,
    CAST('NaN' AS DOUBLE PRECISION) AS f8, 1234567890123456.78::DECIMAL(18,2) AS d, 'é🦆'::VARCHAR AS t, NULL::VARCHAR AS n, '' AS e,
    DATE '2026-01-31' AS day, TIMESTAMP '2026-01-02 03:04:05.123456' AS ts, TIMESTAMPTZ '2026-01-02 03:04:05.5+02' AS tz,
    TIME '03:04:05.000001' AS tm, INTERVAL '1 month 2 days' AS iv, CAST('0195e4c5-0000-7000-8000-000000000001' AS UUID) AS u,
    CAST('{"k": [9007199254740993, null]}' AS JSON) AS j, ARRAY[1, NULL, 3] AS l, ARRAY['a', 'b,"'] AS lt`
  // Each engine has its own words.
  const withoutNative = ({ native: _, ...column }: Column) => column
  const all = async (from: Warehouse, folder: string) => {
    const path = join(folder, 'same.parquet')
    const { columns, rowCount } = await from.exportParquet({ sql, path })
    const { columns: described } = await from.describe(sql)
    const { rows } = await from.lookup({ sql, key: ['k'], values: [[1]] })
    const file = (await parquet.read(path, { columns })).rows
    return {
      columns: columns.map(withoutNative),
      rowCount,
      described: described.map(withoutNative),
      rows,
      file,
    }
  }
  expect(await all(warehouse, postgres.datasetsFolder)).toEqual(await all(duckdb, embedded.datasetsFolder))
  await parquet.close()
  await duckdb.close()
  await embedded.remove()
})

test('an export that is stopped as it begins ends its own connection, and nothing else', async () => {
  await postgres.execute('CREATE TABLE long AS SELECT n AS a, n AS b FROM generate_series(1, 300000) n')
  const path = join(postgres.datasetsFolder, 'stopped.parquet')
  for (let i = 0; i < 20; i++) {
    const controller = new AbortController()
    const onProgress = () => undefined
    const request = { sql: 'SELECT * FROM long', path, onProgress, signal: controller.signal }
    const stopped = expect(warehouse.exportParquet(request)).rejects.toThrow('stopped')
    for (let asked = 0; asked < i; asked++) await warehouse.ping()
    controller.abort(new Error('stopped'))
    await stopped
  }
  await warehouse.ping()
})
