// Results that would say something else of themselves each time they are asked: they are copied by what they are made of,
// or refused, and in serving as in training.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { column, type EngineStack, errorOf, frameOf, javaScript, openEngineStack } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

const columns = [column('id', 'INT64', { nullable: false })]
const rows = [[1], [2]]

/** Trained and served: the columns and rows, or the error's code, message and details. */
async function runBoth(source: string) {
  const etl = javaScript(source)
  const trained = await stack.train(etl, { columns, rows }).catch((error: unknown) => {
    if (error instanceof AppError) return error
    throw error
  })
  const served = await stack.serve(etl, { columns, rows })
  return { trained: told(trained), served: told(served.ok ? served.frame : served.error) }
}

/** The engine that reads Parquet gives buffers. */
function bytesAsText(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${value.join()}`
  if (Array.isArray(value)) return value.map(bytesAsText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, bytesAsText(field)]))
}

function told(outcome: object) {
  if (!(outcome instanceof AppError)) return bytesAsText(outcome)
  const { code, message, details } = outcome
  return { code, message, details }
}

const prelude = `
  let calls = 0
  class D extends Date { getTime() { return 1e300 } valueOf() { return ++calls } toJSON() { return ++calls } }
  class Bytes extends Uint8Array { get length() { return 9 } *[Symbol.iterator]() { yield ++calls } }
  class List extends Array { get length2() { return ++calls } map() { return [++calls] } *[Symbol.iterator]() { yield ++calls } }
  Object.defineProperty(List.prototype, 1, { get: () => ++calls })
  const frozen = { get: () => ++calls, enumerable: true }
`
const values = [
  'new D(5)',
  'Object.assign(new Date(7), { getTime: () => ++calls, valueOf: () => ++calls })',
  'Object.create(Date.prototype)',
  'Object.setPrototypeOf(new Date(9), D.prototype)',
  'Object.setPrototypeOf(new Date(9), Object.prototype)',
  'new Bytes([1, 2])',
  'Object.defineProperty(new Uint8Array([3]), "length", { get: () => ++calls })',
  'Object.create(Uint8Array.prototype)',
  'new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 }))',
  'List.of(1, 2, 3)',
  'Object.assign(new List(3), { 0: 5, 2: 6 })',
  'Object.assign([1, 2], { toJSON: () => ++calls, map: () => [9], [Symbol.iterator]: () => [9].values() })',
  '[1, , 3]',
  '(function () { return arguments })(4, 5)',
  '{ toJSON() { return ++calls } }',
  '{ valueOf: 5, toString: 6, constructor: 7 }',
  '{ get v() { return ++calls } }',
  '{ set v(x) {} }',
  'Object.defineProperty({ a: 1 }, "v", frozen)',
  'Object.defineProperty([1, 2], 1, frozen)',
  'Object.create(Object.prototype, { v: frozen })',
  'Object.create(null, { v: { value: 1, enumerable: true } })',
  'Reflect.defineProperty(row, "v", frozen) && row',
  '(row.__defineGetter__("v", () => ++calls), row)',
  'new Proxy({ a: 1 }, { get: () => ++calls })',
  'new Proxy([1], { get: (t, key) => (key === "length" ? 3 : ++calls) })',
  'Proxy.revocable({ a: 1 }, {}).proxy',
  'Object.setPrototypeOf([1, , 3], new Proxy([], { get: () => ++calls }))',
  'Object.setPrototypeOf({ a: 1 }, new Proxy({}, { getPrototypeOf: () => Object.prototype }))',
  'new (class { get v() { return ++calls } })()',
  'new String("x")',
  'Object(1n)',
  'new Error("e")',
  'Symbol.iterator',
  '(() => { const o = { a: 1 }; Error.captureStackTrace(o); return o })()',
  'JSON.rawJSON("1")',
  '"ab".match(/b/)',
  '{ [Symbol.toPrimitive]: () => ++calls, a: 1 }',
  '-0',
  'NaN',
  '2n ** 64n',
]

/** Where a value stands in what a script returns; `z` is a column even where there is none. */
const places: Record<string, (value: string) => string> = {
  'a column': (value) => `export function transform(row) { return { id: row.id, v: ${value} } }`,
  'a list': (value) => `export function transform(row) { return { v: [1, ${value}] } }`,
  'an object': (value) => `export function transform(row) { return { v: { a: ${value} } } }`,
  'a row': (value) =>
    `export const columns = { z: 'STRING' }\nexport function transform(row) { const result = ${value}; return result }`,
  'a column of JSON': (value) =>
    `export const columns = { v: 'JSON' }\nexport function transform(row) { return { v: ${value} } }`,
  'a column of a frame': (value) =>
    `export function extract(rows) { const [row] = rows; return [{ v: ${value} }, { v: null }] }`,
  'a row of a frame': (value) =>
    `export function extract(rows) { const [row] = rows; return [{ v: 1 }, ${value}] }`,
  'a frame': (value) =>
    `export const columns = { z: 'STRING' }\nexport function extract(rows) { const [row] = rows; const all = ${value}; return all }`,
}

describe('training and serving tell the same, wherever it stands, of', () => {
  test.each(values)('%s', async (value) => {
    for (const place of Object.values(places)) {
      const { trained, served } = await runBoth(`${prelude}\n${place(value)}`)
      expect(served).toEqual(trained)
    }
  })
})

describe('is copied by what it is made of:', () => {
  test.each([
    ['new D(5)', '1970-01-01T00:00:00.005Z'],
    ['new Bytes([1, 2])', new Uint8Array([1, 2])],
    ['Object.assign(new List(3), { 0: 5, 2: 6 })', [5, null, 6]],
    ['Object.assign([1, 2], { toJSON: () => [9] })', [1, 2]],
  ])('%s', async (value, expected) => {
    const text = `${prelude}\nexport function transform() { return { v: ${value} } }`
    const frame = frameOf(await stack.serve(javaScript(text), { columns, rows }))
    expect(frame.rows).toEqual([[expected], [expected]])
  })
})

describe('is refused, with its column’s name:', () => {
  test.each([
    ['{ get v() { return 1 } }', /column "v": the value is told by a getter or setter/, 'v'],
    ['{ v: new Proxy({}, {}) }', /column "v": the value is a Proxy, not plain data/, 'v'],
    ['{ v: [{ get deep() { return 1 } }] }', /column "v": the value at \[0\]\.deep is told by a getter/, 'v'],
    ['{ v: Object.create(Date.prototype) }', /column "v": the value is a Date, not plain data/, 'v'],
    ['new Proxy({ v: 1 }, {})', /it returned a Proxy/, undefined],
  ])('%s', async (result, message, name) => {
    const text = `export function transform() { return (${result}) }`
    const error = errorOf(await stack.serve(javaScript(text), { columns, rows }))
    expect(error.code).toBe('ETL_FAILED')
    expect(error.message).toMatch(message)
    expect(error.details?.name).toBe(name)
  })
})
