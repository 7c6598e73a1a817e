// Of which statements the embedded warehouse proves that a key's rows are made of the tables' rows of that key alone.

import { afterAll, beforeAll } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { tries } from '../thorough.ts'
import { createDuckdbStatement, keySets } from './generated-duckdb-statements.ts'
import { createTables } from './generated-statements.ts'
import {
  ofTwoColumns,
  policies,
  quotes,
  testGeneratedLocality,
  testLocality,
  transactions,
  users,
} from './locality-cases.ts'
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
    `SELECT user_id, unnest([name, address]) AS either FROM ${users}`,
    `SELECT u.user_id, l.part FROM ${users} u, unnest(string_split(u.name, ' ')) l(part)`,
    `SELECT user_id, name FROM ${users} UNION BY NAME SELECT quote_type AS name, user_id FROM ${quotes}`,
    `PIVOT (SELECT user_id, quote_type FROM ${quotes}) ON quote_type IN ('a', 'b') USING count(*) GROUP BY user_id`,
    `SELECT user_id, n::BIGINT AS n FROM ${users} JOIN range(3) r(n) ON n > creation_date`,
    `SELECT user_id, list(quote_type ORDER BY quote_id) AS kinds FROM ${quotes} GROUP BY user_id`,
    `SELECT user_id, (SELECT count(*) FROM ${quotes} q WHERE q.user_id = u.user_id AND q.creation_date > (SELECT max(purchase_time) FROM ${policies} p WHERE p.user_id = q.user_id)) AS n FROM ${users} u`,
    `SELECT "\u212a" AS user_id, k FROM (SELECT user_id AS "\u212a", name AS k FROM ${users}) q`,
    `SELECT k AS user_id, n FROM (SELECT * FROM (SELECT name AS n, user_id FROM ${users}) u JOIN ${quotes} q USING (user_id)) t(n, k)`,
  ],
  unproven: [
    [
      'DISTINCT ON, which means the alias before the column',
      `SELECT k AS user_id, t FROM (SELECT DISTINCT ON (user_id) user_id AS k, quote_type AS user_id, quote_id AS t FROM ${quotes} ORDER BY quote_id) s`,
      'DISTINCT ON',
    ],
    [
      'an ON within a join, which sees its own tables alone',
      `SELECT a.user_id, b.name FROM (SELECT user_id, user_id AS k FROM ${quotes}) a JOIN (${users} b JOIN (SELECT user_id, ref_id AS k FROM ${transactions}) c ON b.user_id = k) ON c.user_id = a.user_id`,
      'other columns',
    ],
    [
      'the last column of an ASOF join, which is not held equal',
      `SELECT a.user_id, b.policy_id FROM (SELECT quote_type AS g, user_id FROM ${quotes}) a ASOF JOIN (SELECT policy_type AS g, user_id, policy_id FROM ${policies}) b USING (g, user_id)`,
      /ASOF|other columns/,
    ],
    [
      'the alias of a subquery’s own column before a column from outside',
      `SELECT u.user_id, (SELECT quote_type AS k FROM ${quotes} q WHERE q.user_id = k ORDER BY quote_id LIMIT 1) AS t FROM (SELECT user_id, user_id AS k FROM ${users}) u`,
      /LIMIT|aggregates/,
    ],
    [
      'a cast that nobody wrote, which makes one of 01 and 1',
      `SELECT v.id AS user_id, count(*) AS n FROM ${users} u JOIN (VALUES (1), (2)) v(id) ON u.user_id = v.id GROUP BY v.id`,
      'its user_id is not',
    ],
    [
      'columns that are named anew by their places',
      `SELECT k AS user_id, n FROM (SELECT * FROM (SELECT name AS n, user_id FROM ${users}) u JOIN ${quotes} q USING (user_id)) t(k, n)`,
      'its user_id is not',
    ],
    [
      'columns behind those of a struct',
      `SELECT k AS user_id FROM (SELECT s.*, user_id FROM (SELECT {'a': name, 'b': address} AS s, user_id FROM ${users})) t(x, k)`,
      'its user_id is not',
    ],
    [
      'a struct’s path that reads like a table’s',
      `SELECT s.users.user_id AS user_id, users.name FROM (SELECT *, {'users': {'user_id': name}} AS s FROM ${users}) users`,
      'its user_id is not',
    ],
    [
      'a name that other languages take for another',
      `SELECT k AS user_id FROM (SELECT user_id AS "\u212a", name AS k FROM ${users}) q`,
      'its user_id is not',
    ],
    [
      'a collation, which makes one of a and A',
      `SELECT user_id COLLATE NOCASE AS user_id, name FROM ${users}`,
      'its user_id is not',
    ],
    [
      'a bitstring as long as the whole table wants it',
      `SELECT user_id, bitstring_agg(length(name)) AS b FROM ${users} GROUP BY user_id`,
      'bitstring_agg',
    ],
    [
      'a comparison with all of the user’s own, which a null of any turns',
      `SELECT user_id, name IN (SELECT name FROM ${users}) AS x FROM ${users}`,
      /NOT IN|other columns/,
    ],
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

const openNew = () => folder.open({ url: `duckdb:${folder.folder}/generated-${++opened}.duckdb` })

testGeneratedLocality(openNew)
testGeneratedLocality(openNew, ofTwoColumns)
for (const { keys, areNumbers } of keySets) {
  testGeneratedLocality(openNew, {
    of: `what DuckDB alone has, over the keys ${keys.join(', ')}`,
    key: ['user_id'],
    entities: keys.map((key) => [key]),
    tables: (random) => createTables(random, keys),
    create: (random) => createDuckdbStatement(random, areNumbers),
    count: tries({ all: 40, part: 15 }),
    mayFail: true,
  })
}
