// A statement that makes the engine fail from within, after which it refuses everybody: the warehouse lives on.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

/** DuckDB 1.5 mixes up the columns of an ASOF JOIN without an equality over EXCEPT ALL, and sees it too late. */
const deadly = `SELECT a.user_id, b.x FROM (
    (SELECT user_id, quote_type AS s, creation_date AS x FROM feature_store.quotes WHERE quote_type IS NOT NULL)
    EXCEPT ALL (SELECT user_id, policy_type AS s, purchase_time AS x FROM feature_store.policies)) a
  ASOF LEFT JOIN (SELECT user_id, max(name) AS s, creation_date AS x FROM feature_store.users GROUP BY ALL) b ON a.x >= b.x`
const count = 'SELECT count(*) AS n FROM feature_store.users'

let folder: Awaited<ReturnType<typeof createWarehouseFolder>>
let warehouse: Warehouse
let batch = 0

const append = () =>
  warehouse.append({
    jobId: 'job',
    batch: batch++,
    tables: [
      { table: 'users', columns: ['user_id', 'name', 'creation_date'], rows: [['u', 'n', 1]] },
      { table: 'quotes', columns: ['user_id', 'quote_type', 'creation_date'], rows: [['u', 'rent', 2]] },
    ],
  })
const counted = async () => (await warehouse.lookup({ sql: count, key: ['n'], values: [[batch]] })).rows

beforeAll(async () => {
  folder = await createWarehouseFolder()
  warehouse = await folder.open()
})

afterAll(async () => {
  await warehouse.close()
  await folder.remove()
})

test('an internal error of the engine fails the statement that met it, and nobody after it; nothing appended is lost', async () => {
  await append()
  await append()
  for (let i = 0; i < 3; i++) {
    const failed = warehouse.exportParquet({ sql: deadly, path: `${folder.datasetsFolder}/deadly.parquet` })
    await expect(failed).rejects.toMatchObject({ code: 'INVALID_SQL' })
    await warehouse.ping()
    expect(await counted()).toEqual([[batch]])
    await append()
    expect(await counted()).toEqual([[batch]])
    expect(await warehouse.version()).toBe(batch)
  }
})

test('what runs at that moment ends with its result or with WAREHOUSE_FAILED, and so does all that comes while it starts anew', async () => {
  const scan = async () => {
    const sql = 'SELECT range AS k FROM range(200000)'
    let rows = 0
    for await (const some of (await warehouse.scan({ sql, key: ['k'] })).batches) rows += some.length
    return rows
  }
  const outcomes = await Promise.allSettled([
    scan(),
    warehouse.exportParquet({ sql: deadly, path: `${folder.datasetsFolder}/deadly.parquet` }),
    ...Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? counted() : scan())),
    append(),
  ])
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'WAREHOUSE_FAILED' })
  }
  expect(outcomes[1]?.status).toBe('rejected')
  if (outcomes.at(-1)?.status === 'rejected') {
    batch--
    await append()
  }
  expect(await counted()).toEqual([[batch]])
})
