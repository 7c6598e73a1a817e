// Of which statements a PostgreSQL server's analysis proves that a key's rows are made of the tables' rows of that key alone.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { ofTwoColumns, quotes, testGeneratedLocality, testLocality, users } from './locality-cases.ts'
import {
  createPostgresWarehouseFolder,
  type PostgresWarehouse,
  startPostgresWarehouse,
} from './open-postgres.ts'

let postgres: PostgresWarehouse
let warehouse: Warehouse
const others: { remove(): Promise<void> }[] = []

beforeAll(async () => {
  postgres = await startPostgresWarehouse()
  warehouse = postgres.warehouse
  await postgres.execute(`CREATE VIEW paid AS SELECT q.user_id, count(*) AS n FROM ${quotes} q WHERE is_paid GROUP BY q.user_id;
     CREATE VIEW paid_users AS SELECT u.user_id, u.name, p.n FROM ${users} u LEFT JOIN paid p USING (user_id);
     CREATE VIEW newest AS SELECT * FROM ${users} ORDER BY creation_date DESC LIMIT 10;
     CREATE VIEW youngest AS SELECT user_id, '2020-01-01'::timestamp < now() AS old FROM ${users};
     CREATE VIEW frozen AS SELECT user_id, 'now'::timestamp AS made FROM ${users};
     CREATE MATERIALIZED VIEW totals AS SELECT user_id, count(*) AS n FROM ${quotes} GROUP BY user_id;
     CREATE TABLE sales (id int PRIMARY KEY, user_id text, amount numeric(9,2), tags text[]) PARTITION BY RANGE (id);
     CREATE TABLE sales_1 PARTITION OF sales FOR VALUES FROM (0) TO (100);
     CREATE TABLE guarded (user_id text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
     CREATE POLICY p ON guarded USING (user_id IN (SELECT name FROM ${users}));
     CREATE TABLE prices (user_id numeric, amount int); CREATE TABLE two ("user_id" text, "USER_ID" text);
     CREATE TABLE narrow (user_id char(3)); CREATE TABLE wide (user_id char(5));
     CREATE TABLE dropped (a int, user_id text, b int); ALTER TABLE dropped DROP COLUMN a;
     CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     CREATE TABLE loosely (user_id text COLLATE loose, x int);
     CREATE FUNCTION sly(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT max(name)::text FROM feature_store.users WHERE $1 IS NOT NULL';
     CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT lower($1) = lower($2)';
     CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
     CREATE SCHEMA other; CREATE TABLE other.users (user_id text, name text)`)
})

afterAll(async () => {
  await postgres?.stop()
  for (const { remove } of others) await remove()
})

testLocality(() => warehouse, {
  proven: [
    'SELECT * FROM paid_users',
    'SELECT p.user_id, p.name, s.amount FROM paid_users p LEFT JOIN sales s ON s.user_id = p.user_id',
    'SELECT user_id, sum(amount) AS total FROM sales GROUP BY user_id',
    'SELECT user_id, unnest(tags) AS tag FROM sales',
    'SELECT user_id, b FROM dropped',
    'SELECT s.user_id, t.tag FROM sales s, unnest(s.tags) AS t(tag)',
    'SELECT s.user_id, n FROM sales s CROSS JOIN LATERAL generate_series(1, s.id) n',
    `SELECT s.user_id, q.n FROM sales s CROSS JOIN LATERAL (SELECT count(*) AS n FROM ${quotes} q WHERE q.user_id = s.user_id) q`,
    'SELECT a.user_id FROM narrow a JOIN narrow b USING (user_id)',
    'SELECT id, user_id, amount FROM sales GROUP BY id',
    `SELECT user_id FROM ${users} WHERE (user_id, name) IN (SELECT user_id, quote_type FROM ${quotes})`,
    `SELECT u.user_id, ARRAY(SELECT quote_type FROM ${quotes} q WHERE q.user_id = u.user_id ORDER BY 1) AS kinds FROM ${users} u`,
    `SELECT u.user_id FROM ${users} u JOIN ${quotes} q ON u.user_id IS NOT DISTINCT FROM q.user_id AND u.user_id <> ''`,
    `SELECT user_id, name FROM ${users} OFFSET 0`,
    `SELECT user_id, lower(name) AS n, count(*) AS c FROM ${users} GROUP BY user_id, lower(name) HAVING lower(name) > 'a'`,
    `SELECT user_id, u::text AS whole FROM ${users} u`,
    'TABLE paid_users',
    'SELECT user_id::text, made FROM frozen',
    `SELECT u.user_id, d.day FROM ${users} u CROSS JOIN generate_series(1, 7) WITH ORDINALITY AS d(day, n)`,
    `SELECT coalesce(u.user_id, q.user_id) AS other, user_id FROM ${users} u FULL JOIN ${quotes} q USING (user_id) WHERE user_id > 'a'`,
    `SELECT user_id, a.name, b.quote_id, c.policy_id FROM ${users} a FULL JOIN ${quotes} b USING (user_id) FULL JOIN feature_store.policies c USING (user_id)`,
    `SELECT x.user_id FROM (${users} u JOIN ${quotes} q USING (user_id)) AS x`,
    `SELECT user_id, sum(count(*)) OVER (PARTITION BY user_id) AS n FROM ${quotes} GROUP BY user_id, quote_type`,
    `SELECT user_id FROM ${users} WHERE user_id = ANY (ARRAY['a', 'b']) AND name ILIKE 'a%'`,
  ],
  unproven: [
    [
      'constants limited by what a table holds',
      `SELECT user_id FROM (SELECT 'a' AS user_id UNION SELECT 'b' ORDER BY 1 LIMIT (SELECT count(*) FROM ${users})) t`,
      /subquery|aggregates/,
    ],
    ['a limit within a view', 'SELECT * FROM newest', 'LIMIT'],
    ['a materialized view', 'SELECT * FROM totals', 'materialized'],
    ['rows that a policy chooses', 'SELECT * FROM guarded', 'policies'],
    ['a function that reads what it does not say', `SELECT user_id, sly(name) AS n FROM ${users}`, 'sly'],
    [
      'an equality of a user’s making',
      `SELECT u.user_id FROM ${users} u JOIN ${quotes} q ON u.user_id::text === q.user_id::text`,
      'same',
    ],
    ['numbers that are written in several ways', 'SELECT user_id, amount FROM prices', 'equal values'],
    ['two columns that differ in case', 'SELECT user_id FROM two', 'several columns'],
    ['a collation by which texts are loosely equal', 'SELECT user_id, x FROM loosely', 'collation loose'],
    [
      'a collation that is written',
      `SELECT u.user_id FROM ${users} u JOIN ${quotes} q ON u.user_id = q.user_id COLLATE loose`,
      'collation loose',
    ],
    ['a quoted name that is another column', `SELECT name AS "user_id" FROM ${users}`, 'its user_id is not'],
    [
      'a key cast to what may be another value',
      `SELECT user_id::varchar(2) AS user_id FROM ${users}`,
      'its user_id is not',
    ],
    [
      'one side of a union of another type',
      `SELECT user_id FROM (SELECT user_id::char(9) AS user_id FROM ${users} UNION ALL SELECT user_id FROM ${quotes}) t`,
      'its user_id is not',
    ],
    [
      'rows by a tie with the last',
      `SELECT * FROM ${users} ORDER BY creation_date FETCH FIRST 3 ROWS WITH TIES`,
      'LIMIT',
    ],
    [
      'an aggregate of the outer query',
      `SELECT user_id, (SELECT max(u.creation_date)) AS m FROM ${users} u GROUP BY user_id`,
      'outside',
    ],
    ['where a row stands', `SELECT user_id, ctid::text AS place FROM ${users}`, 'system column'],
    [
      'columns that are not of the key that is grouped by',
      `SELECT user_id, (SELECT count(*) FROM ${quotes} q WHERE q.quote_type = u.name) AS n FROM ${users} u`,
      /subquery|aggregates/,
    ],
    [
      'padded texts of several widths',
      'SELECT a.user_id FROM narrow a JOIN wide b USING (user_id)',
      'other columns than user_id',
    ],
    [
      'a union of padded texts of several widths',
      'SELECT user_id FROM narrow UNION SELECT user_id FROM wide',
      'its user_id is not',
    ],
    [
      'several columns of IN, of which the key is another',
      `SELECT user_id FROM ${users} WHERE (name, user_id) IN (SELECT user_id, quote_type FROM ${quotes})`,
      'subquery',
    ],
    [
      'a lateral series by another row',
      `SELECT q.user_id, s.user_id AS other FROM ${quotes} q, sales s, LATERAL unnest(s.tags) t(tag)`,
      'other columns than user_id',
    ],
    [
      'names and texts that imitate the tree',
      `SELECT max(user_id) AS user_id, ':groupClause ({SORTGROUPCLAUSE ' AS ":resjunk true" FROM ${users}`,
      'aggregates over all',
    ],
  ],
  changing: [
    ['now()', 'SELECT user_id AS k, old FROM youngest'],
    ['clock_timestamp()', 'SELECT clock_timestamp() AS t, 1 AS k'],
    ['gen_random_uuid()', 'SELECT gen_random_uuid() AS t, 1 AS k'],
    ['localtimestamp', 'SELECT localtimestamp(3) AS t, 1 AS k'],
    ["'now'", "SELECT 'now'::timestamptz AS t, 1 AS k"],
    ["'today'", `SELECT user_id AS k FROM ${users} WHERE to_timestamp(creation_date) > DATE 'Today '`],
    ['a sample', `SELECT user_id AS k FROM ${users} TABLESAMPLE SYSTEM (10)`],
    ['a sample', `SELECT user_id AS k FROM ${users} TABLESAMPLE BERNOULLI (10) REPEATABLE (1)`],
  ],
})

test('a table is the one that the server finds, whatever the names look like', async () => {
  const { whyNotLocal } = await warehouse.describe(
    `WITH users AS (SELECT user_id FROM other.users) SELECT u.user_id FROM users u JOIN ${users} v ON u.user_id = v.user_id`,
    { key: ['user_id'] },
  )
  expect(whyNotLocal).toBeNull()
})

async function openNew() {
  const name = `generated_${others.length}`
  await postgres.execute(`CREATE DATABASE ${name}`)
  const other = await createPostgresWarehouseFolder(postgres.server.databaseUrl(name))
  others.push(other)
  return other.open()
}

testGeneratedLocality(openNew)
testGeneratedLocality(openNew, ofTwoColumns)
