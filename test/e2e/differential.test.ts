// Queries made at random over tables filled at random: after each publish, what serving sees is what training sees.

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRowEncoder, type Row } from '../../src/columns.ts'
import { openStack, type Stack, sortedRows } from '../realtime/stack.ts'

const seed = Number(process.env.DIFFERENTIAL_SEED ?? 20261123)
const queryCount = Number(process.env.DIFFERENTIAL_QUERIES ?? 50)
const rounds = 3

let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})

afterAll(() => stack?.remove())

/** The same numbers for the same seed (mulberry32). */
function createDice(start: number) {
  let state = start
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  return { below, pick }
}
type Dice = ReturnType<typeof createDice>

// Keys are few, may be null, and are also values of another column, so that wrong joins find partners.
const keys = ['u1', 'u2', 'u3', 'u4', "' OR 1=1", '🦆'] as const
const others = ['u1', 'a', 'b', null] as const
const tables = [
  { table: 'users', other: 'name', number: 'creation_date' },
  { table: 'quotes', other: 'quote_type', number: 'creation_date' },
  { table: 'transactions', other: 'card_type', number: 'transaction_time' },
  { table: 'policies', other: 'policy_type', number: 'purchase_time' },
] as const

/** Quarters: their sums are exact in any order. */
const numberOf = ({ below }: Dice) => (below(8) === 0 ? null : below(20) / 4)

function rowsOf(dice: Dice): Row[] {
  return Array.from({ length: dice.below(4) }, () => [
    dice.below(8) === 0 ? null : dice.pick(keys),
    dice.pick(others),
    numberOf(dice),
  ])
}

type Part = (dice: Dice, deeper: () => string) => string

/** Each gives a relation of the columns user_id, s and x. */
const parts: readonly Part[] = [
  ({ pick }, deeper) =>
    `SELECT user_id, ${pick(['min(s)', "'all'"])} AS s, ${pick(['count(x)', 'sum(x)', 'max(x)'])} AS x FROM (${deeper()}) t GROUP BY ${pick(['user_id', '1', 'ROLLUP (user_id)'])}`,
  (_dice, deeper) => `SELECT user_id, s, sum(x) AS x FROM (${deeper()}) t GROUP BY ALL`,
  (_dice, deeper) => `SELECT min(user_id) AS user_id, s, count(*) AS x FROM (${deeper()}) t GROUP BY s`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, ${pick(['sum(x)', 'rank()', 'max(x)'])} OVER (${pick(['PARTITION BY user_id', 'PARTITION BY s', 'PARTITION BY s, user_id', ''])} ORDER BY x) AS x FROM (${deeper()}) t`,
  (_dice, deeper) =>
    `SELECT user_id, s, x FROM (${deeper()}) t QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY x, s) = 1`,
  ({ pick }, deeper) =>
    `SELECT DISTINCT ON (${pick(['user_id', 's'])}) user_id, s, x FROM (${deeper()}) t ORDER BY ALL`,
  ({ pick }, deeper) =>
    `SELECT DISTINCT user_id, ${pick(['s', 'user_id AS s'])}, ${pick(['x', '0 AS x'])} FROM (${deeper()}) t`,
  ({ below }, deeper) => `SELECT * FROM (${deeper()}) t ORDER BY ALL LIMIT ${1 + below(5)}`,
  ({ pick }, deeper) =>
    `(${deeper()}) ${pick(['UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL'])} (${deeper()})`,
  ({ pick }, deeper) =>
    `SELECT ${pick(['a', 'b'])}.user_id, b.s, a.x FROM (${deeper()}) a ${pick(['', 'LEFT', 'RIGHT', 'FULL'])} JOIN (${deeper()}) b ON ${pick(['a.user_id = b.user_id', 'b.user_id = a.user_id AND a.x >= b.x', 'a.s = b.s', 'a.user_id = b.s'])}`,
  ({ pick }, deeper) =>
    `SELECT user_id, a.s, b.x FROM (${deeper()}) a ${pick(['', 'LEFT', 'RIGHT', 'FULL'])} JOIN (${deeper()}) b USING (user_id)`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, b.s, c.x FROM (${deeper()}) a LEFT JOIN (${deeper()}) b ON a.user_id = b.user_id LEFT JOIN (${deeper()}) c ON c.user_id = ${pick(['a.user_id', 'b.user_id', 'b.s'])}`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, b.s, a.x FROM (${deeper()}) a, (${deeper()}) b WHERE ${pick(['a.user_id = b.user_id', 'a.x = b.x', 'a.user_id = b.user_id AND a.s = b.s'])}`,
  ({ pick }, deeper) =>
    `SELECT a.* FROM (${deeper()}) a ${pick(['SEMI', 'ANTI'])} JOIN (${deeper()}) b ON ${pick(['a.user_id = b.user_id', 'a.s = b.s'])}`,
  ({ pick }, deeper) =>
    `SELECT * FROM (${deeper()}) a WHERE ${pick(['', 'NOT '])}EXISTS (SELECT 1 FROM (${deeper()}) b WHERE ${pick(['a.user_id = b.user_id', 'b.user_id = a.user_id AND b.x < a.x', 'a.s = b.s'])})`,
  ({ pick }, deeper) =>
    `SELECT * FROM (${deeper()}) a WHERE ${pick(['user_id', 's'])} ${pick(['', 'NOT '])}IN (SELECT ${pick(['user_id', 's'])} FROM (${deeper()}) b)`,
  ({ pick }, deeper) =>
    `SELECT user_id, s, (SELECT ${pick(['count(*)', 'sum(b.x)'])} FROM (${deeper()}) b WHERE ${pick(['b.user_id = a.user_id', 'b.user_id = a.user_id AND b.s = a.s', 'b.s = a.s', 'true'])}) AS x FROM (${deeper()}) a`,
  (_dice, deeper) => `SELECT a.user_id, v.s, a.x FROM (${deeper()}) a, (VALUES ('a'), ('u1')) v(s)`,
  ({ pick }, deeper) =>
    `SELECT ${pick(['s AS user_id, user_id AS s', 'coalesce(user_id, s) AS user_id, s', "user_id || '' AS user_id, s"])}, x FROM (${deeper()}) a`,
  ({ pick }, deeper) =>
    `WITH w AS (${deeper()}), w2 AS (SELECT * FROM w WHERE x > 1) SELECT w.user_id, w2.s, w2.x FROM w ${pick(['', 'LEFT'])} JOIN w2 ON w.user_id = w2.user_id AND ${pick(['w.s = w2.s', 'true', 'w.x < w2.x'])}`,
  ({ pick }, deeper) =>
    `SELECT a.user_id, a.s, b.x FROM (${deeper()}) a ASOF ${pick(['', 'LEFT'])} JOIN (SELECT user_id, max(s) AS s, x FROM (${deeper()}) t GROUP BY user_id, x) b ON ${pick(['a.user_id = b.user_id AND', ''])} a.x >= b.x`,
]

function createQuery(dice: Dice, depth: number): string {
  if (depth === 0 || dice.below(6) === 0) {
    const { table, other, number } = dice.pick(tables)
    const where = dice.pick(['', `WHERE ${number} > 1`, `WHERE ${other} IS NOT NULL`])
    return `SELECT user_id, ${other} AS s, ${number} AS x FROM feature_store.${table} ${where}`
  }
  return dice.pick(parts)(dice, () => createQuery(dice, depth - 1))
}

/** The rows of a training run, read back from its Parquet, by key. */
async function train(sql: string, path: string) {
  const { columns } = await stack.warehouse.exportParquet({ sql, path })
  const { rows } = await stack.parquet.read(path, { columns })
  const encode = createRowEncoder(columns)
  const byKey = new Map<unknown, string[]>()
  for (const row of rows) byKey.set(row[0], [...(byKey.get(row[0]) ?? []), encode(row)].sort())
  return byKey
}

test(`of ${queryCount} queries made at random, none is served other rows than training gives, after any of ${rounds} publishes`, async () => {
  const dice = createDice(seed)
  const publish = async () => {
    const changes = tables.map(({ table, other, number }) => ({
      table,
      columns: ['user_id', other, number],
      rows: rowsOf(dice),
    }))
    for (const { table, columns, rows } of changes) await stack.publish(table, columns, rows)
  }
  await publish()
  await publish()
  const queries = await Promise.all(
    Array.from({ length: queryCount }, async (_, i) => {
      const sql = createQuery(dice, 1 + (i % 3))
      const saved = await stack.save(sql, `made ${i}`)
      return { sql, target: { queryId: saved.id, etlPath: null, indexKey: 'user_id' } }
    }),
  )
  const asked = [...keys, 'a', 'b', 'nobody']
  for (let round = 0; round < rounds; round++) {
    for (const [i, { sql, target }] of queries.entries()) {
      const trained = await train(sql, join(stack.folder.path, 'datasets', `${round}-${i}.parquet`))
      const served = await stack.lookUp(target, asked)
      for (const result of served) {
        const where = `round ${round}, key ${result.indexValue} from ${result.source}, seed ${seed}, of\n${sql}`
        expect(sortedRows(result), where).toEqual(trained.get(result.indexValue) ?? [])
      }
    }
    await publish()
  }
  const policies = new Set((await stack.catalog.featureViews.all()).map(({ refresh }) => refresh))
  expect([...policies].sort()).toEqual(['BY_KEY', 'FULL'])
}, 60_000)
