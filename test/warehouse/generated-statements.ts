// Statements made at random of joins, groups, windows, subqueries and limits, over a few rows, all with the columns user_id, s and x.

import type { Row } from '../../src/values/columns.ts'
import type { TableRows } from '../../src/warehouse/port.ts'

export const keys = ['a', 'b', 'c']

const tables = [
  'SELECT user_id, name AS s, creation_date AS x FROM feature_store.users',
  'SELECT user_id, quote_type AS s, creation_date AS x FROM feature_store.quotes',
  'SELECT user_id, policy_type AS s, purchase_time AS x FROM feature_store.policies',
]
const columnsOf: Record<string, readonly string[]> = {
  users: ['user_id', 'name', 'creation_date'],
  quotes: ['user_id', 'quote_type', 'creation_date'],
  policies: ['user_id', 'policy_type', 'purchase_time'],
}

export type Random = (below: number) => number

/** The same numbers for the same seed. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Texts are keys too, so that one column may be taken for the other; some of all are null. */
export function createTables(random: Random, among: readonly string[] = keys): TableRows[] {
  return rowsFor(columnsOf, random, among, 7)
}

const twoColumnsOf: Record<string, readonly string[]> = {
  quotes: ['user_id', 'quote_id', 'creation_date'],
  policies: ['user_id', 'quote_id', 'purchase_time'],
}

function rowsFor(
  columns: Record<string, readonly string[]>,
  random: Random,
  among: readonly string[],
  count: number,
): TableRows[] {
  const pick = () => [...among, null][random(among.length + 1)] ?? null
  return Object.entries(columns).map(([table, names]) => ({
    table,
    columns: names,
    rows: Array.from({ length: count }, (): Row => [pick(), pick(), [0, 1, 2, null][random(4)] ?? null]),
  }))
}

/** More rows of fewer keys, so that several have the same. */
export function createTwoColumnTables(random: Random): TableRows[] {
  return rowsFor(twoColumnsOf, random, keys, 16)
}

/** A statement over those, in which `quote_id` stands for what the others call s. */
export function createTwoColumnStatement(random: Random): string {
  return createStatement(random)
    .replaceAll(
      /name AS s, (creation_date AS x) FROM feature_store.users/g,
      's, $1 FROM feature_store.quotes',
    )
    .replaceAll(/\w+_type AS s/g, 's')
    .replaceAll(/\bs\b/g, 'quote_id')
}

export function createStatement(random: Random, depth = 3): string {
  const one = (items: readonly string[]) => items[random(items.length)] ?? ''
  const inner = () => `(${createStatement(random, depth - 1)})`
  if (depth === 0 || random(6) === 0) return one(tables)
  const [a, b] = [inner(), inner()]
  const on = one([
    'a.user_id = b.user_id',
    'a.user_id = b.user_id',
    'a.user_id = b.user_id AND a.s = b.s',
    'a.s = b.s',
    'a.user_id = b.s',
  ])
  const key = one(['a.user_id', 'a.user_id', 'b.user_id', 'coalesce(a.user_id, b.user_id)'])
  const over = one(['PARTITION BY user_id', 'PARTITION BY user_id, s', 'PARTITION BY s', ''])
  const by = one([
    'user_id',
    'user_id, s',
    's, user_id',
    'ROLLUP (user_id, s)',
    'GROUPING SETS ((user_id), (s))',
    's',
  ])
  const grouped =
    by === 's' ? 'min(user_id) AS user_id, s' : by === 'user_id' ? 'user_id, min(s) AS s' : 'user_id, s'
  const within = one([
    'b.user_id = a.user_id',
    'b.user_id = a.user_id',
    'b.user_id = a.user_id AND b.x > a.x',
    'b.s = a.s',
    'b.x > 1',
  ])
  const condition = one([
    'a.x > 0',
    "a.s = 'a'",
    'a.user_id IS NOT NULL',
    'a.user_id = a.s',
    `a.user_id IN (SELECT user_id FROM ${b} b)`,
    `a.user_id NOT IN (SELECT user_id FROM ${b} b WHERE user_id IS NOT NULL)`,
    `a.s IN (SELECT s FROM ${b} b)`,
    `EXISTS (SELECT 1 FROM ${b} b WHERE ${within})`,
    `NOT EXISTS (SELECT 1 FROM ${b} b WHERE ${within})`,
    `a.x >= (SELECT max(b.x) FROM ${b} b WHERE ${within})`,
  ])
  return one([
    `SELECT s AS user_id, user_id AS s, x FROM ${a} a`,
    `SELECT * FROM ${a} a WHERE ${condition}`,
    `SELECT * FROM ${a} a WHERE ${condition}`,
    `SELECT ${key} AS user_id, a.s, b.x FROM ${a} a ${one(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])} ${b} b ON ${on}`,
    `SELECT ${key} AS user_id, b.s, a.x FROM ${a} a, ${b} b WHERE ${on}`,
    `SELECT user_id, a.s, b.x FROM ${a} a ${one(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])} ${b} b USING (user_id)`,
    `SELECT ${grouped}, CAST(count(*) AS double precision) AS x FROM ${a} a GROUP BY ${by}`,
    `SELECT ${grouped}, max(x) AS x FROM ${a} a GROUP BY ${by} HAVING count(*) > 1`,
    `SELECT user_id, s, CAST(count(*) OVER (${over}) AS double precision) AS x FROM ${a} a`,
    `SELECT user_id, s, CAST(rank() OVER (${over} ORDER BY x, s, user_id) AS double precision) AS x FROM ${a} a`,
    `SELECT DISTINCT user_id, s, x FROM ${a} a`,
    `SELECT DISTINCT ON (user_id) user_id, s, x FROM ${a} a ORDER BY user_id, s, x`,
    `SELECT DISTINCT ON (s) user_id, s, x FROM ${a} a ORDER BY s, user_id, x`,
    `SELECT user_id, s, x FROM ${a} a ORDER BY 1, 2, 3 LIMIT ${1 + random(4)}`,
    `(${createStatement(random, depth - 1)}) ${one(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])} (${createStatement(random, depth - 1)})`,
    `SELECT a.user_id, a.s, (SELECT max(b.x) FROM ${b} b WHERE ${within}) AS x FROM ${a} a`,
    `SELECT a.user_id, a.s, l.x FROM ${a} a, LATERAL (SELECT b.user_id, b.x FROM ${b} b WHERE ${within}) l WHERE ${one(['l.user_id = a.user_id', 'l.x > 0'])}`,
    `WITH w AS ${a} SELECT v.user_id, w.s, v.x FROM w JOIN w v ON ${one(['v.user_id = w.user_id', 'v.s = w.s'])}`,
    `SELECT a.user_id, c.s, a.x FROM ${a} a JOIN (VALUES ('a', 'b'), ('c', 'c')) c(user_id, s) ON ${one(['c.user_id = a.user_id', 'c.s = a.s', 'c.s = a.user_id'])}`,
  ])
}
