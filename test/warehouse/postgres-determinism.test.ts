// What a statement on PostgreSQL promises of its result, held against the server: training beside lookups, over doubles at
// random and ties, with rows that stand in another order than they came in.

import { afterAll, beforeAll } from 'vitest'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { tries } from '../thorough.ts'
import type { Random } from './generated-statements.ts'
import { type PostgresWarehouse, startPostgresWarehouse } from './open-postgres.ts'
import { testGeneratedPromises, testPromises } from './promise-cases.ts'

let postgres: PostgresWarehouse
let warehouse: Warehouse
let engine: ParquetEngine

const columns =
  'id int, user_id text NOT NULL, x double precision, r real, n numeric(12, 3), i int, t int, s text, b boolean'

beforeAll(async () => {
  postgres = await startPostgresWarehouse()
  warehouse = postgres.warehouse
  engine = await createParquetEngine({
    folders: [postgres.datasetsFolder],
    memoryMb: 512,
    temporaryFolder: postgres.datasetsFolder,
  })
  await postgres.execute(`CREATE TABLE marks (${columns}); CREATE INDEX ON marks (user_id);
     INSERT INTO marks SELECT i, 'u' || i % 40, sin(i) * sin(i) + 0.01, sin(i), sin(i), i * 7 % 11, i % 3, chr(97 + i % 5), i % 2 = 0
     FROM generate_series(1, 800) i ORDER BY md5(i::text);
     CREATE TABLE keyed (${columns}, PRIMARY KEY (id)); CREATE INDEX ON keyed (user_id);
     INSERT INTO keyed SELECT * FROM marks ORDER BY md5(id::text || 'a');
     CREATE TABLE twins (${columns}, UNIQUE NULLS NOT DISTINCT (user_id, id)); INSERT INTO twins SELECT * FROM keyed;
     CREATE TABLE parents (${columns}, PRIMARY KEY (id)); CREATE TABLE children () INHERITS (parents);
     INSERT INTO parents SELECT * FROM keyed; INSERT INTO children SELECT * FROM keyed;
     CREATE TABLE later (${columns}, PRIMARY KEY (id) DEFERRABLE); CREATE TABLE nullable (${columns}, UNIQUE (id));
     CREATE TABLE partly (${columns}); CREATE UNIQUE INDEX ON partly (id) WHERE i > 3;
     CREATE VIEW sums AS SELECT user_id, sum(x) AS total, count(*) AS rows FROM marks GROUP BY user_id;
     UPDATE marks SET i = i WHERE id % 3 = 0; UPDATE keyed SET i = i WHERE id % 4 = 1; ANALYZE`)
})

afterAll(async () => {
  await engine?.close()
  await postgres?.stop()
})

const grouped = (expressions: string, table = 'marks') =>
  `SELECT user_id, ${expressions} AS v FROM ${table} GROUP BY user_id`
const each = (expressions: string, table = 'marks') => `SELECT user_id, ${expressions} AS v FROM ${table}`

const exactly = [
  ...[
    'count(*)',
    'count(DISTINCT x)',
    'sum(i)',
    'avg(i)',
    'sum(n)',
    'avg(n)',
    'stddev(n)',
    'sum(x::numeric)',
    'min(x)',
    'max(r)',
    'bool_and(b)',
    'bit_or(i)',
    'percentile_cont(0.5) WITHIN GROUP (ORDER BY x)',
    'percentile_disc(0.5) WITHIN GROUP (ORDER BY s)',
    'mode() WITHIN GROUP (ORDER BY t)',
    "string_agg(s, ',' ORDER BY s)",
    "string_agg(DISTINCT s, ',')",
    'array_agg(DISTINCT lower(s))',
    'array_agg(lower(s) ORDER BY lower(s))',
    "string_agg(DISTINCT s, ',' ORDER BY s DESC)",
    'count(*) FILTER (WHERE x > 0.5)',
    'count(x) + sum(i) * 2',
  ].map((expression) => grouped(expression)),
  ...['array_agg(x ORDER BY id)', '(array_agg(x ORDER BY t, id))[1]', 'json_agg(s ORDER BY id DESC)'].map(
    (expression) => grouped(expression, 'keyed'),
  ),
  grouped('array_agg(x ORDER BY id)', 'twins'),
  each('rank() OVER (PARTITION BY user_id ORDER BY t)'),
  each('row_number() OVER (PARTITION BY user_id ORDER BY t, id)', 'keyed'),
  each('lag(x) OVER (PARTITION BY user_id ORDER BY id)', 'keyed'),
  each('sum(n) OVER (PARTITION BY user_id ORDER BY t)'),
  each(
    'sum(n) OVER (PARTITION BY user_id ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)',
  ),
  each('first_value(t) OVER (PARTITION BY user_id ORDER BY t)'),
  'SELECT DISTINCT ON (user_id) user_id, x FROM keyed ORDER BY user_id, t, id',
  'SELECT DISTINCT user_id, s FROM marks',
  'SELECT DISTINCT ON (user_id) user_id, t FROM marks ORDER BY user_id, t',
  'SELECT user_id, x FROM keyed ORDER BY t, id LIMIT 5',
  'SELECT DISTINCT user_id, t FROM marks ORDER BY t, user_id LIMIT 3',
  'SELECT u.user_id, (SELECT x FROM keyed k WHERE k.user_id = u.user_id ORDER BY id LIMIT 1) AS v FROM marks u',
  'SELECT u.user_id, ARRAY(SELECT s FROM marks k WHERE k.user_id = u.user_id ORDER BY s) AS v FROM marks u',
  'SELECT k.user_id, k.x, m.v FROM keyed k JOIN (SELECT user_id, max(x) AS v FROM marks GROUP BY user_id) m USING (user_id) ORDER BY k.id LIMIT 9',
  'SELECT user_id, rows FROM sums',
  'SELECT user_id FROM marks UNION SELECT user_id FROM keyed',
]
const roundly = [
  ...[
    'sum(x)',
    'avg(x)',
    'avg(r)',
    'stddev(x)',
    'var_pop(x)',
    'corr(x, i)',
    'regr_avgy(x, i)',
    'sum(x) FILTER (WHERE b)',
    '2 * sum(x) + 1',
    'CASE WHEN count(*) > 3 THEN sum(x) END',
    'coalesce(sum(x), 0)',
  ].map((expression) => grouped(expression)),
  each('sum(x) OVER (PARTITION BY user_id ORDER BY id)', 'keyed'),
  each('avg(x) OVER (PARTITION BY user_id)'),
  'SELECT user_id, total FROM sums',
  'SELECT user_id, total FROM sums UNION ALL SELECT user_id, sum(x) FROM keyed GROUP BY user_id',
  'SELECT u.user_id, (SELECT sum(x) FROM marks k WHERE k.user_id = u.user_id) AS v FROM keyed u',
]
const openly: [string, RegExp][] = [
  ...(
    [
      ["string_agg(s, ',')", /string_agg/],
      ["string_agg(s, ',' ORDER BY t)", /string_agg.*ORDER BY/],
      ['array_agg(x)', /array_agg/],
      ['json_agg(s)', /json_agg/],
      ['(array_agg(x ORDER BY t))[1]', /array_agg/],
      ['sum(r)', /sum/],
      ['sum(x) > 10', /sum of floats/],
      ['round(sum(x)::numeric, 15)', /sum of floats/],
      ['array_agg(x ORDER BY id)', /array_agg/],
      ['count(*) FILTER (WHERE random() > 0.5)', /random\(\)/],
    ] as const
  ).map(([expression, note]): [string, RegExp] => [grouped(expression), note]),
  ...['parents', 'later', 'nullable', 'partly'].map((table): [string, RegExp] => [
    grouped('array_agg(x ORDER BY id)', table),
    /array_agg/,
  ]),
  [each('row_number() OVER (PARTITION BY user_id ORDER BY t)'), /row_number/],
  [each('lag(t) OVER (PARTITION BY user_id ORDER BY t)'), /lag/],
  [each('sum(n) OVER (PARTITION BY user_id ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)'), /ROWS/],
  ['SELECT DISTINCT ON (user_id) user_id, x FROM marks ORDER BY user_id, t', /DISTINCT ON/],
  ['SELECT user_id, x FROM marks ORDER BY t LIMIT 5', /LIMIT/],
  ['SELECT user_id, x FROM keyed LIMIT 5', /LIMIT/],
  ['SELECT user_id, rank() OVER (ORDER BY total) AS v FROM sums', /sum of floats/],
  ['SELECT user_id, total FROM sums WHERE total > 10', /sum of floats/],
  ['SELECT total, count(*) AS v FROM sums GROUP BY total', /sum of floats/],
  [
    'SELECT u.user_id, (SELECT x FROM marks k WHERE k.user_id = u.user_id ORDER BY t LIMIT 1) AS v FROM marks u',
    /LIMIT/,
  ],
  ['SELECT u.user_id, ARRAY(SELECT s FROM marks k WHERE k.user_id = u.user_id) AS v FROM marks u', /ARRAY/],
  [
    'SELECT user_id, count(*) AS v FROM marks, generate_series(1, (SELECT (array_agg(i))[1] FROM marks)) GROUP BY user_id',
    /array_agg/,
  ],
]

const sides = () => ({
  trained: warehouse,
  served: warehouse,
  engine,
  datasetsFolder: postgres.datasetsFolder,
})

testPromises(sides, { exactly, roundly, cure: /NUMERIC/, openly })

const values = {
  grouped: [...exactly, ...roundly, ...openly.map(([sql]) => sql)].flatMap(
    (sql) => /^SELECT user_id, (.*) AS v FROM \w+ GROUP BY user_id$/.exec(sql)?.[1] ?? [],
  ),
  each: [...exactly, ...roundly, ...openly.map(([sql]) => sql)].flatMap(
    (sql) => /^SELECT user_id, ([^()]*\(.*\) OVER .*) AS v FROM (?:marks|keyed)$/.exec(sql)?.[1] ?? [],
  ),
}

/** Statements with the columns user_id and v, each made of another one. */
function createStatement(random: Random): string {
  const one = (items: readonly string[]) => items[random(items.length)] ?? ''
  const table = one(['marks', 'keyed', 'keyed', 'twins', 'parents'])
  const order = one(['t', 'id', 't, id', 'x', 's, t'])
  const inner = one([
    grouped(one(values.grouped), table),
    grouped(one(values.grouped), table),
    one(roundly.filter((sql) => sql.includes(' AS v '))),
    each(one(values.each), table),
    `SELECT DISTINCT ON (user_id) user_id, ${one(['x', 't', 's'])} AS v FROM ${table} ORDER BY user_id, ${order}`,
    `SELECT u.user_id, (SELECT x FROM ${table} k WHERE k.user_id = u.user_id ORDER BY ${order} LIMIT 1) AS v FROM keyed u`,
    `SELECT u.user_id, ARRAY(SELECT s FROM ${table} k WHERE k.user_id = u.user_id ORDER BY ${order}) AS v FROM keyed u`,
    `SELECT u.user_id, l.x AS v FROM keyed u, LATERAL (SELECT x FROM ${table} k WHERE k.user_id = u.user_id ORDER BY ${order} LIMIT 2) l`,
  ])
  return one([
    inner,
    inner,
    `SELECT DISTINCT ON (v) user_id, v::text AS v FROM (SELECT user_id, v::text AS v FROM (${inner}) q) q ORDER BY v`,
    `SELECT user_id, max(v::text) AS v FROM (${inner}) q GROUP BY user_id`,
    `SELECT user_id, count(*) AS v FROM (${inner}) q GROUP BY user_id`,
    `SELECT q.user_id, k.x AS v FROM (${inner}) q JOIN keyed k USING (user_id) WHERE k.t = 1`,
    `SELECT user_id, array_agg(v::text ORDER BY v::text) AS v FROM (${inner}) q GROUP BY user_id`,
    `WITH w AS (${inner}) SELECT user_id, v FROM w UNION ALL SELECT user_id, v FROM w WHERE user_id > 'u2'`,
  ])
}

/** The same rows in other places. */
async function shuffle(): Promise<void> {
  for (const table of ['marks', 'keyed', 'twins', 'parents', 'children'])
    await postgres.execute(
      `CREATE INDEX ${table}_shuffled ON ${table} (md5(id::text || 'b')); CLUSTER ${table} USING ${table}_shuffled`,
    )
}

testGeneratedPromises(sides, {
  create: createStatement,
  count: tries({ all: 50, part: 20 }),
  keys: Array.from({ length: 40 }, (_, i) => `u${i}`),
  before: shuffle,
})
