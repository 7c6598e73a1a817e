// Statements made at random, each a relation of the columns user_id, s (a text) and x (a double). Not every engine
// knows every shape: what one refuses is passed over by whoever runs them.

import type { Dice } from './dice.ts'

type Part = (dice: Dice, deeper: () => string) => string

const joins = ['', 'LEFT', 'RIGHT', 'FULL'] as const

const grouping: readonly Part[] = [
  ({ pick }, deeper) =>
    `SELECT user_id, ${pick(['min(s)', "'all'"])} AS s, ${pick(['count(x)', 'sum(x)', 'max(x)', 'avg(x)', 'stddev_samp(x)', 'sum(DISTINCT x)', 'sum(x) FILTER (WHERE x > 1)'])} AS x FROM (${deeper()}) t GROUP BY ${pick(['user_id', '1', 'ROLLUP (user_id)'])}`,
  ({ pick }, deeper) =>
    `SELECT user_id, ${pick(["string_agg(s, ',')", "string_agg(s, ',' ORDER BY s)", "string_agg(s, ',' ORDER BY x)", 'min(s)', 'any_value(s)', 'first(s)', 'arg_max(s, x)'])} AS s, sum(x) AS x FROM (${deeper()}) t GROUP BY user_id`,
  (_dice, deeper) => `SELECT user_id, s, sum(x) AS x FROM (${deeper()}) t GROUP BY ALL`,
  (_dice, deeper) => `SELECT min(user_id) AS user_id, s, count(*) AS x FROM (${deeper()}) t GROUP BY s`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, sum(x) AS x FROM (${deeper()}) t GROUP BY GROUPING SETS ((user_id, s), (${pick(['user_id', 's', ''])}))`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, x FROM (SELECT user_id, s, sum(x) AS x FROM (${deeper()}) t GROUP BY user_id, s) u WHERE x > ${pick(['1', '(SELECT 2)', '0.5'])}`,
]

const windows: readonly Part[] = [
  ({ pick }, deeper) =>
    `SELECT user_id, s, CAST(${pick(['sum(x)', 'rank()', 'max(x)', 'row_number()', 'lag(x)', 'first_value(x)', 'count(*)'])} OVER (${pick(['PARTITION BY user_id', 'PARTITION BY s', 'PARTITION BY s, user_id', ''])} ORDER BY ${pick(['x', 's', 'x, s'])}) AS double precision) AS x FROM (${deeper()}) t`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, sum(x) OVER (PARTITION BY user_id ORDER BY s ${pick(['ROWS', 'RANGE', 'GROUPS'])} BETWEEN ${pick(['UNBOUNDED PRECEDING AND CURRENT ROW', 'CURRENT ROW AND UNBOUNDED FOLLOWING'])}) AS x FROM (${deeper()}) t`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, count(*) OVER (${pick(['PARTITION BY user_id', ''])}) AS x FROM (${deeper()}) t`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, x FROM (${deeper()}) t QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY ${pick(['x, s', 'x'])}) = 1`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, x FROM (SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY ${pick(['x, s', 's'])}) AS place FROM (${deeper()}) t) u WHERE place <= 2`,
]

const choosing: readonly Part[] = [
  ({ pick }, deeper) => {
    const on = pick(['user_id', 's'])
    return `SELECT DISTINCT ON (${on}) user_id, s, x FROM (${deeper()}) t ORDER BY ${on}, ${pick(['user_id, s, x', 'x', 's'])}`
  },
  (_dice, deeper) =>
    `SELECT k AS user_id, s, x FROM (SELECT DISTINCT ON (user_id) user_id AS k, s AS user_id, s, x FROM (${deeper()}) t ORDER BY user_id, s, x) u`,
  ({ pick }, deeper) =>
    `SELECT DISTINCT user_id, ${pick(['s', 'user_id AS s'])}, ${pick(['x', '0 AS x'])} FROM (${deeper()}) t`,
  ({ pick, below }, deeper) =>
    `SELECT * FROM (${deeper()}) t ORDER BY ${pick(['user_id, s, x', 'x', 'user_id'])} LIMIT ${1 + below(5)}`,
  ({ pick }, deeper) =>
    `(${deeper()}) ${pick(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL'])} (${deeper()})`,
  ({ pick }, deeper) =>
    `SELECT ${pick(['s AS user_id, user_id AS s', 'coalesce(user_id, s) AS user_id, s', "user_id || '' AS user_id, s", "nullif(user_id, 'u1') AS user_id, s", 'CASE WHEN x > 1 THEN user_id ELSE s END AS user_id, s'])}, x FROM (${deeper()}) a`,
  (_dice, deeper) => `SELECT t.* FROM (${deeper()}) t(s, user_id, x)`,
]

const joining: readonly Part[] = [
  ({ pick }, deeper) =>
    `SELECT ${pick(['a', 'b'])}.user_id, b.s, a.x FROM (${deeper()}) a ${pick(joins)} JOIN (${deeper()}) b ON ${pick(['a.user_id = b.user_id', 'b.user_id = a.user_id AND a.x >= b.x', 'a.s = b.s', 'a.user_id = b.s', 'a.user_id IS NOT DISTINCT FROM b.user_id'])}`,
  ({ pick }, deeper) =>
    `SELECT user_id, a.s, b.x FROM (${deeper()}) a ${pick(joins)} JOIN (${deeper()}) b USING (user_id)`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, b.s, c.x FROM (${deeper()}) a LEFT JOIN (${deeper()}) b ON a.user_id = b.user_id LEFT JOIN (${deeper()}) c ON c.user_id = ${pick(['a.user_id', 'b.user_id', 'b.s'])}`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, a.s, c.x FROM (SELECT user_id, user_id AS k, s FROM (${deeper()}) o) a ${pick(['', 'LEFT'])} JOIN ((${deeper()}) b JOIN (SELECT user_id, s AS k, x FROM (${deeper()}) i) c ON b.user_id = ${pick(['k', 'c.user_id'])}) ON ${pick(['c.user_id = a.user_id', 'b.user_id = a.user_id'])}`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, b.s, a.x FROM (${deeper()}) a, (${deeper()}) b WHERE ${pick(['a.user_id = b.user_id', 'a.x = b.x', 'a.user_id = b.user_id AND a.s = b.s'])}`,
  ({ pick }, deeper) =>
    `SELECT a.* FROM (${deeper()}) a ${pick(['SEMI', 'ANTI'])} JOIN (${deeper()}) b ON ${pick(['a.user_id = b.user_id', 'a.s = b.s'])}`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, a.s, b.x FROM (${deeper()}) a ASOF ${pick(['', 'LEFT'])} JOIN (SELECT user_id, max(s) AS s, x FROM (${deeper()}) t GROUP BY user_id, x) b ${pick(['ON a.user_id = b.user_id AND a.x >= b.x', 'ON a.x >= b.x', 'USING (user_id, x)', 'USING (x, user_id)'])}`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, v.s, a.x FROM (${deeper()}) a ${pick(['', 'LEFT'])} JOIN (VALUES ('a'), ('u1')) v(s) ON ${pick(['true', 'v.s = a.user_id', 'v.s = a.s'])}`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, a.s, v.n AS x FROM (${deeper()}) a JOIN (VALUES (1), (2)) v(n) ON ${pick(['CAST(v.n AS varchar) = a.user_id', 'v.n = length(a.user_id)', 'v.n = a.x'])}`,
]

const asking: readonly Part[] = [
  ({ pick }, deeper) =>
    `SELECT * FROM (${deeper()}) a WHERE ${pick(['', 'NOT '])}EXISTS (SELECT 1 FROM (${deeper()}) b WHERE ${pick(['a.user_id = b.user_id', 'b.user_id = a.user_id AND b.x < a.x', 'a.s = b.s'])})`,
  ({ pick }, deeper) =>
    `SELECT * FROM (${deeper()}) a WHERE ${pick(['user_id', 's'])} ${pick(['', 'NOT '])}IN (SELECT ${pick(['user_id', 's'])} FROM (${deeper()}) b)`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, (SELECT ${pick(['count(*)', 'sum(b.x)'])} FROM (${deeper()}) b WHERE ${pick(['b.user_id = a.user_id', 'b.user_id = a.user_id AND b.s = a.s', 'b.s = a.s', 'true'])}) AS x FROM (${deeper()}) a`,
  ({ pick }, deeper) =>
    `SELECT user_id, (SELECT ${pick(['b.s AS user_id', 'b.s'])} FROM (${deeper()}) b WHERE b.user_id = ${pick(['a.user_id', 'user_id', 'a.s'])} ORDER BY ${pick(['b.s', 'b.x'])} LIMIT 1) AS s, x FROM (${deeper()}) a`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, l.s, a.x FROM (${deeper()}) a ${pick(['CROSS JOIN', 'LEFT JOIN'])} LATERAL (SELECT ${pick(['a.user_id AS s', 'b.s'])} FROM (${deeper()}) b WHERE ${pick(['b.user_id = a.user_id', 'b.s = a.s'])} ${pick(['', 'ORDER BY b.s, b.x LIMIT 1'])}) l${pick(['', ' ON true'])}`,
  ({ pick }, deeper) =>
    `WITH w AS (${deeper()}), w2 AS (SELECT * FROM w WHERE x > 1) SELECT w.user_id, w2.s, w2.x FROM w ${pick(['', 'LEFT'])} JOIN w2 ON w.user_id = w2.user_id AND ${pick(['w.s = w2.s', 'true', 'w.x < w2.x'])}`,
]

const kinds = [grouping, windows, choosing, joining, asking]

/** `tables` are SELECTs of the three columns. */
export function createStatement(dice: Dice, tables: readonly string[], depth: number): string {
  if (depth === 0 || dice.below(6) === 0) {
    const where = dice.pick(['', 'WHERE x > 1', 'WHERE s IS NOT NULL'])
    return `SELECT user_id, s, x FROM (${dice.pick(tables)}) t ${where}`
  }
  return dice.pick(dice.pick(kinds))(dice, () => createStatement(dice, tables, depth - 1))
}
