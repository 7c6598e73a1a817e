// Of which statements the embedded warehouse proves that a key's rows are made of the tables' rows of that key alone.

import { afterAll, beforeAll } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { policies, quotes, testGeneratedLocality, testLocality, users } from './locality-cases.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

let folder: Awaited<ReturnType<typeof createWarehouseFolder>>
let warehouse: Warehouse
let opened = 0

beforeAll(async () => {
  folder = await createWarehouseFolder()
  warehouse = await folder.open()
})

afterAll(async () => {
  await warehouse.close()
  await folder.remove()
})

testLocality(() => warehouse, {
  proven: [
    `SELECT user_id, count(*) AS n FROM ${quotes} GROUP BY ALL`,
    `SELECT * EXCLUDE (name) FROM ${users}`,
    `SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY creation_date) AS n FROM ${quotes} QUALIFY n = 1`,
    `SELECT u.user_id FROM ${users} u SEMI JOIN ${policies} p ON p.user_id = u.user_id`,
    `SELECT u.user_id, p.purchase_time FROM ${users} u ASOF LEFT JOIN ${policies} p ON p.user_id = u.user_id AND p.purchase_time >= u.creation_date`,
  ],
  unproven: [
    [
      'a positional join',
      `SELECT u.user_id, q.quote_id FROM ${users} u POSITIONAL JOIN ${quotes} q`,
      'POSITIONAL',
    ],
  ],
  changing: [
    ['ago()', "SELECT ago(INTERVAL '1 day') AS t, 1 AS k"],
    ['a sample', `SELECT user_id AS k FROM ${users} USING SAMPLE 10%`],
  ],
})

testGeneratedLocality(() => folder.open({ url: `duckdb:${folder.folder}/generated-${++opened}.duckdb` }))
