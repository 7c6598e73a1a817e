// What a statement on Trino reads, what it is refused for, and how its result comes.

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { choosePolicy } from '../../src/features/policy.ts'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import { createKeyType } from '../../src/values/entity-key.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createTrinoFolder, execute, trinoUrl } from './open.ts'

let subject: Awaited<ReturnType<typeof createTrinoFolder>>
let warehouse: Warehouse
let parquet: ParquetEngine

beforeAll(async () => {
  subject = await createTrinoFolder()
  warehouse = await subject.open(trinoUrl('reads'))
  const { datasetsFolder: folder } = subject
  parquet = await createParquetEngine({ folders: [folder], memoryMb: 512, temporaryFolder: folder })
  await execute('reads', 'CREATE TABLE reads.default.sales (id bigint, user_id varchar)')
  await execute(
    'reads',
    'CREATE VIEW reads.default.buyers AS SELECT s.user_id, u.name FROM reads.default.sales s JOIN reads.feature_store.users u ON u.user_id = s.user_id',
  )
  await execute(
    'reads',
    'CREATE VIEW reads.default.named AS SELECT user_id, name FROM reads.feature_store.users',
  )
  await execute(
    'reads',
    'CREATE VIEW reads.default.peeping AS SELECT count(*) AS a FROM reads.gateway.ledger',
  )
})

afterAll(async () => {
  await parquet?.close()
  await warehouse?.close()
  await subject?.remove()
})

const pathOf = (name: string) => join(subject.datasetsFolder, name)
const refusal = (sql: string) =>
  warehouse.describe(sql).then(
    () => null,
    (error: unknown) => error,
  )

test.for<[string, string, string[]]>([
  ['a view', 'SELECT * FROM default.buyers', ['default.sales', 'feature_store.users']],
  [
    'a condition that is never true',
    'SELECT id FROM default.sales WHERE 1 = 2 AND user_id IN (SELECT name FROM feature_store.users)',
    ['default.sales', 'feature_store.users'],
  ],
  [
    'a WITH that is not used',
    'WITH w AS (SELECT * FROM feature_store.policies) SELECT 1 AS a',
    ['feature_store.policies'],
  ],
  ['another catalog', 'SELECT name FROM tpch.tiny.nation', ['tpch.tiny.nation']],
])('the tables of %s are all named', async ([, sql, expected]) => {
  const { tables } = await warehouse.describe(sql)
  expect(tables.map(({ schema, name }) => `${schema}.${name}`).sort()).toEqual(expected)
})

test('a view that reads the gateway’s own tables is refused as they are', async () => {
  expect(await refusal('SELECT * FROM default.peeping')).toMatchObject({
    code: 'INVALID_SQL',
    message: expect.stringContaining('reads.gateway.ledger'),
  })
})

test.for([
  ['SELECT user_id, random() AS r FROM feature_store.users', 'random()'],
  ['SELECT user_id, now() AS r FROM feature_store.users', 'now()'],
  ['SELECT user_id, current_date AS r FROM feature_store.users', 'current_date'],
  [
    'SELECT user_id FROM feature_store.users WHERE creation_date < to_unixtime(LOCALTIMESTAMP)',
    'localtimestamp',
  ],
  ['SELECT user_id FROM feature_store.users TABLESAMPLE BERNOULLI (10)', 'a sample'],
  ['SELECT user_id, \'random() current_date\' AS "current_date" FROM feature_store.users -- now()', null],
] as const)('what changes from run to run is told: %s', async ([sql, changing]) => {
  expect((await warehouse.describe(sql, { key: ['user_id'] })).changing).toBe(changing)
})

test('a feature view is refreshed in full, with a note that says why', async () => {
  const sql = 'SELECT user_id, name FROM feature_store.users'
  const { columns } = await warehouse.describe(sql)
  const key = createKeyType(columns.slice(0, 1))
  const policy = await choosePolicy({ warehouse, sql, key, asked: 'AUTO' })
  expect(policy).toMatchObject({ refresh: 'FULL', refreshNote: expect.stringContaining('Trino') })
})

test('a column of a type that has no text is refused with a hint', async () => {
  expect(await refusal('SELECT approx_set(1) AS a')).toMatchObject({
    code: 'INVALID_SQL',
    message: expect.stringContaining('hyperloglog'),
  })
})

test.for([
  ['SELECT user_id\nFROM feature_store.users\nWHERE\n  nme = 1', 4, 3],
  ['SELECT user_id\nFROM feature_store.users\nGROUP name', 3, 7],
  ['SELECT length(1)', 1, 8],
  ['SELECT 1 AS a\nDROP TABLE x', 2, 1],
] as const)('a mistake is told with its line and column: %s', async ([sql, line, column]) => {
  expect(await refusal(sql)).toMatchObject({ code: 'INVALID_SQL', details: { line, column } })
})

test('a result of many pages arrives whole and in order, and its progress is the engine’s own', async () => {
  const seen: number[] = []
  const sql =
    'SELECT orderkey, linenumber, extendedprice, shipdate, comment FROM tpch.tiny.lineitem ORDER BY orderkey, linenumber'
  const { rowCount, columns } = await warehouse.exportParquet({
    sql,
    path: pathOf('lines.parquet'),
    onProgress: ({ fraction }) => {
      if (fraction !== null) seen.push(fraction)
    },
  })
  expect(rowCount).toBe(60_175n)
  const { rows } = await parquet.read(pathOf('lines.parquet'), { columns })
  const keys = rows.map((row) => Number(row[0]) * 10 + Number(row[1]))
  expect(keys).toEqual([...keys].sort((a, b) => a - b))
  const [[count, sum, price, days, letters] = []] = await execute(
    'reads',
    `SELECT count(*), sum(orderkey), CAST(sum(extendedprice) AS decimal(20,2)), sum(date_diff('day', DATE '1970-01-01', shipdate)), sum(length(comment)) FROM (${sql}) t`,
  )
  const add = (of: (row: (typeof rows)[number]) => number) => rows.reduce((sum, row) => sum + of(row), 0)
  expect({
    count: keys.length,
    sum: add((row) => Number(row[0])),
    price: add((row) => Number(row[2])).toFixed(2),
    days: add((row) => Date.parse(String(row[3])) / 86_400_000),
    letters: add((row) => String(row[4]).length),
  }).toEqual({ count, sum, price, days, letters })
  expect(seen.length).toBeGreaterThan(0)
  for (const fraction of seen) expect(fraction >= 0 && fraction <= 1).toBe(true)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
})

/** How often statements that hold a text have run, of those that read rows. */
async function runsOf(mark: string): Promise<string[]> {
  const begun = `SELECT query FROM system.runtime.queries WHERE query LIKE '%${mark}%' AND query LIKE 'SELECT c0 %' AND query NOT LIKE '%LIMIT 0'`
  return (await execute('reads', begun)).map(([query]) => String(query))
}

test.for<[string, string, boolean]>([
  ['tables of its own', 'reads.feature_store.users', true],
  ['a view that others made', 'default.named', false],
])(
  'an export reads what stood when it began, whatever is appended meanwhile: %s',
  async ([name, from, isPinned]) => {
    const other = await subject.open(trinoUrl('reads'))
    const mark = crypto.randomUUID()
    const append = (through: Warehouse, batch: number) =>
      through.append({
        jobId: mark,
        batch,
        tables: [{ table: 'users', columns: ['user_id', 'name'], rows: [[mark, String(batch)]] }],
      })
    await append(warehouse, 0)
    let appended: Promise<unknown> | undefined
    try {
      const { rowCount } = await warehouse.exportParquet({
        sql: `SELECT u.name, l.comment FROM tpch.tiny.lineitem l, ${from} u WHERE u.user_id = '${mark}'`,
        path: pathOf(`beside-${mark}.parquet`),
        onProgress() {
          appended ??= append(other, 1)
        },
      })
      await appended
      expect(appended, name).toBeDefined()
      // Never a mixture: begun again, it saw the new row beside each.
      if (!isPinned) expect([60_175n, 120_350n]).toContain(rowCount)
      else expect({ rowCount, runs: (await runsOf(mark)).length }).toEqual({ rowCount: 60_175n, runs: 1 })
    } finally {
      await other.close()
    }
  },
)

test.for<[string, boolean]>([
  ['SELECT user_id, name FROM feature_store.users WHERE MARK ORDER BY user_id', true],
  ['SELECT user_id, "name" FROM "Feature_Store"."users" WHERE MARK', true],
  ['SELECT users.user_id, users.name FROM reads.feature_store.users WHERE MARK', true],
  ['SELECT u.user_id, u.name FROM feature_store . users AS u /* of, */ WHERE MARK', true],
  [
    'SELECT "U".user_id, "U".name FROM (feature_store.users "U" CROSS JOIN (VALUES 1) v(one)) WHERE MARK',
    true,
  ],
  ['WITH users AS (SELECT * FROM feature_store.users) SELECT user_id, name FROM users WHERE MARK', true],
  [
    'WITH users AS (SELECT 1 AS one), other AS (SELECT * FROM feature_store.users) SELECT other.user_id, other.name FROM other, users WHERE MARK',
    true,
  ],
  [
    'SELECT user_id, name FROM feature_store.users WHERE MARK AND user_id IN (SELECT user_id FROM feature_store.users) LIMIT 5',
    true,
  ],
  ["SELECT user_id, ' FROM feature_store.users ' AS name FROM feature_store.users WHERE MARK", true],
  [
    'SELECT user_id, name FROM (SELECT * FROM feature_store.users UNION SELECT * FROM feature_store.users) WHERE MARK',
    true,
  ],
  ['SELECT feature_store.users.user_id, name FROM feature_store.users WHERE MARK', false],
  ['SELECT user_id, name FROM feature_store.users TABLESAMPLE BERNOULLI (100) WHERE MARK', false],
  ['SELECT user_id, name FROM default.named WHERE MARK', false],
])('however a statement names its tables, the rows are those of its views: %s', async ([shape, isPinned]) => {
  const mark = crypto.randomUUID()
  await warehouse.append({
    jobId: mark,
    batch: 0,
    tables: [
      {
        table: 'users',
        columns: ['user_id', 'name'],
        rows: [
          [`${mark}1`, 'one'],
          [`${mark}2`, null],
        ],
      },
    ],
  })
  const sql = shape.replace('MARK', `user_id LIKE '${mark}%'`)
  const path = pathOf(`shape-${mark}.parquet`)
  const { columns } = await warehouse.exportParquet({ sql, path })
  const sorted = (rows: readonly (readonly unknown[])[]) => rows.map((row) => JSON.stringify(row)).sort()
  const { rows } = await parquet.read(path, { columns })
  expect(sorted(rows)).toEqual(sorted(await execute('reads', sql)))
  if (shape.includes('ORDER BY')) expect(rows.map(([id]) => id)).toEqual([`${mark}1`, `${mark}2`])
  const queries = (await runsOf(mark)).map((query) => query.includes('pinned_'))
  expect([...new Set(queries)]).toEqual([isPinned])
  const { batches } = await warehouse.scan({ sql, key: ['user_id'] })
  const scanned: (readonly unknown[])[] = []
  for await (const batch of batches) scanned.push(...batch)
  expect(sorted(scanned)).toEqual(sorted(rows))
})

test('keys of a table in another catalog are looked up by literals that it can search by', async () => {
  const sql = 'SELECT orderkey, orderdate, totalprice FROM tpch.tiny.orders'
  const { rows } = await warehouse.lookup({ sql, key: ['orderkey'], values: [[1], [7], [999_999_999]] })
  expect(rows.map((row) => row[0]).sort()).toEqual([1, 7])
  const [[day] = []] = [rows.map((row) => row[1])]
  const onDay = await warehouse.lookup({ sql, key: ['orderdate'], values: [[day ?? '']] })
  expect(onDay.rows.length).toBeGreaterThan(0)
  expect(onDay.rows.every((row) => row[1] === day)).toBe(true)
})
