// Values that break gateways: look-alikes of numbers and SQL, nulls, several rows, long text, microseconds, big integers.

import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { train } from '../../examples/client/features.ts'
import { createDataFolder } from '../data-folder.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { type Settings, startGateway } from './gateway.ts'
import { comparable, rowsByKey } from './rows.ts'
import { openStores, type Stores } from './stores.ts'

const long = 'x'.repeat(10_000)
const texts = [
  "' OR 1=1 --",
  '0012',
  '12',
  '1e3',
  'null',
  '',
  ' spaced ',
  '🦆🇪🇺',
  `${long}a`,
  `${long}b`,
  '"; DROP TABLE users',
  'é',
  'e\u0301',
  '%',
  '_',
  '\\',
  '\n',
]

const folder = await createDataFolder('tricky-values')
let stores: Stores
let gateway: Awaited<ReturnType<typeof startGateway>>

/** The table `files.tricky` as a file of Parquet; resolves to the setting that names it. */
async function writeFile(): Promise<Settings> {
  const file = join(folder.path, 'tricky.parquet')
  const duckdb = await DuckDBInstance.create()
  const connection = await duckdb.connect()
  await connection.run(`CREATE TABLE tricky AS SELECT * FROM (VALUES
    (1::INTEGER, 9007199254740993::BIGINT, '2026-01-02 03:04:05.123456'::TIMESTAMP, DATE '2026-01-02', 1.5::DOUBLE, 12.30::DECIMAL(18,2), true, [1, NULL, 3], {'a': 1, 'b': 'x'}, '{"k": 9007199254740993}'::JSON, encode('aé')),
    (2, -9223372036854775808, '2026-01-02 03:04:05.123457', '0001-01-01', 'NaN', 1234567890123456.78, false, [], {'a': NULL, 'b': ''}, 'null', ''),
    (3, 42, '1969-12-31 23:59:59.999999', '9999-12-31', '-Infinity', 0, NULL, NULL, NULL, NULL, NULL),
    (3, 43, '2026-01-02 03:04:05', '2026-01-02', -0.0, -0.01, true, [2147483648], {'a': 2, 'b': '🦆'}, '[1, 1.5, "x"]', '\\x00'::BLOB)
  ) t(small, big, "at", day, ratio, amount, flag, list, struct, document, bytes)`)
  await connection.run(`COPY tricky TO '${file}' (FORMAT parquet)`)
  connection.closeSync()
  duckdb.closeSync()
  return { WAREHOUSE_FILES: file }
}

/** The same table in PostgreSQL. */
async function createTable(url: string) {
  await execute(
    url,
    `CREATE SCHEMA files; CREATE TYPE files.pair AS (a int, b text);
    CREATE TABLE files.tricky (small int, big bigint, "at" timestamp, day date, ratio float8, amount numeric(18,2), flag boolean, list bigint[], struct files.pair, document json, bytes bytea);
    INSERT INTO files.tricky VALUES
    (1, 9007199254740993, '2026-01-02 03:04:05.123456', '2026-01-02', 1.5, 12.30, true, '{1, NULL, 3}', (1, 'x'), '{"k": 9007199254740993}', convert_to('aé', 'UTF8')),
    (2, -9223372036854775808, '2026-01-02 03:04:05.123457', '0001-01-01', 'NaN', 1234567890123456.78, false, '{}', (NULL, ''), 'null', ''),
    (3, 42, '1969-12-31 23:59:59.999999', '9999-12-31', '-Infinity', 0, NULL, NULL, NULL, NULL, NULL),
    (3, 43, '2026-01-02 03:04:05', '2026-01-02', '-0', -0.01, true, '{2147483648}', (2, '🦆'), '[1, 1.5, "x"]', '\\x00')`,
  )
}

beforeAll(async () => {
  stores = await openStores()
  const settings = await stores.create()
  if (settings.WAREHOUSE_URL === undefined) Object.assign(settings, await writeFile())
  else await createTable(settings.WAREHOUSE_URL)
  gateway = await startGateway(folder.path, settings)
})

afterAll(async () => {
  await gateway?.stop()
  await stores?.stop()
  await folder.remove()
})

/** Looks every value up twice, first through the warehouse and then online, against the training rows. */
async function expectParity(sql: string, name: string, indexKey: string, absent: readonly string[] = []) {
  const { query, dataset } = await train(gateway.typed, sql, name)
  const training = await rowsByKey(dataset.downloads.parquet.replace('.parquet', '.ndjson'), indexKey)
  expect(training.size).toBeGreaterThan(0)
  for (const source of ['WAREHOUSE', 'ONLINE']) {
    for (const result of await gateway.lookUp(query?.id ?? '', indexKey, [...training.keys(), ...absent])) {
      expect(result.source).toBe(source)
      const trained = training.get(result.indexValue) ?? []
      expect(comparable(result.rows)).toEqual(comparable(trained))
      expect(result.status).toBe(trained.length > 0 ? 'FRESH' : 'NOT_FOUND')
    }
  }
}

test('texts that look like numbers, SQL or nothing find exactly their own rows', async () => {
  const rows = texts.flatMap((text, i) => [
    { user_id: text, name: `name ${i}`, address: null, creation_date: i + 0.123456 },
    { user_id: text, name: null, address: text, creation_date: i },
  ])
  const { ingest } = await gateway.data<{ ingest: { id: string } }>(
    'mutation ($rows: JSON!) { ingest(table: "users", rows: $rows) { id } }',
    { rows: [...rows, { user_id: null, name: 'nobody' }] },
  )
  await gateway.services.publishing.wait(ingest.id)
  await expectParity('SELECT * FROM feature_store.users', 'users', 'user_id', [
    '12.0',
    'NULL',
    '013',
    'nobody',
    "'",
  ])
})

test.for(['small', 'big', 'at', 'day', 'amount', 'flag'])(
  'every column type survives, looked up by %s',
  async (key) => {
    await expectParity('SELECT * FROM files.tricky', 'tricky', key)
  },
)

test('the JSON of integers beyond 2^53, microseconds, NaN and long decimals loses nothing', async () => {
  const { query } = await train(gateway.typed, 'SELECT * FROM files.tricky', 'tricky')
  const [one, two, three] = await gateway.lookUp(query?.id ?? '', 'small', ['1', '2', '3'])
  expect(one?.rows).toEqual([
    {
      small: 1,
      big: '9007199254740993',
      at: '2026-01-02T03:04:05.123456Z',
      day: '2026-01-02',
      ratio: 1.5,
      amount: 12.3,
      flag: true,
      list: [1, null, 3],
      struct: { a: 1, b: 'x' },
      document: { k: '9007199254740993' },
      bytes: Buffer.from('aé').toString('base64'),
    },
  ])
  expect(two?.rows[0]).toMatchObject({
    big: '-9223372036854775808',
    ratio: null,
    amount: '1234567890123456.78',
  })
  expect(three?.rows).toHaveLength(2)
})

test.for([
  ['small', 'one'],
  ['small', "1' OR '1'='1"],
  ['big', '9223372036854775808'],
  ['at', 'yesterday'],
  ['flag', 'maybe'],
  ['day', '2026-13-01'],
  ['list', '[1]'],
  ['no_such_column', '1'],
])('index key %s with value %s is the caller’s mistake, never "no rows"', async ([indexKey, indexValue]) => {
  const { query } = await train(gateway.typed, 'SELECT * FROM files.tricky', 'tricky')
  const answer = await gateway.graphql(
    `query ($queryId: ID!, $indexKey: String!, $indexValue: String!) {
      queryRealtime(queryId: $queryId, indexKey: $indexKey, indexValue: $indexValue) { status error { code } }
    }`,
    { queryId: query?.id, indexKey, indexValue },
  )
  const found = answer.data?.queryRealtime as { status: string; error: { code: string } | null } | null
  expect(found?.error?.code ?? answer.errors?.[0]?.extensions?.code).toBe('BAD_USER_INPUT')
})
