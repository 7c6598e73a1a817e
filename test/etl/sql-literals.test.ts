// A SQL ETL says the same of every number that its text holds, over a file as over groups of rows.

import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tries } from '../thorough.ts'
import { column, type EngineStack, errorOf, frameOf, openEngineStack, sql } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

const columns = [column('id', 'INT64')]
const rows = [[1], [2]]

const digits = (most: number) =>
  fc.stringMatching(new RegExp(`^[1-9][0-9]{0,${most - 1}}$`)).filter((text) => text.length <= most)
const literal = fc.oneof(
  digits(36),
  fc.tuple(digits(20), digits(10)).map(([whole, fraction]) => `${whole}.${fraction}`),
  fc.tuple(digits(20), fc.integer({ min: -300, max: 280 })).map(([whole, power]) => `${whole}e${power}`),
  digits(18).map((text) => `${text}::DOUBLE`),
  fc.constantFrom(
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '1e17',
    '1e2',
    '0.1',
    '-0.0',
  ),
)
/** Of several literals, by what stands for each: a run costs more than its columns. */
const some = (column: (one: string, i: number) => string) =>
  fc.array(literal, { minLength: 1, maxLength: 8 }).map((each) => each.map(column).join(', '))
const statement = fc.oneof(
  some((one, i) => `${one} AS v${i}`).map((v) => `SELECT id, ${v} FROM input`),
  some((one, i) => `${one} AS v${i}`).map((v) => `SELECT * FROM (SELECT id, ${v} FROM input)`),
  some((one, i) => `max(${one}) AS v${i}`).map((v) => `SELECT count(*) AS n, ${v} FROM input`),
  some((one, i) => `id < ${one} AS v${i}, CASE WHEN id = 1 THEN ${one} END AS w${i}`).map(
    (v) => `SELECT id, ${v} FROM input`,
  ),
)

test('as training has it, serving has it', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(statement, async (text) => {
      const trained = await stack.train(sql(text), { columns, rows })
      const served = frameOf(await stack.serve(sql(text), { columns, rows }))
      expect(served.rows).toEqual(trained.rows)
    }),
    { numRuns: tries({ all: 60, part: 15 }) },
  )
})

test('a total that has outgrown its type says what to write', async () => {
  const etl = sql('SELECT sum(id::HUGEINT * 60000000000000000000000000000000000000) AS total FROM input')
  const advice = /38 digits at most: write sum\(x::DOUBLE\).*or sum\(x\)::VARCHAR/
  await expect(stack.train(etl, { columns, rows })).rejects.toThrow(advice)
  expect(errorOf(await stack.serve(etl, { columns, rows })).message).toMatch(advice)
})
