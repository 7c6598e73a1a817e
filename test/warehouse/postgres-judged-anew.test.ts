// Statements that were judged a while ago: judged anew where anything has changed that they were judged by, and only there.

import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { startPostgres } from '../servers/postgres.ts'
import { createPostgresWarehouseFolder, execute } from './open-postgres.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
let folder: Awaited<ReturnType<typeof createPostgresWarehouseFolder>>
let warehouse: Warehouse

beforeAll(async () => {
  // Its transactions would be counted as ours.
  server = await startPostgres({ settings: { autovacuum: 'off' } })
  folder = await createPostgresWarehouseFolder(
    server.url,
    `CREATE TABLE orders (user_id text, n int); INSERT INTO orders VALUES ('a', 1);
     CREATE VIEW latest AS SELECT user_id, n FROM orders;
     CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1'`,
  )
  warehouse = await folder.open()
})

afterEach(() => {
  vi.useRealTimers()
})

afterAll(async () => {
  await warehouse?.close()
  await server?.stop()
  await folder?.remove()
})

const key = ['user_id']
const values = [['a']]
const lookUp = (sql: string) => warehouse.lookup({ sql, key, values })

/** Judging writes to the catalog, within a transaction that is undone; a lookup writes nothing. */
async function writesOf(work: () => Promise<unknown>): Promise<number> {
  const next = async () => {
    const [row] = await execute(server.url, 'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next')
    return Number(row?.next)
  }
  const before = await next()
  await work()
  return (await next()) - before
}

function later() {
  const now = Date.now() + 61_000
  vi.useRealTimers()
  vi.useFakeTimers({ toFake: ['Date'], now })
}

test('Nothing is judged again while the catalog is the same, whatever rows and what sessions have for a while come and go', async () => {
  const sql = 'SELECT user_id, twice(n) AS n FROM latest'
  // What the catalog was is known for a second, in which this warehouse made its tables.
  later()
  expect(await writesOf(() => lookUp(sql))).toBe(1)
  // It is dropped when its session ends.
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await client.query(
    'CREATE TEMP TABLE passing (a int); INSERT INTO orders SELECT n::text, n FROM generate_series(1, 1000) n; ANALYZE orders',
  )
  later()
  expect(await writesOf(() => lookUp(sql))).toBe(0)
  const many = () =>
    warehouse.lookupMany?.({ key, values, statements: [{ sql }, { sql }] }) ?? Promise.reject()
  later()
  expect(await writesOf(many)).toBe(0)
  await client.end()
  await execute(server.url, 'CREATE TABLE another (a int)')
  later()
  expect(await writesOf(() => lookUp(sql))).toBe(1)
})

test.each([
  [
    'a view becomes one of the gateway’s own table',
    'CREATE OR REPLACE VIEW latest AS SELECT job_id AS user_id, 1 AS n FROM gateway.ledger',
  ],
  ['a function is no longer immutable', 'ALTER FUNCTION twice(int) VOLATILE'],
  [
    'a name finds another view first',
    'CREATE VIEW feature_store.latest AS SELECT job_id AS user_id, 1 AS n FROM gateway.ledger',
  ],
])('Once %s, the statement is refused', async (_, ddl) => {
  const database = `judged_${Date.now()}`
  await execute(server.url, `CREATE DATABASE ${database} TEMPLATE template0`)
  const url = server.databaseUrl(database)
  const own = await createPostgresWarehouseFolder(
    url,
    `CREATE SCHEMA feature_store; ALTER DATABASE ${database} SET search_path = feature_store, public;
     CREATE TABLE public.orders (user_id text, n int); INSERT INTO public.orders VALUES ('a', 1);
     CREATE VIEW public.latest AS SELECT user_id, n FROM public.orders;
     CREATE FUNCTION public.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1'`,
  )
  const opened = await own.open()
  try {
    const sql = 'SELECT user_id, twice(n) AS n FROM latest'
    const asked = { sql, key, values }
    expect((await opened.lookup(asked)).rows).toEqual([['a', 2]])
    await execute(url, ddl.replace('VIEW latest', 'VIEW public.latest'))
    later()
    await expect(opened.lookup(asked)).rejects.toMatchObject({ code: 'INVALID_SQL' })
    expect(await opened.lookupMany?.({ key, values, statements: [{ sql }] })).toEqual([null])
  } finally {
    await opened.close()
    await own.remove()
  }
})
