// Two gateways on one PostgreSQL and one Redis keep views fresh as one does, also when one of them is killed in the middle.

import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { spawnGateway } from '../e2e/gateway.ts'
import { createFolder } from '../servers/child.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { execute } from '../warehouse/open-postgres.ts'

type Gateway = Awaited<ReturnType<typeof spawnGateway>>

const everySeconds = 5
/** What a table tells is followed within two seconds; this machine may be busy. */
const soonMs = 15_000
const names = ['a', 'b'] as const
type Name = (typeof names)[number]

let postgres: Awaited<ReturnType<typeof startPostgres>>
let redis: Awaited<ReturnType<typeof startRedis>>
const folders: Awaited<ReturnType<typeof createFolder>>[] = []
const gateways = new Map<Name, Gateway>()
let warehouse: string

async function spawn(name: Name) {
  const folder = await createFolder('fresh-gateways')
  folders.push(folder)
  const gateway = await spawnGateway(folder.path, {
    CATALOG_URL: postgres.databaseUrl('catalog'),
    WAREHOUSE_URL: `${warehouse}?application_name=${name}`,
    ONLINE_URL: redis.url,
  })
  gateways.set(name, gateway)
  return gateway
}

function at(name: Name): Gateway {
  const gateway = gateways.get(name)
  if (gateway === undefined) throw new Error(`There is no gateway ${name}`)
  return gateway
}

const write = (sql: string) => execute(warehouse, sql)
const other = (name: Name): Name => (name === 'a' ? 'b' : 'a')

beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  await execute(postgres.url, 'CREATE DATABASE catalog')
  await execute(postgres.url, 'CREATE DATABASE warehouse')
  warehouse = postgres.databaseUrl('warehouse')
  await write(`CREATE SCHEMA sales;
    CREATE TABLE sales.totals (user_id text, total int);
    INSERT INTO sales.totals VALUES ('u1', 1);
    CREATE TABLE sales.orders (user_id text, total int);
    INSERT INTO sales.orders SELECT 'u' || n, 1 FROM generate_series(1, 300) n;`)
  await spawn('a')
  await write(await readFile(new URL('../../docs/postgres-signs.sql', import.meta.url), 'utf8'))
  await write("SELECT gateway.follow('sales.orders', 'user_id')")
  await spawn('b')
})

afterAll(async () => {
  await Promise.all([...gateways.values()].map((gateway) => gateway.kill()))
  await Promise.all([postgres?.stop(), redis?.stop()])
  for (const folder of folders) await folder.remove()
})

async function createView(name: string, sql: string, args: string): Promise<string> {
  const { queryTrain } = await at('a').data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($name: String!, $sql: String!) { queryTrain(queryName: $name, query: $sql) { query { id } } }',
    { name, sql },
  )
  const queryId = queryTrain.query.id
  await at('a').data(
    `mutation { createFeatureView(name: "${name}", queryId: "${queryId}", indexKey: "user_id", ${args}) { id } }`,
  )
  return queryId
}

/** What the gateway serves, from the online store alone. */
async function served(name: Name, queryId: string, user: string) {
  const [result] = await at(name).lookUp(queryId, 'user_id', [user])
  return { status: result?.status, total: Number(result?.rows[0]?.total ?? 0) }
}

test('A schedule is kept once for both, and goes on when one of them is killed', {
  timeout: 300_000,
}, async () => {
  const queryId = await createView(
    'scheduled',
    'SELECT user_id, total FROM sales.totals',
    `refreshEvery: "${everySeconds}s"`,
  )
  const total = (name: Name) => async () => (await served(name, queryId, 'u1')).total
  for (const name of names) await expect.poll(total(name), { timeout: 60_000 }).toBe(1)
  for (const next of [2, 3]) {
    await write(`UPDATE sales.totals SET total = ${next}`)
    await expect.poll(total('b'), { timeout: 60_000 }).toBe(next)
    expect(await total('a')()).toBe(next)
  }
  await at('a').kill()
  await write('UPDATE sales.totals SET total = 4')
  await expect.poll(total('b'), { timeout: 120_000 }).toBe(4)
  await spawn('a')
  await write('UPDATE sales.totals SET total = 5')
  for (const name of names) await expect.poll(total(name), { timeout: 60_000 }).toBe(5)
  const all = await pauses()
  expect(all.length).toBeGreaterThanOrEqual(2)
  expect(Math.min(...all)).toBeGreaterThan(everySeconds * 0.7)
})

/** In seconds, between the times that the schedule had the view computed anew. */
async function pauses(): Promise<number[]> {
  const rows = await write(`SELECT pause::float FROM (
    SELECT extract(epoch FROM committed_at - lag(committed_at) OVER (ORDER BY committed_at)) AS pause
    FROM gateway.ledger WHERE job_id LIKE 'change-%') p WHERE pause IS NOT NULL`)
  return rows.map(({ pause }) => Number(pause))
}

test('A notice that a killed gateway was at is taken up by the other at once, and loses nothing', {
  timeout: 300_000,
}, async () => {
  const queryId = await createView(
    'noticed',
    'SELECT user_id, sum(total) AS total FROM sales.orders GROUP BY user_id',
    'refresh: BY_KEY',
  )
  for (const name of names)
    await expect
      .poll(() => served(name, queryId, 'u7'), { timeout: 60_000 })
      .toEqual({ status: 'FRESH', total: 1 })
  for (const round of [1, 2]) {
    const users = Array.from({ length: 20 }, (_, i) => `u${100 * round + i}`)
    // Whoever follows the change waits with what it has taken.
    const held = new pg.Client({ connectionString: warehouse })
    await held.connect()
    await held.query('BEGIN; UPDATE gateway.version SET version = version')
    await write(`UPDATE sales.orders SET total = 9 WHERE user_id = ANY('{${users.join(',')}}')`)
    await expect.poll(whoWaits, { timeout: 60_000 }).toHaveLength(1)
    const [taker] = await whoWaits()
    if (taker === undefined) throw new Error('Nobody waits any more')
    await at(taker).kill()
    await held.end()
    const left = other(taker)
    for (const user of users)
      await expect
        .poll(() => served(left, queryId, user), { timeout: soonMs })
        .toEqual({ status: 'FRESH', total: 9 })
    await expect.poll(() => write('SELECT id FROM gateway.table_change'), { timeout: soonMs }).toEqual([])
    await spawn(taker)
  }
})

async function whoWaits(): Promise<Name[]> {
  const rows = await write(`SELECT DISTINCT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name IN ('a', 'b')`)
  return rows.map((row) => row.application_name as Name)
}
