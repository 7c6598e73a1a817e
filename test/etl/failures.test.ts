// What an ETL can do wrong, it does to itself: the caller learns what and where, and the next call works.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { crowding } from '../crowding.ts'
import {
  column,
  type EngineStack,
  errorOf,
  frameOf,
  javaScript,
  openEngineStack,
  sql,
} from './engine-stack.ts'

let stack: EngineStack

/** Short, yet enough for what is healthy. */
const timeoutMs = Math.ceil(500 * Math.min(crowding(), 3))

beforeAll(async () => {
  stack = await openEngineStack({ timeoutMs, memoryMb: 32 })
})
afterAll(() => stack.close())

const columns = [column('id', 'INT64', { nullable: false })]
const healthy = javaScript('export function transform(row) { return { id: row.id } }')

/** Three groups, of which the second misbehaves. */
async function runThree(misbehave: string) {
  const etl = javaScript(
    `export function transform(row) {\n  if (row.id === 2) { ${misbehave} }\n  return { id: row.id }\n}`,
  )
  const results = await stack.engine.runGroups({
    etl,
    inputColumns: columns,
    groups: [[[1]], [[0], [2]], [[3]]],
    outputColumns: null,
  })
  expect(frameOf(results[0]).rows).toEqual([[1]])
  expect(frameOf(results[2]).rows).toEqual([[3]])
  expect(frameOf(await stack.serve(healthy, { columns, rows: [[7]] })).rows).toEqual([[7]])
  return errorOf(results[1])
}

describe('in one group of several, the others are answered and the next call works:', () => {
  test.each([
    ['an endless loop', 'for (;;);', 'TIMEOUT'],
    ['an exploding expression', "/^(a+)+$/.test('a'.repeat(50) + 'b')", 'TIMEOUT'],
    [
      'endless memory',
      'const all = []; for (;;) all.push(new Array(1000).fill(1.5))',
      'ETL_FAILED or TIMEOUT',
    ],
    ['endless buffers', 'const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))', 'ETL_FAILED'],
    ['endless text', "let text = 'x'; for (;;) text += text", 'ETL_FAILED'],
    ['endless depth', 'const down = () => down() + 1; down()', 'ETL_FAILED'],
    ['a thrown string', "throw 'no'", 'ETL_FAILED'],
    ['a thrown nothing', 'throw undefined', 'ETL_FAILED'],
    ['a thrown object that cannot be told', 'throw { toString() { throw 1 } }', 'ETL_FAILED'],
    ['a result with a trap', 'return new Proxy({}, { ownKeys() { throw new Error("trap") } })', 'ETL_FAILED'],
    ['a result that holds itself', 'const self = {}; self.self = self; return { self }', 'ETL_FAILED'],
  ] as const)('%s', async (_, misbehave, code) => {
    const error = await runThree(misbehave)
    expect(code).toContain(error.code)
    expect(error.message).toMatch(
      code.includes('or') ? /^ETL features\.js/ : /^ETL features\.js.* on row 2: /,
    )
  })

  test('a process that ends', { timeout: 60_000 }, async () => {
    const error = await runThree('return { n: new Array(2 ** 27).fill(1.5).length }')
    expect(['ETL_FAILED', 'TIMEOUT']).toContain(error.code)
    expect(error.message).toMatch(/^ETL features\.js failed/)
  })
})

describe('an error names the row, the line and the column', () => {
  test('in a group', async () => {
    const etl = javaScript(
      'export function transform(row) {\n  const user = row.id.user\n\n  return { name: user.name }\n}',
      'deep.js',
    )
    const error = errorOf(await stack.serve(etl, { columns, rows: [[1]] }))
    expect(error.message).toBe(
      "ETL deep.js:4:23 failed on row 1: TypeError: Cannot read properties of undefined (reading 'name')",
    )
    expect(error.details).toEqual({ etl: 'deep.js', row: 1, line: 4, column: 23 })
  })

  test('and a message that looks like a place leads nobody astray', async () => {
    const etl = javaScript(
      "export function transform(row) {\n  throw new Error('(etl:99:99)\\\\n at etl:98:98')\n}",
    )
    expect(errorOf(await stack.serve(etl, { columns, rows: [[1]] })).details).toMatchObject({ line: 2 })
  })

  test('in a file, counted from its first row', async () => {
    const etl = javaScript(
      "export function transform(row) {\n  if (row.id === 9999) throw new RangeError('far')\n  return { id: row.id }\n}",
    )
    const rows = Array.from({ length: 20_000 }, (_, i) => [i])
    const trained = stack.train(etl, { columns, rows })
    await expect(trained).rejects.toMatchObject({
      code: 'ETL_FAILED',
      message: 'ETL features.js:2:30 failed on row 10000: RangeError: far',
    })
  })

  test('of a file whose ETL never ends', async () => {
    const etl = javaScript(
      'export function transform(row) { if (row.id === 5000) for (;;); return { id: row.id } }',
    )
    const rows = Array.from({ length: 6000 }, (_, i) => [i])
    // However often a slow machine cuts a batch short, it is run on in parts, and the row that never ends is told.
    await expect(stack.train(etl, { columns, rows })).rejects.toMatchObject({
      code: 'TIMEOUT',
      details: { row: 5001 },
    })
  })
})

describe('results that are not plain data name their column', () => {
  test.each([
    ['() => 1', /column "v": the value is a function/],
    ['Symbol()', /column "v": the value is a symbol/],
    ['new Map()', /column "v": the value is a Map, not plain data/],
    ['[{ deep: new Set() }]', /column "v": the value at \[0\]\.deep is a Set/],
    ['new (class Point {})()', /column "v": the value is a Point/],
    ['new Date(NaN)', /column "v": the value is an invalid Date/],
    ['2n ** 70n', /column "v" holds an integer beyond 64 bits/],
    ['/x/', /column "v": the value is a RegExp/],
  ])('%s', async (expression, message) => {
    const result = await stack.serve(
      javaScript(`export function transform() { return { v: ${expression} } }`),
      { columns, rows: [[1]] },
    )
    expect(errorOf(result)).toMatchObject({ code: 'ETL_FAILED', details: { name: 'v' } })
    expect(errorOf(result).message).toMatch(message)
  })

  test.each([
    ['5', /transform must return an object, or null to drop the row; it returned a number/],
    ['undefined', /it returned nothing/],
    ['[1]', /it returned an array/],
    ['new Date(0)', /it returned a Date/],
  ])('transform that returns %s', async (expression, message) => {
    const result = await stack.serve(javaScript(`export function transform() { return ${expression} }`), {
      columns,
      rows: [[1]],
    })
    expect(errorOf(result).message).toMatch(message)
  })

  test.each([
    ['rows[0]', /extract must return an array of objects; it returned an object/],
    ['[rows[0], 5]', /its element 1 is a number/],
    ['[null]', /its element 0 is null/],
  ])('extract that returns %s', async (expression, message) => {
    const result = await stack.serve(javaScript(`export function extract(rows) { return ${expression} }`), {
      columns,
      rows: [[1]],
    })
    expect(errorOf(result).message).toMatch(message)
  })
})

describe('a column of two types is an error that names both', () => {
  test.each([
    ["row.id === 1 ? 1 : 'x'", /column "v" mixes INT64 and STRING/],
    ['row.id === 1 ? true : 1.5', /column "v" mixes BOOLEAN and FLOAT64/],
    ['row.id === 1 ? 2n ** 60n : 1.5', /column "v" mixes INT64 \(beyond 2\^53\) and FLOAT64/],
    ['row.id === 1 ? [1] : { a: 1 }', /column "v" mixes LIST and STRUCT/],
    ["row.id === 1 ? new Date(0) : 'x'", /column "v" mixes STRING and TIMESTAMP/],
  ])('%s', async (expression, message) => {
    const etl = javaScript(`export function transform(row) { return { v: ${expression} } }`)
    await expect(stack.train(etl, { columns, rows: [[1], [2]] })).rejects.toThrow(message)
  })

  test('also when the second type comes thousands of rows later', async () => {
    const etl = javaScript("export function transform(row) { return { v: row.id === 15000 ? 'x' : row.id } }")
    const rows = Array.from({ length: 20_000 }, (_, i) => [i])
    await expect(stack.train(etl, { columns, rows })).rejects.toThrow(/column "v" mixes INT64 and STRING/)
  })

  test('and a declared type that a value does not fit names the value', async () => {
    const etl = javaScript(
      "export const columns = { v: 'INT32' }\nexport function transform(row) { return { v: row.id * 2 ** 31 } }",
    )
    await expect(stack.train(etl, { columns, rows: [[0], [1]] })).rejects.toThrow(
      /column "v" of its output's row 2 is 2147483648, not an integer of 32 bits/,
    )
  })

  test('and columns that differ only in case are no table', async () => {
    const etl = javaScript('export function transform(row) { return { a: 1, A: 2 } }')
    await expect(stack.train(etl, { columns, rows: [[1]] })).rejects.toThrow(
      /differ only in upper and lower case/,
    )
  })
})

describe('held against the columns of training', () => {
  const expected = [
    column('id', 'INT64', { nullable: false }),
    column('age', 'FLOAT64', { nullable: false }),
    column('note', 'STRING'),
  ]

  test('each difference in name and type is listed', async () => {
    const etl = javaScript("export function transform(row) { return { id: 'x', age: null, extra: 1 } }")
    const error = errorOf(await stack.serve(etl, { columns, rows: [[1]] }, expected))
    expect(error.code).toBe('SCHEMA_MISMATCH')
    expect(error.details?.differences).toEqual([
      { column: 'extra', expected: 'not there', actual: 'there' },
      { column: 'id', expected: 'INT64', actual: 'STRING' },
    ])
    expect(error.message).toMatch(/"extra" .*"id" was INT64 in training and is STRING/)
  })

  test('a first null is no difference: its column may be null from then on', async () => {
    const nullable = expected.map((one) => ({ ...one, nullable: one.nullable || one.name === 'age' }))
    for (const source of ['{ id: row.id, age: null, note: "n" }', '{ id: row.id, note: "n" }']) {
      const etl = javaScript(`export function transform(row) { return ${source} }`)
      expect(frameOf(await stack.serve(etl, { columns, rows: [[1]] }, expected))).toEqual({
        columns: nullable,
        rows: [[1, null, 'n']],
      })
    }
  })

  test("a column that may be null may be missing, an integer stands for a float, and the order is training's", async () => {
    const etl = javaScript('export function transform(row) { return { age: 5, id: row.id } }')
    expect(frameOf(await stack.serve(etl, { columns, rows: [[1]] }, expected))).toEqual({
      columns: expected,
      rows: [[1, 5, null]],
    })
  })

  test('a group without rows differs in nothing', async () => {
    const etl = javaScript('export function transform(row) { return null }')
    expect(frameOf(await stack.serve(etl, { columns, rows: [[1]] }, expected))).toEqual({
      columns: expected,
      rows: [],
    })
  })

  test('a SQL ETL is held alike, and empty groups differ in nothing', async () => {
    const etl = sql("SELECT id::VARCHAR AS id, NULL::DOUBLE AS age, 'x' AS note, 1 AS extra FROM input")
    const request = { etl, inputColumns: columns, groups: [[[1]], []], outputColumns: expected }
    const [first, second] = await stack.engine.runGroups(request)
    expect(errorOf(first).details?.differences).toEqual([
      { column: 'id', expected: 'INT64', actual: 'STRING' },
      { column: 'extra', expected: 'not there', actual: 'INT32' },
    ])
    expect(frameOf(second).rows).toEqual([])
  })

  test('a SQL ETL that fails on one group answers the others', async () => {
    const etl = sql("SELECT CASE WHEN id = 2 THEN error('two') ELSE id END AS id FROM input")
    const request = { etl, inputColumns: columns, groups: [[[1]], [[2]], [[3]]], outputColumns: null }
    const results = await stack.engine.runGroups(request)
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true])
    expect(errorOf(results[1])).toMatchObject({
      code: 'ETL_FAILED',
      message: expect.stringMatching(/^ETL features\.sql.* failed: .*two/s),
    })
  })
})

describe('an ETL that is slow, but no row or group too slow, is not cut off', () => {
  const slow = javaScript(
    'export function transform(row) { let n = 0; while (n < row.id) n++; return { n } }',
  )
  const rows = Array.from({ length: 40 }, () => [60_000_000])

  test('over a file', async () => {
    const { rows: trained } = await stack.train(slow, { columns, rows })
    expect(trained).toEqual(rows)
  })

  test('over groups', async () => {
    const groups = rows.map((row) => [row])
    const results = await stack.engine.runGroups({
      etl: slow,
      inputColumns: columns,
      groups,
      outputColumns: null,
    })
    expect(results.map((result) => frameOf(result).rows[0])).toEqual(rows)
  })
})

test('long rows go in smaller batches', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => [i, 'x'.repeat(1_000_000)])
  const etl = javaScript('export function transform(row) { return { id: row.id, length: row.text.length } }')
  const trained = await stack.train(etl, { columns: [...columns, column('text', 'STRING')], rows })
  expect(trained.rows).toEqual(rows.map(([id]) => [id, 1_000_000]))
})

test('a call that is still waiting when the engine closes is told so', async () => {
  const own = await openEngineStack()
  const calls = Array.from({ length: 5 }, () =>
    own.serve(javaScript('export function transform() { for (;;); }'), { columns, rows: [[1]] }),
  )
  const settled = Promise.allSettled(calls)
  await own.close()
  for (const result of await settled)
    expect(result).toMatchObject({ status: 'rejected', reason: { message: 'The ETL engine is closed' } })
})

test('many ETLs at once each get their own answer', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => {
      const etl = javaScript(`export function transform(row) { return { n: row.id * ${i} } }`, `etl-${i}.js`)
      return stack.serve(etl, { columns, rows: [[2]] })
    }),
  )
  expect(answers.map((answer) => frameOf(answer).rows[0]?.[0])).toEqual(
    Array.from({ length: 40 }, (_, i) => i * 2),
  )
})
