// Statements made at random for lookups: windows, groups, joins, subqueries, sets and limits over tables, VALUES and series,
// all with the columns user_id, s and x, in words that DuckDB and PostgreSQL share.

import type { Random } from './generated-statements.ts'

const tables = [
  'SELECT user_id, name AS s, creation_date AS x FROM feature_store.users',
  'SELECT user_id, quote_type AS s, creation_date AS x FROM feature_store.quotes',
  'SELECT user_id, policy_type AS s, purchase_time AS x FROM feature_store.policies',
]
const rowsInPlace = [
  "(VALUES ('a', 'b', 1), ('b', 'a', 2), ('a', 'a', 0), (NULL, 'b', 2), ('c', NULL, NULL))",
  "(VALUES ('a', 'b', 1), ('b', 'b', 2))",
  "(SELECT CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'c' END, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, i FROM generate_series(0, 6) g(i))",
]

/** One of the shapes, over others of less depth. Every row's place is told where it is asked for, so that a statement has one result. */
export function createLookupStatement(random: Random, depth = 2): string {
  const one = (items: readonly string[]) => items[random(items.length)] ?? ''
  const source = (alias: string): string => {
    if (depth > 0 && random(3) > 0) return `(${createLookupStatement(random, depth - 1)}) ${alias}`
    return random(2) === 0 ? `(${one(tables)}) ${alias}` : `${one(rowsInPlace)} ${alias}(user_id, s, x)`
  }
  const [a, b] = [source('v'), source('w')]
  const shapes = [...overRows(one, a), ...ofTwo(one, a, b), ...ofParts(one, a, random)]
  return one(shapes)
}

type One = (items: readonly string[]) => string

function windowOf(one: One): string {
  const by = one(['user_id', 'user_id', 's', 'user_id, s'])
  const part = one([`PARTITION BY ${by}`, `PARTITION BY ${by}`, `PARTITION BY ${by}`, ''])
  const order = `${part} ORDER BY x, s, user_id`
  const frame = one([
    '',
    ' ROWS BETWEEN 1 PRECEDING AND CURRENT ROW',
    ' ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING',
  ])
  const whole = `${one(aggregates)} OVER (${part})`
  return one([
    whole,
    whole,
    `${one(aggregates)} OVER (${order}${frame})`,
    `row_number() OVER (${order})`,
    `rank() OVER (${order})`,
    `lag(x) OVER (${order})`,
    `first_value(x) OVER (${order})`,
  ])
}

const aggregates = ['count(*)', 'count(x)', 'count(s)', 'sum(x)', 'max(x)', 'min(x)', 'avg(x)']

function overRows(one: One, a: string): string[] {
  const condition = one(['x > 0', "s = 'a'", 'user_id IS NOT NULL', "user_id <> 'b'"])
  const bound = one(['= 1', '<= 2', '> 1', 'IS NOT NULL'])
  return [
    `SELECT user_id, s, ${windowOf(one)} AS x FROM ${a}`,
    `SELECT user_id, s, ${windowOf(one)} AS x FROM ${a}`,
    `SELECT user_id, s, ${windowOf(one)} AS x FROM ${a} WHERE ${condition}`,
    `SELECT user_id, s, ${windowOf(one)} + ${windowOf(one)} AS x FROM ${a}`,
    `SELECT user_id, s, x FROM (SELECT *, ${windowOf(one)} AS n FROM ${a}) q WHERE n ${bound}`,
    `SELECT user_id, s, x FROM ${a} WHERE ${condition}`,
    `SELECT CASE WHEN x > 1 THEN user_id ELSE s END AS user_id, s, x FROM ${a}`,
    `SELECT lower(user_id) || '' AS user_id, s, x FROM ${a}`,
  ]
}

function ofTwo(one: One, a: string, b: string): string[] {
  const on = one([
    'v.user_id = w.user_id',
    'v.user_id = w.user_id',
    'v.user_id = w.user_id AND v.s = w.s',
    'v.s = w.s',
    'v.user_id = w.s',
  ])
  const more = one([on, on, `${on} AND v.x > w.x`])
  const join = one(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])
  const side = one(['user_id', 's'])
  return [
    `SELECT v.user_id, w.s, v.x FROM ${a} ${join} ${b} ON ${on}`,
    `SELECT w.user_id, v.s, w.x FROM ${a} ${join} ${b} ON ${on}`,
    `SELECT coalesce(v.user_id, w.user_id) AS user_id, v.s, w.x FROM ${a} ${join} ${b} ON ${on}`,
    `SELECT v.user_id, v.s, (SELECT max(w.x) FROM ${b} WHERE ${more}) AS x FROM ${a}`,
    `SELECT v.user_id, v.s, (SELECT count(*) FROM ${b} WHERE ${more}) AS x FROM ${a}`,
    `SELECT v.user_id, v.s, q.x FROM ${a} CROSS JOIN LATERAL (SELECT max(w.x) AS x FROM ${b} WHERE ${more}) q`,
    `SELECT v.user_id, v.s, v.x FROM ${a} WHERE ${one(['EXISTS', 'NOT EXISTS'])} (SELECT 1 FROM ${b} WHERE ${more})`,
    `SELECT v.user_id, v.s, v.x FROM ${a} WHERE v.${side} ${one(['IN', 'NOT IN'])} (SELECT w.${side} FROM ${b} WHERE w.${side} IS NOT NULL)`,
    `(SELECT user_id, s, x FROM ${a}) ${one(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])} (SELECT user_id, s, x FROM ${b})`,
    `SELECT user_id, s, x FROM ${a} CROSS JOIN (SELECT ${one(aggregates.slice(0, 3))} AS y FROM ${b}) q WHERE x >= y OR y > 2`,
  ]
}

function ofParts(one: One, a: string, random: Random): string[] {
  const sets = [
    'user_id, s',
    'ROLLUP (user_id, s)',
    'CUBE (user_id, s)',
    'GROUPING SETS ((user_id), (s), ())',
  ]
  const kept = one(['', 'MATERIALIZED ', 'NOT MATERIALIZED '])
  const [first, order] = one(['user_id|user_id, s, x', 's|s, user_id, x', 'user_id, s|user_id, s, x']).split(
    '|',
  )
  return [
    `SELECT user_id, min(s) AS s, ${one(aggregates)} AS x FROM ${a} GROUP BY user_id ${one(['', 'HAVING count(*) > 1'])}`,
    `SELECT user_id, s, ${one(aggregates)} AS x FROM ${a} GROUP BY ${one(sets)}`,
    `SELECT min(user_id) AS user_id, s, count(DISTINCT x) AS x FROM ${a} GROUP BY s`,
    `SELECT user_id, s, x FROM ${a} ORDER BY 1, 2, 3 LIMIT ${1 + random(4)}`,
    `SELECT user_id, s, x FROM ${a} ORDER BY x, s, user_id LIMIT ${1 + random(3)} OFFSET 1`,
    `SELECT DISTINCT user_id, s, x FROM ${a}`,
    `SELECT DISTINCT ON (${first}) user_id, s, x FROM ${a} ORDER BY ${order}`,
    `WITH q AS ${kept}(SELECT * FROM ${a}) SELECT q.user_id, r.s, r.x FROM q JOIN q r ON ${one(['q.user_id = r.user_id', 'q.s = r.s'])}`,
    `WITH q AS ${kept}(SELECT user_id, min(s) AS s, count(*) AS x FROM ${a} GROUP BY user_id) SELECT * FROM q WHERE x >= (SELECT max(x) FROM q)`,
    `WITH RECURSIVE q(user_id, s, x, n) AS (SELECT user_id, s, x, 0 FROM ${a} UNION ALL SELECT s, user_id, x, n + 1 FROM q WHERE n < 2) SELECT user_id, s, x FROM q`,
  ]
}
