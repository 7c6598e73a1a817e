// A PostgreSQL behind Trino's own connector: its tables in statements, beside those of the feature store, with every type that the connector knows.

import { Client } from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createTrinoFolder, trinoUrl } from './open.ts'

let subject: Awaited<ReturnType<typeof createTrinoFolder>>
let warehouse: Warehouse

beforeAll(async () => {
  const client = new Client({ connectionString: inject('trinoPostgresUrl') })
  await client.connect()
  await client.query(`CREATE SCHEMA shop;
    CREATE TABLE shop.kinds (user_id text, flag boolean, small smallint, whole integer, large bigint, short real, long double precision,
      price numeric(10,2), day date, at timestamp(6), moment timestamptz(6), bytes bytea, fields jsonb, id uuid, name varchar(20), code char(4));
    INSERT INTO shop.kinds VALUES
      ('ada', true, -5, 7, 9007199254740993, 0.5, 'NaN', 12345678.90, '1969-12-31', '2024-02-29 12:34:56.123456', '2024-02-29 12:34:56.123456+02',
        '\\x00ff10', '{"b": [1, null], "a": "é"}', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '😀 "q"', 'ab'),
      ('nobody', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
  await client.end()
  subject = await createTrinoFolder()
  warehouse = await subject.open(`${trinoUrl('kinds')}?rows=postgres`)
})

afterAll(async () => {
  await warehouse?.close()
  await subject?.remove()
})

test('every type arrives as from any other catalog', async () => {
  const sql = 'SELECT * FROM postgres.shop.kinds'
  const { rows, columns } = await warehouse.lookup({ sql, key: ['user_id'], values: [['ada'], ['nobody']] })
  expect(Object.fromEntries(columns.map(({ name, type }) => [name, type]))).toEqual({
    user_id: 'STRING',
    flag: 'BOOLEAN',
    small: 'INT32',
    whole: 'INT32',
    large: 'INT64',
    short: 'FLOAT64',
    long: 'FLOAT64',
    price: 'DECIMAL',
    day: 'DATE',
    at: 'TIMESTAMP',
    moment: 'TIMESTAMP',
    bytes: 'BYTES',
    fields: 'JSON',
    id: 'STRING',
    name: 'STRING',
    code: 'STRING',
  })
  const [ada, nobody] = ['ada', 'nobody'].map((user) => rows.find(([id]) => id === user))
  expect(ada).toEqual([
    'ada',
    true,
    -5,
    7,
    9007199254740993n,
    0.5,
    Number.NaN,
    12345678.9,
    '1969-12-31',
    '2024-02-29T12:34:56.123456Z',
    '2024-02-29T10:34:56.123456Z',
    Buffer.from([0x00, 0xff, 0x10]),
    { a: 'é', b: [1, null] },
    '6f9619ff-8b86-d011-b42d-00c04fc964ff',
    '😀 "q"',
    'ab',
  ])
  expect(nobody?.slice(1)).toEqual(Array.from({ length: 15 }, () => null))
})

test('its rows are joined with those that were appended', async () => {
  await warehouse.append({
    jobId: 'job_join',
    batch: 0,
    tables: [{ table: 'users', columns: ['user_id', 'name'], rows: [['ada', 'Ada']] }],
  })
  const sql =
    'SELECT u.user_id, u.name, k.price FROM feature_store.users u JOIN postgres.shop.kinds k ON k.user_id = u.user_id'
  const { rows } = await warehouse.lookup({ sql, key: ['user_id'], values: [['ada']] })
  expect(rows).toEqual([['ada', 'Ada', 12345678.9]])
})
