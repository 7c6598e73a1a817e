// What a statement on DuckDB promises of its result, held against the engine: training beside lookups, over doubles at
// random and ties, in tables so large that the engine works on them in parallel, with rows that stand elsewhere.

import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll } from 'vitest'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { tries } from '../thorough.ts'
import type { Random } from './generated-statements.ts'
import { createWarehouseFolder } from './open-duckdb.ts'
import { testGeneratedPromises, testPromises } from './promise-cases.ts'

let folder: Awaited<ReturnType<typeof createWarehouseFolder>>
let trained: Warehouse
let served: Warehouse
let engine: ParquetEngine

const rowCount = 400_000
const userCount = 4_000
const columns =
  'id INTEGER, user_id VARCHAR, x DOUBLE, r FLOAT, n DECIMAL(12, 3), i INTEGER, t INTEGER, s VARCHAR, b BOOLEAN'
const values = `i, 'u' || i % ${userCount}, sin(i) * sin(i) + 0.01, sin(i), sin(i), i * 7 % 11, hash(i) % 3, chr(97 + (i % 5)::INTEGER), i % 2 = 0`

/** The same rows in an order of its own. */
async function createFile(order: string): Promise<string> {
  const path = join(folder.folder, `${order}.duckdb`)
  const instance = await DuckDBInstance.create(path)
  const connection = await instance.connect()
  await connection.run(`
    CREATE TABLE marks (${columns});
    INSERT INTO marks SELECT ${values} FROM range(${rowCount}) q(i) ORDER BY hash(i || '${order}');
    CREATE TABLE keyed (${columns}, PRIMARY KEY (id));
    INSERT INTO keyed FROM marks WHERE id % 4000 < 400 ORDER BY hash(id || '${order} keyed');
    CREATE TABLE twins (${columns}, UNIQUE (user_id, id));
    CREATE TABLE filled (${columns}, UNIQUE (user_id, id));
    ALTER TABLE filled ALTER id SET NOT NULL; ALTER TABLE filled ALTER user_id SET NOT NULL;
    INSERT INTO twins FROM keyed; INSERT INTO filled FROM keyed;
    CREATE TABLE folded (user_id VARCHAR, s VARCHAR COLLATE NOCASE);
    INSERT INTO folded SELECT user_id, CASE WHEN b THEN s ELSE upper(s) END FROM keyed;
    CREATE MACRO doubled(v) AS v * 2;
    CREATE VIEW sums AS SELECT user_id, sum(x) AS total, count(*) AS rows FROM marks GROUP BY user_id;
    CREATE VIEW drawn AS SELECT user_id, random() AS v FROM keyed`)
  connection.closeSync()
  instance.closeSync()
  return path
}

beforeAll(async () => {
  folder = await createWarehouseFolder()
  trained = await folder.open({ url: `duckdb:${await createFile('one')}` })
  served = await folder.open({ url: `duckdb:${await createFile('another')}` })
  engine = await createParquetEngine({
    folders: [folder.datasetsFolder],
    memoryMb: 512,
    temporaryFolder: folder.datasetsFolder,
  })
}, 120_000)

afterAll(async () => {
  await trained?.close()
  await served?.close()
  await engine?.close()
  await folder?.remove()
})

const grouped = (expression: string, table = 'marks') =>
  `SELECT user_id, ${expression} AS v FROM ${table} GROUP BY user_id`
const each = (expression: string, table = 'marks') => `SELECT user_id, ${expression} AS v FROM ${table}`

const exactly = [
  ...[
    'count(*)',
    'count(DISTINCT x)',
    'approx_count_distinct(x)',
    'sum(i)',
    'avg(i)',
    'sum(n)',
    'avg(n)',
    'sum(x::DECIMAL(18, 3))',
    'min(x)',
    'max(r)',
    'max(x, 3)',
    'bool_and(b)',
    'bit_xor(i)',
    'bitstring_agg(i, 0, 20)',
    'median(x)',
    'mad(x)',
    'quantile_cont(x, 0.3)',
    'quantile_disc(s, 0.5)',
    'histogram(s)',
    "string_agg(s, ',' ORDER BY s)",
    "string_agg(DISTINCT s, ',' ORDER BY s DESC)",
    'list(DISTINCT s ORDER BY s)',
    'list_sort(list(x))',
    'first(s ORDER BY s)',
    'arg_max(t, t)',
    'count(*) FILTER (WHERE x > 0.5)',
    'doubled(sum(i)) + count(x)',
  ].map((expression) => grouped(expression)),
  ...[
    'list(x ORDER BY id)',
    'first(x ORDER BY t, id)',
    'arg_max(x, id)',
    'mode(s ORDER BY id)',
    "string_agg(s, '' ORDER BY id DESC)",
  ].map((expression) => grouped(expression, 'keyed')),
  grouped('list(x ORDER BY id)', 'filled'),
  each('rank() OVER (PARTITION BY user_id ORDER BY t)'),
  each('row_number() OVER (PARTITION BY user_id ORDER BY t, id)', 'keyed'),
  each('lag(x) OVER (PARTITION BY user_id ORDER BY id)', 'keyed'),
  each('sum(n) OVER (PARTITION BY user_id ORDER BY t)', 'keyed'),
  each('sum(n) OVER (PARTITION BY user_id ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)', 'keyed'),
  each('first_value(t) OVER (PARTITION BY user_id ORDER BY t)', 'keyed'),
  each("string_agg(s, '' ORDER BY id) OVER (PARTITION BY user_id)", 'keyed'),
  'SELECT DISTINCT ON (user_id) user_id, x FROM keyed ORDER BY user_id, t, id',
  'SELECT DISTINCT ON (user_id) user_id, t FROM marks ORDER BY user_id, t',
  'SELECT DISTINCT user_id, s FROM marks',
  'SELECT user_id, x AS v FROM keyed QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY t, id) = 1',
  'SELECT user_id, x FROM keyed ORDER BY t, id LIMIT 5',
  'SELECT DISTINCT user_id, t FROM marks ORDER BY t, user_id LIMIT 3',
  'SELECT u.user_id, (SELECT x FROM keyed k WHERE k.user_id = u.user_id ORDER BY id LIMIT 1) AS v FROM keyed u',
  'SELECT u.user_id, ARRAY(SELECT s FROM keyed k WHERE k.user_id = u.user_id ORDER BY s) AS v FROM keyed u',
  'SELECT user_id, (SELECT max(n) FROM keyed) AS v FROM keyed WHERE EXISTS (SELECT 1 FROM marks)',
  'SELECT user_id, unnest([s, upper(s)]) AS v FROM keyed',
  'SELECT a.user_id, b.id AS v FROM keyed a ASOF JOIN keyed b ON a.user_id = b.user_id AND a.id > b.id WHERE a.id IS NOT NULL',
  'SELECT user_id, rows FROM sums',
  'SELECT user_id FROM marks UNION SELECT user_id FROM keyed',
]

const roundly = [
  ...[
    'sum(x)',
    'avg(x)',
    'avg(r)',
    'fsum(x)',
    'product(x + 1)',
    'stddev(x)',
    'stddev(i)',
    'var_pop(n)',
    'corr(x, i)',
    'regr_slope(x, i)',
    'entropy(i)',
    'sum(x) FILTER (WHERE b)',
    'sum(DISTINCT x)',
    'doubled(sum(x)) + 1',
    'CASE WHEN count(*) > 3 THEN sum(x) END',
    'coalesce(sum(x), 0)',
  ].map((expression) => grouped(expression)),
  each('sum(x) OVER (PARTITION BY user_id ORDER BY id)', 'keyed'),
  each('avg(x) OVER (PARTITION BY user_id)', 'keyed'),
  'SELECT user_id, total FROM sums',
  'SELECT user_id, total FROM sums UNION ALL SELECT user_id, sum(x) FROM keyed GROUP BY user_id',
  'SELECT u.user_id, (SELECT sum(x) FROM keyed k WHERE k.user_id = u.user_id) AS v FROM keyed u',
]

const openly: [string, RegExp][] = [
  ...(
    [
      ["string_agg(s, ',')", /string_agg/],
      ["string_agg(s, ',' ORDER BY t)", /string_agg.*ORDER BY/],
      ['list(x)', /list/],
      ['list(DISTINCT s)', /list/],
      ['first(x)', /first/],
      ['any_value(x)', /any_value/],
      ['arg_max(x, t)', /arg_max/],
      ['mode(i)', /mode/],
      ['approx_quantile(x, 0.5)', /quantile_cont/],
      ['bitstring_agg(i)', /bitstring_agg/],
      ['sum(x) > 10', /sum of floats/],
      ['round(sum(x), 2)', /sum of floats/],
      ['sum(x)::FLOAT', /sum of floats/],
      ['list(x ORDER BY id)', /list/],
    ] as const
  ).map(([expression, note]): [string, RegExp] => [grouped(expression), note]),
  [grouped('list(x ORDER BY id)', 'twins'), /list/],
  [grouped('min(s)', 'folded'), /arg_min/],
  [each('x || row_number() OVER (PARTITION BY user_id ORDER BY t)', 'keyed'), /row_number/],
  [each('x || ntile(3) OVER (PARTITION BY user_id ORDER BY t)', 'keyed'), /ntile/],
  [each('x || lag(user_id) OVER (PARTITION BY user_id ORDER BY t)', 'keyed'), /lag/],
  [each('first_value(x) OVER (PARTITION BY user_id ORDER BY t)', 'keyed'), /first_value/],
  [
    each('sum(n) OVER (PARTITION BY user_id ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)', 'keyed'),
    /ROWS/,
  ],
  ['SELECT DISTINCT ON (user_id) user_id, x FROM marks ORDER BY user_id, t', /DISTINCT ON/],
  ['SELECT DISTINCT s AS v, user_id FROM folded', /DISTINCT ON/],
  ['SELECT user_id, x FROM marks ORDER BY t LIMIT 5', /LIMIT/],
  ['SELECT user_id, x FROM keyed LIMIT 5', /LIMIT/],
  ['SELECT user_id, rank() OVER (ORDER BY total) AS v FROM sums', /sum of floats/],
  ['SELECT user_id, total FROM sums WHERE total > 10', /sum of floats/],
  [
    'SELECT u.user_id, (SELECT x FROM keyed k WHERE k.user_id = u.user_id ORDER BY t LIMIT 1) AS v FROM keyed u',
    /LIMIT/,
  ],
  [
    'SELECT u.user_id, ARRAY(SELECT s FROM keyed k WHERE k.user_id = u.user_id) AS v FROM keyed u',
    /array_agg/,
  ],
  [
    'SELECT a.user_id, b.x AS v FROM keyed a ASOF JOIN keyed b ON a.user_id = b.user_id AND a.t > b.t WHERE a.t IS NOT NULL',
    /ASOF JOIN.*unique/,
  ],
  [
    'SELECT a.user_id, b.id AS v FROM keyed a ASOF LEFT JOIN keyed b ON a.user_id = b.user_id AND a.id > b.id',
    /ASOF JOIN.*IS NOT NULL/,
  ],
  ['SELECT user_id, v FROM drawn', /random\(\)/],
  [
    'WITH RECURSIVE r AS (SELECT user_id, 1 AS v FROM keyed UNION ALL SELECT user_id, v + 1 FROM r WHERE v < 2) FROM r',
    /RECURSIVE/,
  ],
]

const sides = () => ({ trained, served, engine, datasetsFolder: folder.datasetsFolder })

testPromises(sides, { exactly, roundly, cure: /DECIMAL/, openly })

const made = [exactly, roundly, openly.map(([sql]) => sql)].map((statements) => ({
  grouped: statements.flatMap(
    (sql) => /^SELECT user_id, (.*) AS v FROM \w+ GROUP BY user_id$/.exec(sql)?.[1] ?? [],
  ),
  each: statements.flatMap(
    (sql) => /^SELECT user_id, ([^()]*\(.*\) OVER .*) AS v FROM (?:marks|keyed)$/.exec(sql)?.[1] ?? [],
  ),
}))

/** Statements with the columns user_id and v, each made of another one. */
function createStatement(random: Random): string {
  const one = (items: readonly string[]) => items[random(items.length)] ?? ''
  const large = one(['marks', 'marks', 'keyed', 'filled'])
  const table = one(['keyed', 'filled', 'twins'])
  // Of those that round the most: what is made of them is often left open.
  const of = made[Number(one(['0', '1', '1', '1', '2']))] ?? { grouped: [], each: [] }
  const order = one(['t', 'id', 't, id', 'x', 's, t'])
  const inner = one([
    ...Array.from({ length: 5 }, () => grouped(one(of.grouped), large)),
    each(one(of.each), table),
    `SELECT DISTINCT ON (user_id) user_id, ${one(['x', 't', 's'])} AS v FROM ${large} ORDER BY user_id, ${order}`,
    `SELECT u.user_id, (SELECT x FROM ${table} k WHERE k.user_id = u.user_id ORDER BY ${order} LIMIT 1) AS v FROM keyed u`,
    `SELECT u.user_id, ARRAY(SELECT s FROM ${table} k WHERE k.user_id = u.user_id ORDER BY ${order}) AS v FROM keyed u`,
    `SELECT u.user_id, l.x AS v FROM keyed u, LATERAL (SELECT x FROM ${table} k WHERE k.user_id = u.user_id ORDER BY ${order} LIMIT 2) l`,
    `SELECT a.user_id, b.x AS v FROM keyed a ASOF JOIN ${table} b ON a.user_id = b.user_id AND a.id > b.${one(['id', 't'])} WHERE a.id IS NOT NULL`,
  ])
  return one([
    ...Array.from({ length: 7 }, () => inner),
    `SELECT user_id, max(v::VARCHAR) AS v FROM (${inner}) q GROUP BY user_id`,
    `SELECT user_id, count(*) AS v FROM (${inner}) q GROUP BY user_id`,
    `SELECT q.user_id, k.x AS v FROM (${inner}) q JOIN keyed k USING (user_id) WHERE k.t = 1`,
    `SELECT user_id, list(v::VARCHAR ORDER BY v::VARCHAR) AS v FROM (${inner}) q GROUP BY user_id`,
    `WITH w AS (${inner}) SELECT user_id, v FROM w UNION ALL SELECT user_id, v FROM w WHERE user_id > 'u2'`,
  ])
}

testGeneratedPromises(sides, {
  create: createStatement,
  count: tries({ all: 40, part: 15 }),
  keys: Array.from({ length: 12 }, (_, i) => `u${i}`),
})
