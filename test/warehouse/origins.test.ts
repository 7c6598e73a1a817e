// From which table's column an engine says that a result's column has its values.

import { expect, test } from 'vitest'
import type { ColumnOrigin, Warehouse } from '../../src/warehouse/port.ts'
import { onAdapter } from '../adapters.ts'
import { policies, quotes, users } from './locality-cases.ts'
import { createWarehouseFolder } from './open-duckdb.ts'
import { startPostgresWarehouse } from './open-postgres.ts'

const newest = `SELECT user_id, max(creation_date) AS made FROM ${quotes} GROUP BY user_id`

/** Each tells `made`. */
const followed: [string, string, boolean][] = [
  [`SELECT user_id, creation_date AS made FROM ${quotes}`, 'quotes', true],
  [newest, 'quotes', true],
  [`SELECT * FROM (${newest}) q ORDER BY made`, 'quotes', true],
  [
    `WITH a AS (SELECT * FROM ${quotes}), q AS (SELECT user_id, max(creation_date) AS made FROM a GROUP BY user_id) SELECT user_id, made FROM q`,
    'quotes',
    true,
  ],
  [
    `SELECT u.user_id, u.creation_date AS made, q.quote_type FROM ${users} u LEFT JOIN ${quotes} q ON q.user_id = u.user_id`,
    'users',
    true,
  ],
  [
    `SELECT user_id, creation_date AS made, count(*) OVER (PARTITION BY user_id) AS n FROM ${quotes}`,
    'quotes',
    true,
  ],
  // Of these the result may lack the table's newest row.
  [`SELECT user_id, min(creation_date) AS made FROM ${quotes} GROUP BY user_id`, 'quotes', false],
  [`SELECT user_id, creation_date AS made FROM ${quotes} WHERE is_paid`, 'quotes', false],
  [
    `SELECT user_id, max(creation_date) FILTER (WHERE is_paid) AS made FROM ${quotes} GROUP BY user_id`,
    'quotes',
    false,
  ],
  [`${newest} HAVING count(*) > 1`, 'quotes', false],
  [
    `SELECT DISTINCT ON (user_id) user_id, creation_date AS made FROM ${quotes} ORDER BY user_id, quote_id`,
    'quotes',
    false,
  ],
  [
    `SELECT u.user_id, q.made FROM ${users} u LEFT JOIN (${newest}) q ON q.user_id = u.user_id`,
    'quotes',
    false,
  ],
  [
    `SELECT q.user_id, q.creation_date AS made FROM ${quotes} q JOIN ${policies} p ON p.user_id = q.user_id`,
    'quotes',
    false,
  ],
]

const made = [
  `SELECT user_id, creation_date + 1 AS made FROM ${quotes}`,
  `SELECT u.user_id, greatest(u.creation_date, q.creation_date) AS made FROM ${users} u JOIN ${quotes} q ON q.user_id = u.user_id`,
  `SELECT user_id, count(*) AS made FROM ${quotes} GROUP BY user_id`,
  `SELECT user_id, creation_date AS made FROM ${quotes} UNION ALL SELECT user_id, creation_date FROM ${users}`,
  `SELECT user_id, 7 AS made FROM ${quotes}`,
]

async function compare(warehouse: Warehouse): Promise<void> {
  const originOf = async (sql: string) =>
    (await warehouse.describe(sql, { key: ['user_id'], origin: 'made' })).origin
  for (const [sql, name, isWhole] of followed) {
    const table = { schema: 'feature_store', name, columns: expect.arrayContaining(['creation_date']) }
    const wanted: ColumnOrigin = { table, column: 'creation_date', isWhole }
    expect(await originOf(sql), sql).toEqual(wanted)
  }
  for (const sql of made) expect(await originOf(sql), sql).toBeNull()
  expect(await warehouse.describe(newest)).not.toHaveProperty('origin')
  expect((await warehouse.describe(newest, { origin: 'gone' })).origin).toBeNull()
}

test('the embedded engine says which column of a table a column has its values from', async () => {
  const folder = await createWarehouseFolder()
  const warehouse = await folder.open()
  await compare(warehouse)
  await warehouse.close()
  await folder.remove()
})

onAdapter('postgres', () =>
  test('PostgreSQL says which column of a table a column has its values from, by its name where others are gone', async () => {
    const postgres = await startPostgresWarehouse()
    const { warehouse } = postgres
    await compare(warehouse)
    await postgres.execute(
      'CREATE TABLE narrowed (gone int, user_id text, made timestamp); ALTER TABLE narrowed DROP COLUMN gone; CREATE VIEW seen AS SELECT user_id, max(made) AS made FROM narrowed GROUP BY user_id',
    )
    for (const from of ['narrowed', 'seen'])
      expect(
        (await warehouse.describe(`SELECT * FROM ${from}`, { origin: 'made' })).origin,
        from,
      ).toMatchObject({ table: { schema: 'public', name: 'narrowed' }, column: 'made', isWhole: true })
    await postgres.stop()
  }),
)
