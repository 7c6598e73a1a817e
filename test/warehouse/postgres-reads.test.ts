// What a statement on PostgreSQL reads: through views, partitions and policies, and whatever the planner makes of it.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createParquetEngine } from '../../src/parquet/engine.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { type PostgresWarehouse, startPostgresWarehouse } from './open-postgres.ts'

const savedSql = `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time FROM feature_store.quotes Q LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`

let postgres: PostgresWarehouse
let warehouse: Warehouse

beforeAll(async () => {
  postgres = await startPostgresWarehouse()
  warehouse = postgres.warehouse
  await postgres.execute(`CREATE TABLE sales (id int PRIMARY KEY, user_id text, amount numeric(9,2)) PARTITION BY RANGE (id);
     CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM (0) TO (100);
     CREATE VIEW buyers AS SELECT s.user_id, u.name FROM sales s JOIN feature_store.users u ON u.user_id = s.user_id;
     CREATE VIEW big_buyers AS SELECT * FROM buyers WHERE name IS NOT NULL;
     CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(amount) AS total FROM sales GROUP BY user_id;
     CREATE TABLE archive () INHERITS (feature_store.users);
     CREATE TABLE allowed (name text); CREATE TABLE guarded (user_id text);
     ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
     CREATE POLICY p ON guarded USING (user_id IN (SELECT name FROM allowed));
     CREATE VIEW peeping AS SELECT version FROM gateway.version;
     CREATE VIEW sleeping AS SELECT pg_sleep(1)::text AS a;
     INSERT INTO sales VALUES (1, 'u1', 5)`)
})

afterAll(() => postgres?.stop())

/** Of a table that has children or partitions, or is one, all of them: a row may come in by each. */
const buyersAndSales = ['feature_store.users', 'public.archive', 'public.sales', 'public.sales_1']

test.for<[string, string, string[]]>([
  ['a view of views', 'SELECT * FROM big_buyers', buyersAndSales],
  [
    'a join that the planner removes',
    'SELECT s.id FROM sales s LEFT JOIN (SELECT DISTINCT user_id FROM feature_store.users) u ON u.user_id = s.user_id',
    buyersAndSales,
  ],
  [
    'a condition that is never true',
    'SELECT id FROM sales WHERE false OR (1 = 2 AND user_id IN (SELECT name FROM feature_store.users))',
    buyersAndSales,
  ],
  [
    'a WITH that is not used',
    'WITH w AS (SELECT 1 FROM feature_store.policies) SELECT 1 AS a',
    ['feature_store.policies'],
  ],
  ['a partition', 'SELECT id FROM sales_1', ['public.sales', 'public.sales_1']],
  [
    'a table with children',
    'SELECT user_id FROM feature_store.users',
    ['feature_store.users', 'public.archive'],
  ],
  [
    'a child of a table that takes appends',
    'SELECT user_id FROM archive',
    ['feature_store.users', 'public.archive'],
  ],
  ['a materialized view', 'SELECT * FROM totals', ['public.totals']],
  ['what a policy reads', 'SELECT * FROM guarded', ['public.allowed', 'public.guarded']],
  [
    'the saved statement',
    savedSql,
    ['feature_store.policies', 'feature_store.quotes', 'feature_store.transactions'],
  ],
  ['a function in FROM', 'SELECT n FROM generate_series(1, 3) n', []],
])('every base table counts: %s', async ([, sql, expected]) => {
  const { tables } = await warehouse.describe(sql)
  expect(tables.map(({ schema, name }) => `${schema}.${name}`).sort()).toEqual(expected)
})

test.for(['SELECT * FROM peeping', 'SELECT * FROM sleeping'])(
  'a view opens no way around the rules: %s',
  async (sql) => {
    await expect(warehouse.describe(sql)).rejects.toMatchObject({ code: 'INVALID_SQL' })
  },
)

test('names and texts that imitate the server’s own tree change nothing', async () => {
  const sql = `SELECT id AS ":relid 1259 :funcid 2626", ':relid 1259 {ROWMARKCLAUSE ' AS b FROM sales`
  const { tables } = await warehouse.describe(sql)
  const columns = ['id', 'user_id', 'amount']
  expect(tables.toSorted((a, b) => a.name.localeCompare(b.name))).toMatchObject([
    { schema: 'public', name: 'sales', columns },
    { schema: 'public', name: 'sales_1', columns },
  ])
})

test('judging leaves nothing behind in the database', async () => {
  const [row] = await postgres.execute(
    "SELECT count(*)::int AS n FROM pg_class WHERE relname LIKE 'gateway_judged%'",
  )
  expect(row).toEqual({ n: 0 })
})

test('the saved statement is looked up by its key over indexes, each value for itself, and gives the training rows', async () => {
  const ids = Array.from({ length: 3000 }, (_, i) => `u${i}`)
  await warehouse.append({
    jobId: 'saved',
    batch: 0,
    tables: [
      {
        table: 'quotes',
        columns: ['user_id', 'is_binded', 'creation_date'],
        rows: ids.map((id) => [id, true, 1.5]),
      },
      {
        table: 'policies',
        columns: ['user_id', 'purchase_time'],
        rows: ids.slice(0, 2000).map((id) => [id, 2.5]),
      },
      {
        table: 'transactions',
        columns: ['user_id', 'transaction_id', 'successful', 'card_type'],
        rows: ids.slice(0, 1000).flatMap((id) => [
          [id, 't1', false, 'debit'],
          [id, 't2', true, 'credit'],
        ]),
      },
    ],
  })
  for (const count of [1, 2, 100, 3000]) {
    const { rows } = await warehouse.lookup({
      sql: savedSql,
      key: ['user_id'],
      values: ids.slice(0, count).map((id) => [id]),
    })
    expect(rows).toHaveLength(count + Math.min(count, 1000))
  }
  const { rows } = await warehouse.lookup({
    sql: savedSql,
    key: ['user_id'],
    values: [['u1'], ['u1500'], ['u2500']],
  })
  expect([...rows].sort()).toEqual([
    ['u1', true, 1.5, null, 'credit', 1, 2.5],
    ['u1', true, 1.5, null, 'debit', 1, 2.5],
    ['u1500', true, 1.5, null, null, null, 2.5],
    ['u2500', true, 1.5, null, null, null, null],
  ])
})

test('a table that gains a column meanwhile answers with it, and never shifts a value', async () => {
  const sql = 'SELECT * FROM sales'
  const first = await warehouse.lookup({ sql, key: ['id'], values: [[1]] })
  expect(first.rows).toEqual([[1, 'u1', 5]])
  await postgres.execute('ALTER TABLE sales ADD COLUMN note text; UPDATE sales SET note = id::text')
  const second = await warehouse.lookup({ sql, key: ['id'], values: [[1]] })
  expect(second.columns.map(({ name }) => name)).toEqual([...first.columns.map(({ name }) => name), 'note'])
  expect(second.rows).toEqual([[1, 'u1', 5, '1']])
})

test('an array of several dimensions is refused on every path, with what to write instead', async () => {
  const sql = 'SELECT 1 AS k, ARRAY[[1, 2], [3, 4]] AS v'
  const path = `${postgres.datasetsFolder}/dimensions.parquet`
  await expect(warehouse.lookup({ sql, key: ['k'], values: [[1]] })).rejects.toThrow(/to_jsonb/)
  await expect(warehouse.exportParquet({ sql, path })).rejects.toThrow(/to_jsonb/)
})

test('a numeric that is not a number is refused on every path where its type has a precision', async () => {
  const sql = "SELECT 1 AS k, 'NaN'::numeric(9,2) AS v"
  const path = `${postgres.datasetsFolder}/nan.parquet`
  await expect(warehouse.lookup({ sql, key: ['k'], values: [[1]] })).rejects.toMatchObject({
    code: 'INVALID_SQL',
  })
  await expect(warehouse.exportParquet({ sql, path })).rejects.toMatchObject({ code: 'INVALID_SQL' })
})

test('rows of a few bytes and of megabytes are exported as they are, wherever the connection cuts them', async () => {
  const sql = `SELECT n::int4 AS n, CASE WHEN n % 20000 = 0 THEN repeat('é,"' || n || E'"\\n', 900000) ELSE 'x' || n END AS t FROM generate_series(1, 60000) n`
  const path = `${postgres.datasetsFolder}/lengths.parquet`
  const { rowCount, columns } = await warehouse.exportParquet({ sql, path })
  expect(rowCount).toBe(60_000n)
  const parquet = await createParquetEngine({
    folders: [postgres.datasetsFolder],
    memoryMb: 512,
    temporaryFolder: postgres.datasetsFolder,
  })
  try {
    const { rows } = await parquet.read(path, { columns })
    const wrong = rows.filter(([n, t]) => {
      const text = Number(n) % 20_000 === 0 ? `é,"${n}"\n`.repeat(900_000) : `x${n}`
      return t !== text
    })
    expect([rows.length, wrong]).toEqual([60_000, []])
  } finally {
    await parquet.close()
  }
})

test('a row longer than 16 MB is refused with what it is, and leaves the connections in order', async () => {
  const sql = "SELECT 1 AS k, repeat('x', 17000000) AS t"
  const path = `${postgres.datasetsFolder}/long.parquet`
  await expect(warehouse.exportParquet({ sql, path })).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: expect.stringMatching(/row is longer than 16 MB/),
  })
  expect((await warehouse.exportParquet({ sql: 'SELECT 1 AS k', path })).rowCount).toBe(1n)
})
