// Statements made at random of what DuckDB alone has, or resolves in its own way: aliases that shadow columns, joins within
// joins, ASOF, structs and lists, casts that nobody wrote, collations. All with the columns user_id, s and x.

import { createStatement, type Random } from './generated-statements.ts'

/** Some differ in what a cast or a collation takes for one; with `areNumbers` all convert to one. */
export const keySets = [
  { keys: ['a', 'A', 'b'], areNumbers: false },
  { keys: ['1', '01', '2'], areNumbers: true },
] as const

export function createDuckdbStatement(random: Random, areNumbers: boolean, depth = 3): string {
  if (depth === 0 || random(5) === 0) return createStatement(random, Math.min(depth, 1))
  const one = (items: readonly string[]) => items[random(items.length)] ?? ''
  const inner = () => `(${createDuckdbStatement(random, areNumbers, depth - 1)})`
  const [a, b] = [inner(), inner()]
  const column = () => one(['user_id', 'user_id', 's'])
  const order = 'ORDER BY user_id, s, x'
  const families = [
    () => shadowed(one, a, b),
    () => nested(one, a, b),
    () => asof(one, a, b),
    () => structured(one, column, a, b),
    () => listed(one, column, a, b),
    () => compared(one, a, b),
    () =>
      one([
        `SELECT * REPLACE (${column()} AS user_id) FROM ${a} a`,
        `SELECT #${1 + random(2)} AS user_id, #2 AS s, x FROM ${a} a`,
        `SELECT user_id, s, max(x) AS x FROM ${a} a GROUP BY ALL`,
        `SELECT user_id, s, x FROM ${a} a QUALIFY row_number() OVER (PARTITION BY ${column()} ${order}) = 1`,
        `SELECT user_id, s, x FROM ${a} a UNION BY NAME SELECT ${column()} AS user_id, s, x FROM ${b} b`,
        `FROM ${a} a SELECT user_id, first_value(s) OVER (PARTITION BY ${column()} ${order}) AS s, x`,
        `SELECT user_id, "p" AS s, x FROM (PIVOT ${a} ON s IN ('a' AS p, '1' AS q) USING min(s) GROUP BY user_id, x) t`,
      ]),
    // An ASOF join by collated texts ends the engine (INTERNAL, as of 1.5.5): none stands within another statement.
    () => (areNumbers || depth < 3 ? cast(one, a, areNumbers) : collated(one, column, a, b)),
  ]
  return families[random(families.length)]?.() ?? a
}

type One = (items: readonly string[]) => string

/** A name of the SELECT's own, of a column and of a column from outside. */
function shadowed(one: One, a: string, b: string): string {
  const named = one(['user_id AS k, s AS user_id', 's AS k, user_id', 'user_id AS k, user_id AS s'])
  const kept = named.includes('AS s') ? 'k AS user_id, s' : 'k AS user_id, user_id AS s'
  const on = one(['user_id', 'k', '1'])
  const asked = one(['b.user_id = k', 'b.user_id = a.k', 'k = s', 'b.user_id = a.user_id AND k IS NOT NULL'])
  return one([
    `SELECT ${kept}, x FROM (SELECT DISTINCT ON (${on}) ${named}, x FROM ${a} a ORDER BY a.user_id, a.s, a.x) q`,
    `SELECT ${kept}, x FROM (SELECT ${named}, x FROM ${a} a ORDER BY 1, 2, 3) q`,
    `SELECT a.user_id, (SELECT s AS k FROM ${b} b WHERE ${asked} ORDER BY b.s, b.x LIMIT 1) AS s, a.x FROM (SELECT user_id, user_id AS k, s, x FROM ${a} a) a`,
    `SELECT a.user_id, a.s, (SELECT max(x) FROM (SELECT ${one(['s', 'user_id'])} AS k, user_id, s, x FROM ${b} b) b WHERE ${asked}) AS x FROM (SELECT user_id, user_id AS k, s, x FROM ${a} a) a`,
    `SELECT k AS user_id, s, max(x) AS x FROM (SELECT user_id, ${one(['s', 'user_id'])} AS k, s, x FROM ${a} a) q GROUP BY ${one(['k, s', 'ALL', '1, 2'])}`,
    `SELECT "\u212a" AS user_id, k AS s, x FROM (SELECT ${one(['user_id AS k, s', 's AS k, user_id'])} AS "\u212a", x FROM ${a} a) q`,
  ])
}

/** A join on the right of a join: its ON sees its own tables alone. */
function nested(one: One, a: string, b: string): string {
  const left = `(SELECT user_id, ${one(['user_id', 's'])} AS k FROM ${a} a) a`
  const right = `(SELECT user_id, s, x, ${one(['user_id', 's'])} AS k FROM ${a} a) c`
  const kind = one(['JOIN', 'LEFT JOIN', 'FULL JOIN'])
  return one([
    `SELECT a.user_id, c.s, b.x FROM ${left} ${kind} (${b} b JOIN ${right} ON b.user_id = k) ON c.user_id = a.user_id`,
    `SELECT b.user_id, c.s, b.x FROM ${left} JOIN (${b} b ${kind} ${right} ON b.user_id = c.k) ON b.user_id = a.k`,
    `SELECT user_id, c.s, b.x FROM ${left} JOIN (${b} b ${kind} ${right} USING (user_id)) USING (user_id)`,
    `SELECT user_id, s, x FROM ${a} a NATURAL JOIN (SELECT ${one(['user_id', 's AS user_id', 'user_id, s'])} FROM ${b} b) n`,
    `SELECT a.user_id, a.s, a.x FROM ${a} a ${one(['SEMI', 'ANTI'])} JOIN ${b} b ON ${one(['a.user_id = b.user_id', 'a.s = b.user_id', 'a.user_id = b.user_id AND a.x < b.x'])}`,
  ])
}

/** One row of the right for each of what it compares, and none of the left without a time: else the engine may choose. */
function asof(one: One, a: string, b: string): string {
  const by = one(['user_id, x', 's, user_id', 'user_id, s', 's, x'])
  const last = by.split(', ')[1] ?? ''
  const rest = ['user_id', 's', 'x'].find((name) => !by.split(', ').includes(name)) ?? ''
  const left = `(SELECT * FROM ${a} a WHERE ${last} IS NOT NULL) a`
  const right = `(SELECT ${by}, max(${rest}) AS ${rest} FROM ${b} b GROUP BY ${by}) b`
  const on = by
    .split(', ')
    .map((name, i) => `a.${name} ${i === 0 ? '=' : one(['>=', '>', '<', '<='])} b.${name}`)
  const join = `${left} ASOF ${one(['JOIN', 'LEFT JOIN'])} ${right}`
  return `SELECT ${one(['a', 'a', 'b'])}.user_id, b.s, b.x FROM ${join} ${one([`USING (${by})`, `ON ${on.join(' AND ')}`])}`
}

/** A struct's path that reads like a table's, and the places of columns that come out of one. */
function structured(one: One, column: () => string, a: string, b: string): string {
  const aliases = one(['k, s, x, p, q', 's, k, x, p, q', 's, p, x, k, q'])
  return one([
    `SELECT q.users.user_id AS user_id, q.users.s AS s, x FROM (SELECT {'users': {'user_id': ${column()}, 's': s}} AS q, user_id, x FROM ${a} a) users`,
    `SELECT q.user_id, q.s, x FROM (SELECT {'user_id': ${column()}, 's': s} AS q, x FROM ${a} a) z, (SELECT 1 AS n) one`,
    `SELECT k AS user_id, s, x FROM (SELECT q.*, user_id, x FROM (SELECT {'m': s, 'n': s} AS q, user_id, x FROM ${a} a) z) t(${one(['k, s, m, x', 's, n, k, x'])})`,
    `SELECT k AS user_id, s, x FROM (SELECT * FROM ${a} a JOIN ${b} b USING (user_id)) t(${aliases})`,
    `SELECT k AS user_id, s, x FROM (SELECT a.user_id, a.s, a.x, b.user_id, b.s FROM ${a} a LEFT JOIN ${b} b ON a.user_id = b.user_id) t(${aliases})`,
    `WITH w(${one(['k, s, x', 's, k, x'])}) AS ${a} SELECT w.k AS user_id, v.s, v.x FROM w JOIN w v ON ${one(['w.k = v.k', 'w.s = v.k'])}`,
  ])
}

function listed(one: One, column: () => string, a: string, b: string): string {
  return one([
    `SELECT user_id, unnest([s, ${column()}]) AS s, x FROM ${a} a`,
    `SELECT unnest([${column()}]) AS user_id, s, x FROM ${a} a`,
    `SELECT ${one(['a.user_id', 'a.user_id', 'u.l AS user_id'])}, u.l AS s, a.x FROM ${a} a, unnest([a.s, a.${column()}]) u(l)`,
    `SELECT user_id, list(s ORDER BY s)[1] AS s, max(x) AS x FROM ${a} a GROUP BY user_id`,
    `SELECT a.user_id, ARRAY(SELECT b.s FROM ${b} b WHERE b.${column()} = a.user_id ORDER BY b.s)[1] AS s, a.x FROM ${a} a`,
    `SELECT a.user_id, (SELECT max(b.s) FROM ${b} b WHERE b.user_id = list_extract(l, 1)) AS s, a.x FROM (SELECT *, [${column()}] AS l FROM ${a} a) a`,
  ])
}

function compared(one: One, a: string, b: string): string {
  const within = one(['b.user_id = a.user_id', 'b.user_id = a.user_id AND b.s > a.s', 'b.s = a.s', 'b.x > 1'])
  const asked = one(['a.s IN', 'a.s NOT IN', 'a.x >= ALL', 'a.x > ANY', 'a.user_id NOT IN'])
  const given = asked.includes('x') ? 'b.x' : 'b.s'
  const both = one([
    'a.user_id IS NOT DISTINCT FROM b.user_id',
    '(a.user_id = b.user_id) IS TRUE',
    'a.user_id = b.user_id OR a.s = b.s',
    '(a.user_id, a.s) = (b.user_id, b.s)',
  ])
  return one([
    `SELECT user_id, s, CASE WHEN ${asked} (SELECT ${given} FROM ${b} b WHERE ${within}) THEN 1 ELSE x END AS x FROM ${a} a`,
    `SELECT * FROM ${a} a WHERE ${asked} (SELECT ${given} FROM ${b} b WHERE ${within})`,
    `SELECT * FROM ${a} a WHERE (user_id, s) IN (SELECT user_id, s FROM ${b} b)`,
    `SELECT ${one(['a', 'b'])}.user_id, a.s, b.x FROM ${a} a ${one(['JOIN', 'LEFT JOIN', 'FULL JOIN'])} ${b} b ON ${both}`,
    `SELECT a.user_id, a.s, l.x FROM ${a} a LEFT JOIN LATERAL (SELECT max(b.x) AS x FROM ${b} b WHERE ${within}) l ON true`,
    `SELECT a.user_id, l.s, a.x FROM ${a} a, LATERAL (WITH w AS (SELECT b.s FROM ${b} b WHERE ${within}) SELECT min(s) AS s FROM w) l`,
    `SELECT a.user_id, a.s, (SELECT count(*) FROM ${b} b WHERE ${within} AND EXISTS (SELECT 1 FROM ${a} c WHERE c.user_id = ${one(['a', 'b'])}.user_id))::DOUBLE AS x FROM ${a} a`,
  ])
}

function cast(one: One, a: string, areNumbers: boolean): string {
  if (!areNumbers) return `SELECT try_cast(user_id AS DATE)::VARCHAR AS user_id, s, x FROM ${a} a`
  const numbers = '(VALUES (1), (2)) v(id)'
  return one([
    `SELECT v.id::VARCHAR AS user_id, a.s, a.x FROM ${a} a JOIN ${numbers} ON a.user_id = v.id`,
    `SELECT a.user_id, a.s, v.id::DOUBLE AS x FROM ${a} a LEFT JOIN ${numbers} ON a.user_id = v.id`,
    `SELECT a.user_id, a.s, a.x FROM ${a} a JOIN ${a} b ON a.user_id = b.user_id::INTEGER`,
    `SELECT user_id::INTEGER::VARCHAR AS user_id, min(s) AS s, max(x) AS x FROM ${a} a GROUP BY user_id::INTEGER`,
  ])
}

function collated(one: One, column: () => string, a: string, b: string): string {
  const folded = `(SELECT user_id COLLATE NOCASE AS user_id, s, x FROM ${a} a)`
  return one([
    `SELECT a.user_id, a.s, a.x FROM ${folded} a`,
    `SELECT a.user_id, b.s, b.x FROM ${folded} a JOIN ${b} b ON a.user_id = b.${column()}`,
    `SELECT min(user_id) AS user_id, min(s) AS s, max(x) AS x FROM ${folded} a GROUP BY user_id`,
    `SELECT a.user_id, a.s, (SELECT max(b.x) FROM ${b} b WHERE b.user_id = a.user_id COLLATE NOCASE) AS x FROM ${a} a`,
    `SELECT user_id, s, max(x) OVER (PARTITION BY ${column()}) AS x FROM ${folded} a`,
  ])
}
