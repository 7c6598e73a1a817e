// DuckDB with tables of its user's own.

import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { testOwnTables } from '../contract/own-tables.ts'
import { values } from '../parquet/values.ts'
import { keys, uuid } from './duckdb-own-keys.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

const misfits: readonly { column: string; type: string; good: unknown; bad: unknown }[] = [
  { column: 'a_uuid', type: 'UUID', good: uuid, bad: 'a0eebc99' },
  { column: 'a_time', type: 'TIME', good: '03:04:05', bad: '25:00:00' },
  { column: 'an_interval', type: 'INTERVAL', good: '1 month', bad: '1 mond' },
  { column: 'a_ubigint', type: 'UBIGINT', good: '18446744073709551615', bad: '18446744073709551616' },
  { column: 'a_hugeint', type: 'HUGEINT', good: '9'.repeat(38), bad: '9'.repeat(39) },
  { column: 'a_bit', type: 'BIT', good: '0101', bad: '012' },
  { column: 'an_enum', type: "ENUM('a', 'b')", good: 'b', bad: 'c' },
  { column: 'a_map', type: 'MAP(VARCHAR, INTEGER)', good: { a: 1 }, bad: { a: 'x' } },
  { column: 'a_list', type: 'UUID[]', good: [uuid, null], bad: [uuid, 'x'] },
  { column: 'an_array', type: 'INTEGER[2]', good: [1, 2], bad: [1] },
  { column: 'a_struct', type: 'STRUCT(u UUID)', good: { u: uuid }, bad: { u: 'x' } },
  { column: 'some_ns', type: 'TIMESTAMP_NS', good: '2026-01-02 03:04:05.123456789', bad: '2026-13-02' },
  { column: 'an_integer', type: 'INTEGER', good: 1, bad: 1.5 },
]

/** Beside those that reading knows. */
const further = [
  { sql: "TIMETZ '03:04:05+02'", type: 'STRING', value: '03:04:05+02' },
  { sql: "'03:04:05.123456789'::TIME_NS", type: 'STRING', value: '03:04:05.123456789' },
  {
    sql: "MAP {1: '0195e4c5-0000-7000-8000-000000000001'::UUID}",
    type: 'JSON',
    value: { 1: '0195e4c5-0000-7000-8000-000000000001' },
  },
  { sql: "{'m': MAP {'d': DATE '2026-01-02'}}", type: 'STRUCT', value: { m: { d: '2026-01-02' } } },
  { sql: '[MAP {1: 2}]', type: 'LIST', value: [{ 1: 2 }] },
  { sql: '\'{"a": [1, "x"]}\'::JSON::VARIANT', type: 'JSON', value: { a: [1, 'x'] } },
  {
    sql: "['0195e4c5-0000-7000-8000-000000000001'::UUID, NULL]",
    type: 'LIST',
    value: ['0195e4c5-0000-7000-8000-000000000001', null],
  },
  {
    sql: "{'b': '\\xFF'::BLOB, 'l': [{'t': TIMESTAMP '2026-01-02 03:04:05'}]}",
    type: 'STRUCT',
    value: { b: Buffer.from([255]), l: [{ t: '2026-01-02T03:04:05Z' }] },
  },
  { sql: "'POINT (1 2)'::GEOMETRY", type: 'STRING', value: 'POINT (1 2)' },
] as const

const constrained = { good: { k: 'x', v: 1 }, bad: { k: 'x', v: -1 } }

testOwnTables('DuckDB', async () => {
  const { folder, datasetsFolder, open, remove } = await createWarehouseFolder()
  // The fields of an unnamed struct have no column to go into.
  const stored = [...values, ...further].filter(({ sql }) => sql !== "row(1, 'x')")
  const instance = await DuckDBInstance.create(join(folder, 'warehouse.duckdb'), {
    storage_compatibility_version: 'latest',
  })
  const connection = await instance.connect()
  const run = (sql: string) => connection.run(sql)
  await run('CREATE SCHEMA feature_store')
  for (const { name, columns } of keys) await run(`CREATE TABLE feature_store.${name} (${columns})`)
  await run(
    `CREATE TABLE feature_store.misfits (${misfits.map(({ column, type }) => `${column} ${type}`).join(', ')})`,
  )
  await run('CREATE TABLE feature_store.constrained (k VARCHAR, v INTEGER CHECK (v > 0))')
  const expressions = stored.map(({ sql }, i) => `${sql} AS v${i}`).join(', ')
  await run(`CREATE TABLE feature_store.every_type AS SELECT '' AS id, ${expressions} LIMIT 0`)
  connection.closeSync()
  instance.closeSync()
  return { open, remove, datasetsFolder, values: stored, keys, misfits, constrained }
})
