// An entity taken from tables of PostgreSQL that refer to each other: in an order that the constraints allow, or told which of them stands in the way.

import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { createClient } from '../http/client.ts'
import { testLog } from '../parts.ts'
import { startPostgres } from '../servers/postgres.ts'

const folder = await createDataFolder('foreign-keys')
let server: Awaited<ReturnType<typeof startPostgres>>
let database: pg.Client
let app: Awaited<ReturnType<typeof createApp>>
let data: ReturnType<typeof createClient>['data']

/** `accounts` comes first by name, and goes last by what refers to it. */
const schema = `
  CREATE SCHEMA shop;
  CREATE TABLE shop.accounts (user_id text PRIMARY KEY, plan text);
  CREATE TABLE shop.orders (order_id int PRIMARY KEY, user_id text REFERENCES shop.accounts ON DELETE RESTRICT, total int);
  CREATE TABLE shop.notes (user_id text REFERENCES shop.accounts ON DELETE CASCADE, note text);
  CREATE TABLE shop.visits (user_id text REFERENCES shop.accounts DEFERRABLE INITIALLY DEFERRED, page text);
  CREATE TABLE shop.invoices (order_id int CONSTRAINT invoice_of_order REFERENCES shop.orders, paid boolean);
  CREATE TABLE shop.members (club_id text PRIMARY KEY);
  CREATE TABLE shop.shares (club_id text REFERENCES shop.members ON DELETE CASCADE, part int);
  CREATE TABLE shop.audits (club_id text, event text);
  CREATE FUNCTION shop.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE TRIGGER keep BEFORE DELETE ON shop.audits FOR EACH ROW EXECUTE FUNCTION shop.keep();
  INSERT INTO shop.accounts SELECT 'u' || n, 'free' FROM generate_series(1, 4) n;
  INSERT INTO shop.orders SELECT n, 'u' || (n % 4 + 1), n FROM generate_series(1, 8) n;
  INSERT INTO shop.notes SELECT 'u' || (n % 4 + 1), 'note ' || n FROM generate_series(1, 12) n;
  INSERT INTO shop.visits SELECT 'u' || (n % 4 + 1), 'page ' || n FROM generate_series(1, 4) n;
  INSERT INTO shop.invoices SELECT order_id, true FROM shop.orders WHERE user_id = 'u2';
  INSERT INTO shop.members VALUES ('c1'), ('c2');
  INSERT INTO shop.shares VALUES ('c1', 1), ('c1', 2), ('c2', 3);
  INSERT INTO shop.audits VALUES ('c1', 'founded'), ('c2', 'founded')`

beforeAll(async () => {
  server = await startPostgres()
  database = new pg.Client(server.url)
  await database.connect()
  await database.query(schema)
  const settings = { PORT: '0', DATA_DIR: folder.path, WAREHOUSE_URL: server.url }
  app = await createApp(parseConfig(settings), testLog(), { metrics: createMetrics() })
  data = createClient((await app.listen()).url).data
}, 120_000)

afterAll(async () => {
  await app?.close()
  await database?.end()
  await server?.stop()
  await folder.remove()
})

interface Erasure {
  tables: { name: string; rows: number }[]
  kept: { name: string; rows: number; reason: string }[]
}

async function erase(indexKey: string, indexValue: string): Promise<Erasure> {
  const { eraseEntity } = await data<{ eraseEntity: { id: string } }>(
    'mutation ($indexKey: String!, $indexValue: String!) { eraseEntity(indexKey: $indexKey, indexValue: $indexValue) { id } }',
    { indexKey, indexValue },
  )
  await app.services.publishing.wait(eraseEntity.id)
  const { publishJob } = await data<{ publishJob: { status: string; erasure: Erasure } }>(
    'query ($id: ID!) { publishJob(id: $id) { status erasure { tables { name rows } kept { name rows reason } } } }',
    { id: eraseEntity.id },
  )
  expect(publishJob.status).toBe('SUCCEEDED')
  return publishJob.erasure
}

async function counts(user: string): Promise<Record<string, number>> {
  const tables = ['accounts', 'orders', 'notes', 'visits']
  const { rows } = await database.query(
    `SELECT ${tables.map((table) => `(SELECT count(*)::int FROM shop.${table} WHERE user_id = $1) AS ${table}`).join(', ')}`,
    [user],
  )
  return rows[0] as Record<string, number>
}

test('what others refer to goes after them, and views over what a cascade took are in step', async () => {
  const { rows: notes } = await database.query("SELECT 1 FROM shop.notes WHERE user_id = 'u1'")
  expect(notes).toHaveLength(3)
  const { queryTrain } = await data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT user_id, note FROM shop.notes", queryName: "notes") { query { id } } }',
  )
  const lookup = `{ queryRealtime(queryId: "${queryTrain.query.id}", indexKey: "user_id", indexValue: "u1") { rows } }`
  expect((await data<{ queryRealtime: { rows: unknown[] } }>(lookup)).queryRealtime.rows).toHaveLength(3)
  const { tables, kept } = await erase('user_id', 'u1')
  expect(kept).toEqual([])
  expect(tables.sort((a, b) => a.name.localeCompare(b.name))).toEqual([
    { name: 'shop.accounts', rows: 1 },
    { name: 'shop.notes', rows: 3 },
    { name: 'shop.orders', rows: 2 },
    { name: 'shop.visits', rows: 1 },
  ])
  expect(await counts('u1')).toEqual({ accounts: 0, orders: 0, notes: 0, visits: 0 })
  expect((await data<{ queryRealtime: { rows: unknown[] } }>(lookup)).queryRealtime.rows).toEqual([])
})

test('a constraint that stands in the way is named, and a table that it holds is whole', async () => {
  const { tables, kept } = await erase('user_id', 'u2')
  expect(tables.map(({ name }) => name).sort()).toEqual(['shop.notes', 'shop.visits'])
  expect(kept.map(({ name, rows }) => ({ name, rows })).sort((a, b) => a.name.localeCompare(b.name))).toEqual(
    [
      { name: 'shop.accounts', rows: 1 },
      { name: 'shop.orders', rows: 2 },
    ],
  )
  expect(kept.find(({ name }) => name === 'shop.orders')?.reason).toContain('invoice_of_order')
  expect(kept.find(({ name }) => name === 'shop.accounts')?.reason).toContain('orders_user_id_fkey')
  expect(await counts('u2')).toEqual({ accounts: 1, orders: 2, notes: 0, visits: 0 })
  await database.query('DELETE FROM shop.invoices')
  expect((await erase('user_id', 'u2')).kept).toEqual([])
  expect(await counts('u2')).toEqual({ accounts: 0, orders: 0, notes: 0, visits: 0 })
})

test('rows that a cascade took before are counted, and those that a trigger keeps are not', async () => {
  const { tables, kept } = await erase('club_id', 'c1')
  expect(tables.sort((a, b) => a.name.localeCompare(b.name))).toEqual([
    { name: 'shop.audits', rows: 0 },
    { name: 'shop.members', rows: 1 },
    { name: 'shop.shares', rows: 2 },
  ])
  expect(kept).toMatchObject([{ name: 'shop.audits', rows: 1 }])
  expect((await database.query('SELECT club_id FROM shop.shares')).rows).toEqual([{ club_id: 'c2' }])
})
