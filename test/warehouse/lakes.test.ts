// Tables of lakehouses beside the warehouse's own: what is read of them, when, and that no statement gets at more by the extensions that read them.

import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { ConfigError } from '../../src/config/config-error.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { openLake } from '../servers/lake.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

const subject = await createWarehouseFolder()
const at = join(subject.folder, 'lake')
const delta = join(at, 'payments')
const iceberg = join(at, 'iceberg/shop/orders')
const ducklake = join(at, 'meta.ducklake')
const files = [`delta:${delta}`, `iceberg:${iceberg}`, `ducklake:${ducklake}`]
let lake: Awaited<ReturnType<typeof openLake>>
let writer: Awaited<ReturnType<(typeof lake)['openEngine']>>
let warehouse: Warehouse

beforeAll(async () => {
  lake = await openLake()
  await mkdir(join(at, 'iceberg'), { recursive: true })
  await lake.writeDelta(delta, "[{'id': 1, 'n': 1.5}, {'id': 2, 'n': None}, {'id': 3, 'n': 3.5}]")
  await lake.deleteDelta(delta, 'id = 1')
  await lake.writeIceberg(join(at, 'iceberg'), "[{'id': 1, 'n': 1.5}, {'id': 2, 'n': None}]")
  writer = await lake.openEngine(['ducklake'])
  await writer.rows(`ATTACH 'ducklake:${ducklake}' AS lake`)
  await writer.rows('CREATE TABLE lake.users AS SELECT i AS id, i * 2 AS n FROM range(1, 1001) t(i)')
  await writer.rows('DELETE FROM lake.users WHERE id = 1')
  warehouse = await subject.open({ files, extensions: [lake.extensions] })
}, 600_000)

afterAll(async () => {
  await warehouse?.close()
  writer?.close()
  await subject.remove()
})

const find = async (sql: string, id: number) =>
  (await warehouse.lookup({ sql, key: ['id'], values: [[id]] })).rows
const count = async (table: string) => {
  const sql = `SELECT 0 AS id, count(*)::INTEGER AS n FROM ${table}`
  return Number((await find(sql, 0))[0]?.[1])
}

test('Delta, Iceberg and DuckLake tables are read with their deletions, as tables by their names', async () => {
  expect(await find('SELECT * FROM files.payments', 1)).toEqual([])
  expect(await find('SELECT * FROM files.payments', 2)).toEqual([[2, null]])
  expect(await find('SELECT * FROM files.orders', 1)).toEqual([[1, 1.5]])
  expect(await find('SELECT * FROM files.users', 1)).toEqual([])
  expect(await find('SELECT * FROM files.users', 2)).toEqual([[2, 4]])
  const listed = (await warehouse.tables()).filter(({ schema }) => schema === 'files')
  expect(listed.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
    'FILE orders',
    'FILE payments',
    'FILE users',
  ])
})

test('what a statement over them promises, and which keys its rows are of, is proven as of other tables', async () => {
  const sql =
    'SELECT id, p.n, o.n AS m, u.n AS k FROM files.payments p JOIN files.orders o USING (id) JOIN files.users u USING (id)'
  const described = await warehouse.describe(sql, { key: ['id'] })
  expect(described.tables.map(({ schema, name }) => `${schema}.${name}`).sort()).toEqual([
    'files.orders',
    'files.payments',
    'files.users',
  ])
  expect(described).toMatchObject({ changing: null, whyNotLocal: null })
  expect(described.determinism?.rows).toEqual((await warehouse.describe('SELECT 1 AS id')).determinism?.rows)
  const { rowCount } = await warehouse.exportParquet({ sql, path: join(subject.datasetsFolder, 'a.parquet') })
  expect(rowCount).toBe(1n)
})

test('a new version of each is read at once, also while its writer has it open', async () => {
  const before = await Promise.all(['files.payments', 'files.orders', 'files.users'].map(count))
  await lake.writeDelta(delta, "[{'id': 4, 'n': 4.5}]")
  await lake.writeIceberg(join(at, 'iceberg'), "[{'id': 3, 'n': 3.5}]")
  for (let id = 2000; id < 2004; id++) {
    await writer.rows(`INSERT INTO lake.users VALUES (${id}, 1)`)
    expect(await find('SELECT * FROM files.users', id)).toEqual([[id, 1]])
  }
  const after = await Promise.all(['files.payments', 'files.orders', 'files.users'].map(count))
  expect(after.map((now, i) => now - (before[i] ?? 0))).toEqual([1, 1, 4])
  await writer.rows('ALTER TABLE lake.users ADD COLUMN more VARCHAR')
  await writer.rows('CREATE TABLE lake.late AS SELECT 1 AS id')
  expect(await find('SELECT * FROM files.users', 2000)).toEqual([[2000, 1, null]])
  expect(await find('SELECT * FROM files.late', 1)).toEqual([[1]])
})

test('each new version is a sign of change, told until it is taken care of', async () => {
  const read = async () => warehouse.signs?.read(async () => [])
  await (await read())?.done()
  expect(await read()).toBeNull()
  await lake.writeDelta(delta, "[{'id': 5, 'n': 4.5}]")
  await lake.writeIceberg(join(at, 'iceberg'), "[{'id': 5, 'n': 3.5}]")
  await writer.rows('INSERT INTO lake.users VALUES (5000, 1, NULL)')
  const told = async () => (await read())?.changes.map(({ table }) => table).sort()
  const all = ['files.late', 'files.orders', 'files.payments', 'files.users']
  expect(await told()).toEqual(all)
  expect(await told()).toEqual(all)
  await (await read())?.done()
  expect(await read()).toBeNull()
})

test('a table that is written anew with other columns is read by them', async () => {
  await lake.writeDelta(join(at, 'other'), "[{'id': 1, 'n': 1}]")
  const own = await createWarehouseFolder()
  onTestFinished(own.remove)
  const open = await own.open({ files: [`delta:${join(at, 'other')}`], extensions: [lake.extensions] })
  onTestFinished(() => open.close())
  const sql = 'SELECT * FROM files.other'
  const typesOf = async () => (await open.describe(sql)).columns.map(({ name, type }) => `${name} ${type}`)
  expect(await typesOf()).toEqual(['id INT64', 'n INT64'])
  const anew = "mode='overwrite', schema_mode='overwrite'"
  await lake.writeDelta(join(at, 'other'), "[{'id': 'x', 'm': 1.5}]", anew)
  expect(await typesOf()).toEqual(['id STRING', 'm FLOAT64'])
})

/** Places in which a call may stand: of a table function first, of any other then. */
const tableShapes = [
  (call: string) => `SELECT * FROM ${call}`,
  (call: string) => `SELECT 1 AS a WHERE EXISTS (FROM ${call})`,
  (call: string) => `SELECT (SELECT count(*) FROM ${call}) AS a`,
  (call: string) => `WITH t AS MATERIALIZED (FROM ${call}) SELECT 1 AS a FROM t`,
  (call: string) => `SELECT 1 AS a UNION ALL SELECT 2 FROM ${call}`,
  (call: string) => `SELECT u.id FROM files.users u, LATERAL (SELECT * FROM ${call}) l`,
  (call: string) => `SELECT list_transform([1], lambda x: (SELECT count(*) FROM ${call})) AS a`,
  (call: string) => `PIVOT (FROM ${call}) ON 1 IN (1) USING count(*)`,
  (call: string) => `PREPARE p AS FROM ${call}`,
  (call: string) => `CREATE VIEW feature_store.v AS FROM ${call}`,
  (call: string) => `COPY (FROM ${call}) TO '/tmp/never.csv'`,
  (call: string) => `SELECT 1; FROM ${call}`,
]
const plainShapes = [
  (call: string) => `SELECT ${call} AS a`,
  (call: string) => `SELECT id FROM files.users WHERE ${call} IS NOT NULL`,
  (call: string) => `SELECT id FROM files.users ORDER BY ${call}`,
  (call: string) => `SELECT id, row_number() OVER (ORDER BY ${call}) AS n FROM files.users`,
  (call: string) => `SELECT count(*) FILTER (WHERE ${call} IS NULL) AS n FROM files.users`,
  (call: string) => `SELECT list_transform([1], lambda x: ${call}) AS a`,
  (call: string) => `FROM (VALUES (${call})) t(a)`,
  (call: string) => `SELECT * FROM range(length(${call}::VARCHAR)) t(a)`,
]

test('no function of an extension, nor of what reads files, is to be had in any place of a statement', async () => {
  const plain = await lake.openEngine([])
  const loaded = await lake.openEngine(['avro', 'delta', 'iceberg', 'ducklake'])
  const named = 'SELECT DISTINCT lower(function_name) FROM duckdb_functions()'
  const own = new Set((await plain.rows(named)).map(String))
  const brought = (await loaded.rows(named)).map(String).filter((name) => !own.has(name))
  for (const engine of [plain, loaded]) engine.close()
  expect(brought).toEqual(
    expect.arrayContaining(['delta_scan', 'iceberg_scan', 'ducklake_scan', 'write_blob']),
  )
  const others = [
    'read_parquet',
    'read_csv',
    'read_blob',
    'read_text',
    'glob',
    'sniff_csv',
    'sqlite_scan',
    'postgres_scan',
  ]
  const outside = join(subject.folder, 'escaped')
  let statements = 0
  for (const name of [...brought, ...others]) {
    for (const shape of [...tableShapes, ...plainShapes]) {
      for (const call of [
        `${name}('${outside}')`,
        `${name}('${outside}', 'x')`,
        `system.main."${name}"('${outside}')`,
      ]) {
        statements += 1
        const judged = warehouse.describe(shape(call))
        await expect(judged, shape(call)).rejects.toMatchObject({ code: 'INVALID_SQL' })
      }
    }
  }
  expect(statements).toBeGreaterThan(2000)
  expect(existsSync(outside)).toBe(false)
}, 600_000)

test('no statement names a lake’s catalog, a file, or a copy of a catalog', async () => {
  for (const from of [
    'gateway_lake_1.main.users',
    '__ducklake_metadata_gateway_lake_1.main.ducklake_metadata',
    `'${iceberg}/metadata'`,
    `"${delta}"`,
    `"delta:${delta}"`,
    "'s3://bucket/a.parquet'",
    `'${ducklake}'`,
  ])
    await expect(warehouse.describe(`SELECT * FROM ${from}`), from).rejects.toMatchObject({
      code: 'INVALID_SQL',
    })
})

test('views and macros that the database’s owner made do not call extensions for users', async () => {
  const own = await createWarehouseFolder()
  onTestFinished(own.remove)
  const file = join(own.folder, 'mine.duckdb')
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run('CREATE TABLE plain AS SELECT 1 AS id')
  await connection.run('CREATE VIEW of_plain AS SELECT * FROM plain; CREATE MACRO double(x) AS 2 * x')
  await connection
    .run(`CREATE MACRO write(x) AS write_blob('${own.folder}/escaped', x)`)
    .catch(() => undefined)
  await connection.run(
    "CREATE MACRO files() AS (SELECT count(*) FROM glob('/*')); CREATE MACRO indirect() AS files()",
  )
  await connection.run("CREATE VIEW of_files AS SELECT * FROM glob('/*')")
  connection.closeSync()
  instance.closeSync()
  const open = await own.open({
    url: `duckdb:${file}`,
    files: [`delta:${delta}`],
    extensions: [lake.extensions],
  })
  onTestFinished(() => open.close())
  expect((await open.describe('SELECT double(id) AS d FROM of_plain')).columns).toHaveLength(1)
  for (const sql of [
    "SELECT write('x') AS a",
    'SELECT files() AS a',
    'SELECT indirect() AS a',
    'SELECT * FROM of_files',
  ])
    await expect(open.describe(sql), sql).rejects.toMatchObject({ code: 'INVALID_SQL' })
})

test.for<[string, () => { files: string[]; extensions?: string[] }, RegExp]>([
  [
    'an extension that is missing',
    () => ({ files: [`delta:${delta}`], extensions: [subject.folder] }),
    /WAREHOUSE_FILES=delta:.* needs DuckDB's extension delta of version 1\.\d+\.\d+, and it is not in .*pip install --target/,
  ],
  ['a folder without a Delta table', () => ({ files: [`delta:${at}`] }), /holds no Delta table/],
  ['a folder without an Iceberg table', () => ({ files: [`iceberg:${at}`] }), /holds no Iceberg table/],
  ['a DuckLake that is a folder', () => ({ files: [`ducklake:${at}`] }), /DuckDB file of its catalog/],
  ['a Delta table named as a folder', () => ({ files: [delta] }), /holds a Delta table; name it delta:/],
  ['an Iceberg table in a folder', () => ({ files: [join(at, 'iceberg/shop')] }), /name it iceberg:/],
])('%s is a ConfigError that says what would be right', async ([, arrange, message]) => {
  const own = await createWarehouseFolder()
  onTestFinished(own.remove)
  const opening = own.open({ extensions: [lake.extensions], ...arrange() })
  await expect(opening).rejects.toThrow(message)
  await expect(opening).rejects.toThrow(ConfigError)
})
