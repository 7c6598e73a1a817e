// What is proven of statements over a user's own tables, views, macros and files, through all of which the plan looks.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Relation } from '../../src/sql/algebra.ts'
import { whyNotLocal } from '../../src/sql/locality.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

let folder: Awaited<ReturnType<typeof createWarehouseFolder>>
let warehouse: Warehouse

beforeAll(async () => {
  folder = await createWarehouseFolder()
  const file = join(folder.folder, 'own.duckdb')
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run(`
    CREATE TABLE marks (user_id VARCHAR, code INTEGER, x DOUBLE, doubled DOUBLE GENERATED ALWAYS AS (x * 2));
    CREATE TABLE wide (user_id BIGINT, s VARCHAR); CREATE TABLE narrow (user_id INTEGER, s VARCHAR);
    CREATE TABLE folded (user_id VARCHAR COLLATE NOCASE, s VARCHAR);
    CREATE TABLE floats (user_id DOUBLE, s VARCHAR);
    CREATE VIEW per_user AS SELECT user_id, count(*) AS n FROM marks GROUP BY user_id;
    CREATE VIEW renamed AS SELECT code::VARCHAR AS user_id, x FROM marks;
    CREATE VIEW drawn AS SELECT user_id, random() AS v FROM marks;
    CREATE VIEW sampled AS SELECT user_id FROM marks USING SAMPLE 50%;
    CREATE MACRO twice(v) AS v * 2; CREATE MACRO now_of(v) AS v || now()::VARCHAR;
    CREATE MACRO ranked() AS TABLE SELECT user_id, rank() OVER (ORDER BY x) AS r FROM marks`)
  connection.closeSync()
  instance.closeSync()
  await writeFile(join(folder.folder, 'texts.csv'), 'user_id,label\nu1,a\nu2,b\n')
  await writeFile(join(folder.folder, 'lines.ndjson'), '{"user_id": "u1", "score": 1}\n')
  const files = ['texts.csv', 'lines.ndjson'].map((name) => join(folder.folder, name))
  warehouse = await folder.open({ url: `duckdb:${file}`, files })
})

afterAll(async () => {
  await warehouse?.close()
  await folder?.remove()
})

const describe = (sql: string) => warehouse.describe(sql, { key: ['user_id'] })

const proven = [
  'SELECT * FROM per_user WHERE n > 1',
  'SELECT user_id, twice(x) AS x FROM marks',
  'SELECT user_id, doubled FROM marks',
  'SELECT w.user_id, n.s FROM wide w JOIN narrow n ON w.user_id = n.user_id',
  'SELECT user_id, label FROM files.texts',
  'SELECT t.user_id, l.score FROM files.texts t LEFT JOIN files.lines AS l USING (user_id)',
  'SELECT files.texts.user_id, n FROM per_user JOIN "files"."texts" ON texts.user_id = per_user.user_id',
  'WITH t AS (SELECT user_id, count(*) AS n FROM files.texts GROUP BY user_id) SELECT a.user_id, b.n FROM t a, t b WHERE a.user_id = b.user_id',
]

test.each(proven)('proven: %s', async (sql) => {
  expect(await describe(sql)).toMatchObject({ whyNotLocal: null, changing: null })
})

const unproven: [string, string, string | RegExp][] = [
  ['a view that renames', 'SELECT user_id, x FROM renamed', 'its user_id is not'],
  ['a key with a collation', 'SELECT user_id, s FROM folded', 'equal values'],
  ['a key of floats, of which 0 equals -0', 'SELECT user_id, s FROM floats', 'equal values'],
  [
    'a file’s rows all together',
    'SELECT user_id, rank() OVER (ORDER BY label) AS r FROM files.texts',
    'rank',
  ],
  [
    'a file joined by another column',
    'SELECT a.user_id FROM files.texts a JOIN files.texts b ON a.label = b.label',
    'other columns',
  ],
]

test.each(unproven)('not proven, with the reason: %s', async (_name, sql, reason) => {
  expect((await describe(sql)).whyNotLocal).toMatch(reason)
})

const changing: [string, string, string][] = [
  ['a view that draws', 'SELECT user_id, v FROM drawn', 'random()'],
  ['a view that samples', 'SELECT user_id FROM sampled', 'a sample'],
  ['a macro that asks the clock', 'SELECT user_id, now_of(user_id) AS t FROM marks', 'now()'],
]

test.each(changing)('%s changes from run to run, and is named', async (_name, sql, what) => {
  expect(await describe(sql)).toMatchObject({
    changing: what,
    determinism: { rows: { level: 'OPEN', note: expect.stringContaining(what) } },
  })
})

const joined = (count: number) =>
  `SELECT t0.user_id FROM marks t0 ${Array.from({ length: count }, (_, i) => `JOIN marks t${i + 1} ON t${i + 1}.user_id = t${i}.user_id`).join(' ')}`

test('large statements are proven', async () => {
  const unions = Array.from({ length: 300 }, () => 'SELECT user_id FROM marks').join(' UNION ALL ')
  const nested = Array.from({ length: 150 }).reduce<string>(
    (inner) => `SELECT user_id FROM (${inner}) q WHERE user_id > 'a'`,
    'SELECT user_id FROM marks',
  )
  for (const sql of [unions, nested, joined(30)]) expect((await describe(sql)).whyNotLocal).toBeNull()
}, 60_000)

test('more than a hundred joins are not looked into', () => {
  const table: Relation = { kind: 'table', name: 't', columns: ['user_id'], keyIndexes: [0], uniques: [] }
  const relation = Array.from({ length: 101 }).reduce<Relation>(
    (left) => ({ kind: 'join', type: 'SEMI', left, right: table, condition: null }),
    table,
  )
  expect(whyNotLocal(relation, [{ index: 0, name: 'user_id' }])).toBe('it has more than 100 joins')
})

test('a WITH of a file’s name stands before the file', async () => {
  const sql = 'WITH texts AS (SELECT label AS user_id FROM files.texts) SELECT user_id FROM texts'
  expect((await describe(sql)).whyNotLocal).toMatch('its user_id is not')
})
