// Of which statements the embedded warehouse proves that a key's rows are made of the tables' rows of that key alone.

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

const [users, quotes, policies, transactions] = ['users', 'quotes', 'policies', 'transactions'].map(
  (name) => `feature_store.${name}`,
)

test.each([
  `SELECT user_id, upper(name) AS name FROM ${users} WHERE creation_date > 5`,
  `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time FROM ${quotes} Q LEFT JOIN ${policies} P ON Q.user_id = P.user_id LEFT JOIN ${transactions} T ON P.user_id = T.user_id LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from ${transactions} T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`,
  `SELECT user_id, count(*) AS n FROM ${quotes} GROUP BY ALL`,
  `SELECT user_id, quote_type, count(*) FROM ${quotes} GROUP BY 1, 2 HAVING count(*) > 1`,
  `SELECT user_id, count(*) FROM ${quotes} GROUP BY ROLLUP (user_id)`,
  `SELECT u.user_id, count(q.quote_id) AS n FROM ${users} u, ${quotes} q WHERE q.user_id = u.user_id GROUP BY u.user_id`,
  `SELECT u.name, q.user_id FROM ${users} u JOIN ${quotes} q USING (user_id)`,
  `SELECT user_id, u.name, q.quote_id FROM ${users} u FULL JOIN ${quotes} q USING (user_id)`,
  `SELECT user_id, p.policy_type FROM ${users} NATURAL JOIN ${policies} p`,
  `SELECT q.* FROM ${users} u RIGHT JOIN ${quotes} q ON u.user_id = q.user_id`,
  `SELECT * EXCLUDE (name) FROM ${users}`,
  `SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY creation_date) AS n FROM ${quotes} QUALIFY n = 1`,
  `SELECT DISTINCT user_id, quote_type FROM ${quotes}`,
  `SELECT DISTINCT ON (user_id) user_id, quote_type FROM ${quotes} ORDER BY creation_date`,
  `SELECT user_id FROM ${users} UNION SELECT user_id FROM ${quotes} EXCEPT SELECT user_id FROM ${policies}`,
  `WITH c AS (SELECT user_id, count(*) n FROM ${quotes} GROUP BY user_id), d AS (SELECT * FROM c) SELECT user_id, n FROM d ORDER BY n`,
  `SELECT u.user_id, (SELECT count(*) FROM ${quotes} q WHERE q.user_id = u.user_id) AS n FROM ${users} u`,
  `SELECT u.user_id, (SELECT quote_type FROM ${quotes} q WHERE q.user_id = u.user_id ORDER BY creation_date LIMIT 1) AS n FROM ${users} u`,
  `SELECT user_id FROM ${users} u WHERE EXISTS (SELECT 1 FROM ${policies} p WHERE p.user_id = u.user_id AND p.policy_type = 'x')`,
  `SELECT user_id FROM ${users} WHERE user_id IN (SELECT user_id FROM ${policies})`,
  `SELECT u.user_id FROM ${users} u SEMI JOIN ${policies} p ON p.user_id = u.user_id`,
  `SELECT u.user_id, d.label FROM ${users} u CROSS JOIN (VALUES ('a'), ('b')) d(label)`,
  `SELECT u.user_id, p.purchase_time FROM ${users} u ASOF LEFT JOIN ${policies} p ON p.user_id = u.user_id AND p.purchase_time >= u.creation_date`,
  `SELECT user_id, nullif(split_part(name, ' ', 1), '') AS first FROM ${users}`,
])('proven: %s', async (sql) => {
  expect(await warehouse.describe(sql, { key: 'user_id' })).toMatchObject({
    whyNotLocal: null,
    changing: null,
  })
})

test.each([
  ['a rank', `SELECT user_id, rank() OVER (ORDER BY creation_date) AS r FROM ${users}`, 'rank'],
  [
    'a window over another column',
    `SELECT user_id, count(*) OVER (PARTITION BY name) AS n FROM ${users}`,
    'PARTITION BY',
  ],
  [
    'two windows, one over all',
    `SELECT user_id, count(*) OVER (PARTITION BY user_id) AS a, count(*) OVER () AS b FROM ${users}`,
    'PARTITION BY',
  ],
  [
    'a window over a column that may be null',
    `SELECT u.user_id, count(*) OVER (PARTITION BY p.user_id) AS n FROM ${users} u LEFT JOIN ${policies} p ON p.user_id = u.user_id`,
    'user_id is not',
  ],
  [
    'an average over all',
    `SELECT user_id, creation_date - (SELECT avg(creation_date) FROM ${users}) AS d FROM ${users}`,
    'aggregates over all',
  ],
  [
    'a join with an aggregate over all',
    `SELECT user_id, c.n FROM ${users}, (SELECT count(*) AS n FROM ${users}) c`,
    'aggregates over all',
  ],
  ['the first five', `SELECT * FROM ${users} ORDER BY creation_date LIMIT 5`, 'LIMIT'],
  [
    'a join by another column',
    `SELECT u.user_id, count(*) AS n FROM ${users} u JOIN ${users} v ON u.name = v.name GROUP BY u.user_id`,
    'other columns than user_id',
  ],
  [
    'a comma without a condition',
    `SELECT u.user_id, v.name FROM ${users} u, ${users} v`,
    'other columns than user_id',
  ],
  ['another column by its name', `SELECT quote_id AS user_id FROM ${quotes}`, 'its user_id is not'],
  ['a computed key', `SELECT lower(user_id) AS user_id FROM ${users}`, 'its user_id is not'],
  [
    'a grouping by something else',
    `SELECT min(user_id) AS user_id, name FROM ${users} GROUP BY name`,
    'its user_id is not',
  ],
  [
    'one side of a union renamed',
    `SELECT user_id FROM ${users} UNION ALL SELECT quote_id FROM ${quotes}`,
    'its user_id is not',
  ],
  [
    'NOT IN, which a null turns',
    `SELECT user_id FROM ${users} WHERE user_id NOT IN (SELECT user_id FROM ${policies})`,
    'subquery',
  ],
  [
    'IN over another column',
    `SELECT user_id FROM ${users} WHERE name IN (SELECT name FROM ${users})`,
    'subquery',
  ],
  [
    'the unmatched side of an outer join',
    `SELECT q.user_id, count(*) AS n FROM ${users} u LEFT JOIN ${quotes} q ON q.user_id = u.name GROUP BY q.user_id`,
    'other columns than user_id',
  ],
  [
    'a chain by a shadowed WITH',
    `WITH users AS (SELECT name AS user_id FROM ${users}) SELECT user_id FROM users`,
    'its user_id is not',
  ],
  [
    'DISTINCT ON another column',
    `SELECT DISTINCT ON (name) user_id, name FROM ${users} ORDER BY creation_date`,
    'its user_id is not',
  ],
  [
    'a positional join',
    `SELECT u.user_id, q.quote_id FROM ${users} u POSITIONAL JOIN ${quotes} q`,
    'POSITIONAL',
  ],
  [
    'a recursion',
    `WITH RECURSIVE r AS (SELECT user_id, 1 AS n FROM ${users} UNION ALL SELECT user_id, n + 1 FROM r WHERE n < 3) SELECT * FROM r`,
    'RECURSIVE',
  ],
  [
    'a lateral join by another column',
    `SELECT u.user_id, l.n FROM ${users} u, LATERAL (SELECT count(*) AS n FROM ${quotes} q WHERE q.quote_type = u.name) l`,
    'aggregates over all',
  ],
  [
    'a constant that asks a table',
    `SELECT user_id, c.x FROM ${users}, (SELECT EXISTS (SELECT 1 FROM ${quotes}) AS x) c`,
    'subquery',
  ],
])('not proven, with the reason: %s', async (_name, sql, reason) => {
  const { whyNotLocal } = await warehouse.describe(sql, { key: 'user_id' })
  expect(whyNotLocal).toContain(reason)
})

test.each([
  ['now()', 'SELECT now() AS t, 1 AS k'],
  ['random()', 'SELECT k FROM range(5) r(k) ORDER BY random()'],
  ['ago()', "SELECT ago(INTERVAL '1 day') AS t, 1 AS k"],
  ['current_date', 'SELECT current_date AS t, 1 AS k'],
  ['a sample', `SELECT user_id AS k FROM ${users} USING SAMPLE 10%`],
])('what changes from run to run is named: %s', async (what, sql) => {
  expect((await warehouse.describe(sql, { key: 'k' })).changing).toBe(what)
})
