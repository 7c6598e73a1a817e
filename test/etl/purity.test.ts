// An ETL is pure: the same rows give the same result, whatever ran before, whenever it runs.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  column,
  type EngineStack,
  errorOf,
  frameOf,
  javaScript,
  openEngineStack,
  typeScript,
} from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

const columns = [column('id', 'INT64', { nullable: false })]
const rows = [[1], [2], [3]]

async function servedValues(source: string): Promise<unknown[]> {
  const frame = frameOf(await stack.serve(javaScript(source), { columns, rows }))
  return frame.rows.map((row) => row[0])
}

describe('what a script keeps never reaches the next row', () => {
  test.each([
    ['a counter', 'let n = 0', 'n += 1'],
    ['a closure', 'const next = (() => { let n = 0; return () => ++n })()', 'const n = next()'],
    ['a Map', 'const seen = new Map()', 'seen.set(row.id, 1); const n = seen.size'],
    ['an array', 'const list = []', 'list.push(1); const n = list.length'],
    [
      'a generator',
      'const numbers = (function* () { for (let i = 1; ; i++) yield i })()',
      'const n = numbers.next().value',
    ],
    ['an iterator', 'const it = [1, 2, 3].values()', 'const n = it.next().value'],
    ['a sticky expression', 'const pattern = /a/g', "pattern.test('aaa'); const n = pattern.lastIndex"],
    [
      'a private field',
      'class Counter { static #n = 0; static next() { return ++Counter.#n } }',
      'const n = Counter.next()',
    ],
    ['a Date', 'const date = new Date(0)', 'date.setTime(date.getTime() + 1); const n = date.getTime()'],
    ['a typed array', 'const counts = new Uint32Array(1)', 'const n = ++counts[0]'],
    ['a function property', 'function counter() {}', 'counter.n = (counter.n ?? 0) + 1; const n = counter.n'],
  ])('in %s', async (_, before, step) => {
    const source = `${before}\nexport function transform(row) { ${step}; return { n } }`
    expect(await servedValues(source)).toEqual([1, 1, 1])
  })

  test.each([
    ['a global', 'globalThis.n = (globalThis.n ?? 0) + 1'],
    ['a prototype', 'Object.prototype.n = 1'],
    ['an array prototype', 'Array.prototype.push = () => 1'],
    ['a global function', 'Math.max.n = 1'],
    ['an iterator prototype', 'Object.getPrototypeOf([].values()).n = 1'],
    ['a generator prototype', 'Object.getPrototypeOf(function* () {}).n = 1'],
    ['the stack trace', 'Error.prepareStackTrace = () => 1'],
    ['an undeclared name', 'leaked = 1'],
    ['the last match', "const n = RegExp.$1.length; /(.)/.test('x'); if (n === undefined) throw 1"],
  ])('in %s, which is frozen', async (_, step) => {
    const source = `export function transform(row) { ${step}; return { n: 1 } }`
    expect(errorOf(await stack.serve(javaScript(source), { columns, rows }))).toMatchObject({
      code: 'ETL_FAILED',
      details: { row: 1 },
    })
  })

  test('in the result of a whole frame, whichever group comes first', async () => {
    const etl = javaScript(
      'let calls = 0\nexport function extract(rows) { calls++; return rows.map(() => ({ calls })) }',
    )
    const results = await stack.engine.runGroups({
      etl,
      inputColumns: columns,
      groups: [rows, rows],
      outputColumns: null,
    })
    expect(results.map((result) => frameOf(result).rows)).toEqual([
      [[1], [1], [1]],
      [[1], [1], [1]],
    ])
  })

  test('so that a counter gives the same in training as in serving', async () => {
    const etl = javaScript('let n = 0\nexport function transform(row) { return { id: row.id, n: ++n } }')
    const trained = await stack.train(etl, { columns, rows })
    expect(trained.rows).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
  })
})

describe('what changes from run to run is refused, in words that say so', () => {
  test.each([
    ['Date.now()', /clock \(Date\.now\)/],
    ['new Date()', /clock \(new Date\(\)\)/],
    ['Date()', /clock \(Date\(\)\)/],
    ['new (class extends Date {})()', /clock/],
    ['new (new Date(0).constructor)()', /clock/],
    ["new Intl.DateTimeFormat('en').format()", /clock/],
    ["new Intl.DateTimeFormat('en').formatToParts()", /clock/],
    ['Math.random()', /Randomness/],
    ["fetch('http://localhost')", /fetch/],
    ['setTimeout(() => {}, 1)', /setTimeout/],
    ["require('fs')", /require/],
    ['process.env.PATH', /process is not defined/],
    ['new WeakRef({})', /WeakRef is not defined/],
    ['new SharedArrayBuffer(8)', /SharedArrayBuffer is not defined/],
    ['WebAssembly.Module', /WebAssembly is not defined/],
    ['Promise.resolve(1)', /Promise is not defined/],
    ["eval('1')", /eval is not defined/],
    ["new Function('return 1')()", /Code from text/],
    ["(function* () {}).constructor('yield 1')", /Code from text/],
  ])('%s', async (expression, message) => {
    const source = `export function transform(row) {\n  const x = ${expression}\n  return { x: String(x) }\n}`
    const error = errorOf(await stack.serve(javaScript(source), { columns, rows }))
    expect(error).toMatchObject({ code: 'ETL_FAILED', details: { row: 1, line: 2 } })
    expect(error.message).toMatch(message)
  })
})

test('dates from text and numbers, in UTC, work as ever', async () => {
  const source = `export function transform(row) {
    const date = new Date('2026-03-01T12:00')
    const later = new (class extends Date { tomorrow() { return new Date(this.getTime() + 864e5) } })('2026-03-01').tomorrow()
    return {
      iso: date.toISOString(), hours: date.getHours(), utc: Date.UTC(2026, 0, 1), parsed: Date.parse('2026-01-01'),
      is: date instanceof Date, later, text: new Intl.DateTimeFormat('en', { timeZone: 'UTC' }).format(date),
    }
  }`
  const frame = frameOf(await stack.serve(javaScript(source), { columns, rows: [[1]] }))
  expect(frame.rows).toEqual([
    ['2026-03-01T12:00:00.000Z', 12, 1767225600000, 1767225600000, true, '2026-03-02T00:00:00Z', '3/1/2026'],
  ])
})

test("frozen prototypes stand in nobody's way", async () => {
  const source = `class Wrong extends Error { constructor(message) { super(message); this.name = 'Wrong' } }
  export function transform(row) {
    const counts = {}
    for (const word of ['constructor', 'toString', 'valueOf']) counts[word] = (typeof counts[word] === 'number' ? counts[word] : 0) + 1
    const copy = { ...row }
    copy.toString = 'mine'
    return { name: new Wrong('x').name, ...counts, mine: copy.toString, text: String({}) }
  }`
  const frame = frameOf(await stack.serve(javaScript(source), { columns, rows: [[1]] }))
  expect(frame.columns.map(({ name }) => name)).toEqual([
    'name',
    'constructor',
    'toString',
    'valueOf',
    'mine',
    'text',
  ])
  expect(frame.rows).toEqual([['Wrong', 1, 1, 1, 'mine', '[object Object]']])
})

describe('a source that cannot be an ETL is refused with line and column', () => {
  test.each([
    [
      "import fs from 'node:fs'\nexport function transform(row) { return row }",
      /features\.js:1:1 .*no imports/,
    ],
    ["export function transform(row) {\n  return import('fs')\n}", /features\.js:2:10 .*no imports/],
    ["export { transform } from './other.js'", /features\.js:1:1 .*no imports/],
    ['export function transform(row) { return import.meta }', /features\.js:1:41 .*import\.meta/],
    ['export default function transform(row) { return row }', /features\.js:1:1 .*by name/],
    ['export function transform(row) { return { a: 1 }', /features\.js:1:49 .*Unexpected token/],
    ['const x = await 1\nexport function transform(row) { return row }', /features\.js:1:11/],
    ['export const x = 1', /neither transform nor extract/],
    [
      'export function transform(row) { return row }\nexport function extract(rows) { return rows }',
      /both transform and extract/,
    ],
    ['export const transform = 5', /not a function/],
    [
      "export const columns = { at: 'DATETIME' }\nexport function transform(row) { return row }",
      /column "at" as "DATETIME"; a type is one of BOOLEAN/,
    ],
    [
      'export const columns = { at: 5 }\nexport function transform(row) { return row }',
      /columns\.at must be a type's name/,
    ],
    [
      'const x = null\nconst y = x.z\nexport function transform(row) { return row }',
      /features\.js:2:13 cannot be used: TypeError/,
    ],
    ['let transform\nlet transform\nexport { transform }', /features\.js:2:5/],
    ['for (;;);\nexport function transform(row) { return row }', /ran for more than/],
  ])('%j', async (source, message) => {
    const checked = stack.engine.check(javaScript(source))
    await expect(checked).rejects.toMatchObject({
      code: 'ETL_LOAD_FAILED',
    })
    await expect(checked).rejects.toThrow(message)
  })

  test('also TypeScript that more than blanks would have to become', async () => {
    const checked = stack.engine.check(
      typeScript('enum Color { Red }\nexport function transform(row: object) { return row }'),
    )
    await expect(checked).rejects.toThrow(/ETL features\.ts.* enum/)
  })
})

test('every way to export is understood, and other exports are left alone', async () => {
  for (const source of [
    'export const transform = (row) => ({ id: row.id })',
    'function own(row) { return { id: row.id } }\nexport { own as transform }',
    'export function other() {}\nexport class Also {}\nexport const { a, b } = { a: 1, b: 2 }\nexport const transform = (row) => ({ id: row.id })',
    '#!/usr/bin/env node\nexport function transform({ id }) { return { id } }',
  ]) {
    expect(await servedValues(source)).toEqual([1, 2, 3])
  }
})

test.each([
  ['export function transform(row) { return row }', true],
  ['const own = (row) => row\nexport { own as transform }', true],
  ['/* export function extract(rows) */ export let transform = (row) => row', true],
  ['// export function transform(row)\nexport function extract(rows) { return rows }', false],
  ['const text = "export const transform"\nexport const extract = (rows) => rows', false],
])('the module itself says whether it works row by row: %j', async (source, isRowByRow) => {
  expect(await stack.engine.worksRowByRow(javaScript(source))).toBe(isRowByRow)
})

test('types are stripped, imported ones too, and lines and columns stay', async () => {
  const etl = typeScript(`import type { Row } from './rows.ts'
interface Input { id: number }
export function transform(row: Input): Record<string, unknown> {
  const wide = row as unknown as { id: { b: { c: number } } }
  return { b: wide.id.b.c }
}`)
  const error = errorOf(await stack.serve(etl, { columns, rows }))
  expect(error.message).toMatch(/^ETL features\.ts:5:25 failed on row 1: TypeError: /)
})
