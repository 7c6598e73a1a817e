// Keys looked up for many statements at once: each gives what it gives by itself, and none is another's fault.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Row } from '../../src/values/columns.ts'
import type { LookupManyRequest, LookupResult, Warehouse } from '../../src/warehouse/port.ts'
import { tries } from '../thorough.ts'
import { createDuckdbStatement } from './generated-duckdb-statements.ts'
import { createRandom, createStatement, createTables } from './generated-statements.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

const key = ['user_id']
const users = 'feature_store.users'

let folder: Awaited<ReturnType<typeof createWarehouseFolder>>
let warehouse: Warehouse

beforeAll(async () => {
  folder = await createWarehouseFolder()
  warehouse = await folder.open()
  await warehouse.append({ jobId: 'generated', batch: 0, tables: createTables(createRandom(7)) })
})

afterAll(async () => {
  await warehouse.close()
  await folder.remove()
})

async function lookUpMany(
  sqls: readonly string[],
  values: readonly string[],
  more: Partial<LookupManyRequest['statements'][number]> = {},
): Promise<readonly (LookupResult | null)[]> {
  const { lookupMany } = warehouse
  if (lookupMany === undefined) throw new Error('The embedded warehouse takes statements together')
  return lookupMany({
    key,
    values: values.map((value) => [value]),
    statements: sqls.map((sql) => ({ sql, ...more })),
  })
}

const lookUp = (sql: string, values: readonly string[]) =>
  warehouse.lookup({ sql, key, values: values.map((value) => [value]) })

function textsOf({ columns, rows }: LookupResult, values: readonly string[]): string[] {
  const at = columns.findIndex(({ name }) => name === 'user_id')
  return rows
    .filter((row) => values.includes(String(row[at])))
    .map(text)
    .sort()
}

const text = (row: Row) =>
  JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))

test('Generated statements that are proven give together what each gives by itself', async () => {
  const random = createRandom(20261)
  const proven: string[] = []
  for (let i = 0; i < tries({ all: 1500, part: 300 }); i++) {
    const sql = i % 2 === 0 ? createStatement(random, 3) : createDuckdbStatement(random, false)
    const { whyNotLocal, changing } = await warehouse
      .describe(sql, { key })
      .catch(() => ({ whyNotLocal: undefined, changing: undefined }))
    if (whyNotLocal === null && changing === null) proven.push(sql)
  }
  let [compared, rows] = [0, 0]
  for (const values of [
    ['a'],
    ['a', 'b', 'none'],
    ['a', 'b', 'A', ...Array.from({ length: 300 }, (_, i) => `none${i}`)],
  ]) {
    const together = await lookUpMany(proven, values)
    for (const [i, sql] of proven.entries()) {
      const result = together[i]
      if (result == null) continue
      const alone = await lookUp(sql, values)
      expect(textsOf(result, values), sql).toEqual(textsOf(alone, values))
      expect([result.version, result.columns], sql).toEqual([alone.version, alone.columns])
      compared++
      rows += result.rows.length
    }
  }
  expect(compared).toBeGreaterThan(2.5 * proven.length)
  expect([proven.length > 50, rows > proven.length]).toEqual([true, true])
})

test('A statement that fails, is slow or reads more than tables is left to be looked up by itself', async () => {
  const fine = Array.from({ length: 5 }, (_, i) => `SELECT user_id, creation_date + ${i} AS n FROM ${users}`)
  const failing = `SELECT user_id, CAST(user_id AS INTEGER) AS n FROM ${users}`
  const slow = `SELECT user_id, (SELECT count(*) FROM range(100000) a(i), range(100000) b(j) WHERE (i * j) % 7 = creation_date) AS n FROM ${users}`
  const others = [
    `SELECT user_id, rowid AS n FROM ${users}`,
    `SELECT user_id, nothing AS n FROM ${users}`,
    "SELECT 'a' AS user_id, 1 AS n",
  ]
  const together = await lookUpMany(
    [fine[0] ?? '', failing, ...fine.slice(1, 3), slow, ...fine.slice(3), ...others],
    ['a'],
  )
  expect(together.map((result) => result !== null)).toEqual([
    true,
    false,
    true,
    true,
    false,
    true,
    true,
    false,
    false,
    false,
  ])
})

test('Of the saved columns and of a moment each gives what it is asked for, at the version of the last append', async () => {
  const sql = `SELECT user_id, creation_date AS n, name, as_of() AS t FROM ${users}`
  const saved = (await warehouse.describe(sql)).columns.filter(({ name }) => name !== 'name')
  const [first, second] = await lookUpMany([sql, sql], ['a'], { saved, asOf: 5_000_000n })
  const alone = await warehouse.lookup({ sql, key, values: [['a']], saved, asOf: 5_000_000n })
  expect(first).toEqual(alone)
  expect(second).toEqual(alone)
  const appended = await warehouse.append({
    jobId: 'one more',
    batch: 0,
    tables: [{ table: 'users', columns: ['user_id', 'creation_date'], rows: [['fresh', 9]] }],
  })
  const rows = await lookUpMany(
    [1, 2].map((n) => `SELECT user_id, creation_date * ${n} AS n FROM ${users}`),
    ['fresh'],
  )
  expect(rows.map((result) => [result?.version, result?.rows])).toEqual([
    [appended.version, [['fresh', 9]]],
    [appended.version, [['fresh', 18]]],
  ])
})
