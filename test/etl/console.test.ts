// What a script says by console: kept for a training run in the rows' order and within bounds, nothing to serving.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { column, type EngineStack, errorOf, frameOf, javaScript, openEngineStack } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

const columns = [column('id', 'INT64', { nullable: false })]
const rowsUpTo = (n: number) => Array.from({ length: n }, (_, i) => [i + 1])

async function said(source: string, rows: readonly (readonly number[])[] = [[1]]) {
  let lines: readonly string[] = []
  const inputPath = await stack.writeRows(columns, rows)
  const run = stack.engine.runFile({
    etl: javaScript(source),
    inputPath,
    inputColumns: columns,
    outputPath: stack.newPath(),
    onSaid: (given) => {
      lines = given
    },
  })
  const error = await run.then(
    () => null,
    (failure: Error) => failure,
  )
  return { lines, error }
}
const transform = (statements: string) =>
  `export function transform(row) { ${statements}; return { id: row.id } }`

test('lines come in the order of the rows, whichever batch ran first, and the same at each run', async () => {
  const source = transform('if (row.id % 1000 === 0) console.log("row", row.id)')
  const first = await said(source, rowsUpTo(50_000))
  expect(first.error).toBeNull()
  expect(first.lines).toEqual(Array.from({ length: 50 }, (_, i) => `row ${(i + 1) * 1000}`))
  expect((await said(source, rowsUpTo(50_000))).lines).toEqual(first.lines)
})

test('there are so many at most, and the others are counted', async () => {
  const { lines } = await said(transform('console.log(row.id)'), rowsUpTo(20_000))
  expect(lines).toHaveLength(1001)
  expect(lines.slice(0, 2)).toEqual(['1', '2'])
  expect(lines.at(-1)).toBe('… and 19000 more')
  const long = await said(transform('console.log("x".repeat(1_000_000))'), rowsUpTo(100))
  expect(long.lines.reduce((sum, line) => sum + line.length, 0)).toBeLessThan(80_000)
  expect(long.lines.at(-1)).toMatch(/^… and \d+ more$/)
})

test('a frame says its own, and a run that fails has said what it said before', async () => {
  expect(
    (
      await said(
        'export function extract(rows) { console.info(rows.length, "rows"); return rows }',
        rowsUpTo(10),
      )
    ).lines,
  ).toEqual(['10 rows'])
  const { lines, error } = await said(
    transform('console.warn("at", row.id); if (row.id === 3) throw new Error("three")'),
    rowsUpTo(10),
  )
  expect(error?.message).toMatch(/row 3: Error: three/)
  expect(lines).toEqual(['[warn] at 1', '[warn] at 2', '[warn] at 3'])
})

describe('what is said is told as data', () => {
  test.each([
    ['"a", 1, -0, 1n, null, undefined, true', 'a 1 -0 1n null undefined true'],
    ['row, [1, "b", [2]]', '{"id": 1} [1, "b", [2]]'],
    [
      'new Date(0), new Error("bad"), Symbol("s"), () => 1',
      '1970-01-01T00:00:00.000Z Error: bad Symbol(s) [function]',
    ],
    ['{ a: { b: { c: { d: { e: 1 } } } } }', '{"a": {"b": {"c": {"d": {…}}}}}'],
    ['{ get a() { throw 1 } }, new Proxy({}, { ownKeys() { throw 1 } })', '{"a": [getter]} [Proxy]'],
    ['{ toString() { throw 1 }, toJSON() { throw 2 } }', '{"toString": [function], "toJSON": [function]}'],
    ['(() => { const o = {}; o.o = o; return o })()', '{"o": {"o": {"o": {"o": {…}}}}}'],
    ['"a\\nb", "\\ud800"', 'a\nb \ufffd'],
  ])('%s', async (values, line) => {
    expect((await said(transform(`console.log(${values})`))).lines).toEqual([line])
  })

  test('by each method, with what it is', async () => {
    const { lines } = await said(
      transform("for (const method of ['log', 'info', 'debug', 'warn', 'error']) console[method](method)"),
    )
    expect(lines).toEqual(['log', 'info', 'debug', '[warn] warn', '[error] error'])
  })
})

test('online it is harmless: the same rows, and nothing that a script could tell training by', async () => {
  const source = `let calls = 0
const spy = new Proxy({}, { get: () => { calls++ }, ownKeys: () => { calls++; return [] }, getPrototypeOf: () => { calls++; return null } })
export function transform(row) {
  const given = console.log(spy, { get a() { calls++ }, toString() { calls++ } }, new (class extends Error { get message() { calls++ } })())
  return { id: row.id, calls, given: typeof given, frozen: Object.isFrozen(console) }
}`
  const input = { columns, rows: rowsUpTo(3) }
  const trained = await stack.train(javaScript(source), input)
  expect(frameOf(await stack.serve(javaScript(source), input)).rows).toEqual(trained.rows)
  expect(trained.rows[0]).toEqual([1, 0, 'undefined', true])
  const flood = await stack.serve(
    javaScript(transform('for (let i = 0; i < 100_000; i++) console.log(row)')),
    input,
  )
  expect(frameOf(flood).rows).toHaveLength(3)
  expect(errorOf(await stack.serve(javaScript(transform('console.count()')), input)).message).toMatch(
    /console\.count is not a function/,
  )
})
