// A LIMIT below a join keeps the rows that it keeps alone, whatever the join would like to see.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

let folder: Awaited<ReturnType<typeof createWarehouseFolder>>
let warehouse: Warehouse

beforeAll(async () => {
  folder = await createWarehouseFolder()
  warehouse = await folder.open()
})

afterAll(async () => {
  await warehouse.close()
  await folder.remove()
})

test('the first row of all stays the first row of all in a join that has no use for it', async () => {
  const rows = [
    ['u4', 'u1', 3],
    ['u2', 'u1', 0],
    ['u1', 'u1', 1],
    ['u4', 'u1', 4],
    ['u2', 'u1', 4],
  ]
  const columns = ['user_id', 'policy_type', 'purchase_time']
  await warehouse.append({ jobId: 'job', batch: 0, tables: [{ table: 'policies', columns, rows }] })
  const late =
    'SELECT user_id, count(*) AS n FROM feature_store.policies WHERE purchase_time > 1 GROUP BY user_id'
  const first = `SELECT * FROM (SELECT user_id, policy_type AS s, purchase_time AS x FROM feature_store.policies) t ORDER BY ALL LIMIT 1`
  const sql = `SELECT 1 AS k, a.user_id, b.s FROM (${late}) a LEFT JOIN (${first}) b ON a.user_id = b.user_id`
  for (let i = 0; i < 100; i++) {
    const found = await warehouse.lookup({ sql, key: ['k'], values: [[1]] })
    expect([...found.rows].map(String).sort()).toEqual(['1,u2,', '1,u4,'])
  }
})
