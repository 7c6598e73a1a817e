// Reading a column that the input does not have: an error that lists those there are, whatever way it is read; all else as ever.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { column, type EngineStack, errorOf, frameOf, javaScript, openEngineStack } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

const columns = [column('user_id', 'INT64'), column('amount', 'FLOAT64'), column('tags', 'LIST')]
const rows = [[1, 2.5, [7]]]
const input = { columns, rows }

/** The same in training and serving, by row and by frame. */
async function eachWay(statements: string) {
  const transform = javaScript(`export function transform(row) { ${statements} }`)
  const extract = javaScript(`export function extract(rows) { return rows.map((row) => { ${statements} }) }`)
  const ends = []
  for (const etl of [transform, extract]) {
    ends.push(
      await stack.train(etl, input).then(
        (frame) => ({ rows: frame.rows }),
        (error: Error) => ({ message: error.message }),
      ),
    )
    const served = await stack.serve(etl, input)
    ends.push(served.ok ? { rows: served.frame.rows } : { message: errorOf(served).message })
  }
  return ends
}

describe('a column that is not there is refused', () => {
  test.each([
    'return { x: row.user_Id }',
    "return { x: row['user_Id'] }",
    'const { user_Id } = row; return { x: user_Id }',
    'const { user_Id = 5 } = row; return { x: user_Id }',
    'return { x: row?.user_Id }',
    'return { x: row.user_Id ?? 0 }',
    'return { x: row.user_Id?.y }',
    "return { x: Reflect.get(row, 'user_Id') }",
    'row.user_Id += 1; return row',
    'return { x: Object.create(row).user_Id }',
    'delete row.amount; return { x: row.user_Id }',
  ])('%s', async (statements) => {
    const ends = await eachWay(statements)
    expect(ends).toHaveLength(4)
    for (const end of ends)
      expect(end).toMatchObject({
        message: expect.stringMatching(
          /features\.js:1:\d+ failed.* ReferenceError: the input has no column "user_Id"; its columns are "user_id", "amount", "tags"$/,
        ),
      })
  })

  test('of many columns the message names as many as fit, and counts the others', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => column(`column_${i}`, 'INT64'))
    const etl = javaScript('export function transform(row) { return { x: row.column_1000 } }')
    const served = await stack.serve(etl, { columns: many, rows: [many.map((_, i) => i)] })
    expect(errorOf(served).message).toMatch(/"column_0", "column_1", .*"column_\d+" and \d{3} more$/)
  })
})

describe('what is no reading of a column goes on', () => {
  test.each([
    ["return { x: 'user_Id' in row, y: 'user_id' in row }", [false, true]],
    ["return { x: Object.hasOwn(row, 'user_Id'), y: row.hasOwnProperty('amount') }", [false, true]],
    [
      'row.tags = null; return { x: JSON.stringify({ ...row }), y: JSON.stringify(row) === JSON.stringify({ ...row }) }',
      ['{"user_id":1,"amount":2.5,"tags":null}', true],
    ],
    [
      'const { tags, ...rest } = row; return { x: Object.keys(rest).join(), y: rest.tags === undefined }',
      ['user_id,amount', true],
    ],
    [
      'const keys = []; for (const key in row) keys.push(key); return { x: keys.join(), y: String(row) }',
      ['user_id,amount,tags', '[object Object]'],
    ],
    ['row.total = row.amount * 2; return { x: row.total, y: row.user_id }', [5, 1]],
    ['row.toString = () => "mine"; return { x: String(row), y: 0 }', ['mine', 0]],
    ['return { x: row instanceof Object, y: row.constructor === Object }', [true, true]],
    ['return { x: Object.assign({}, row).nothing === undefined, y: Object.entries(row).length }', [true, 3]],
    ['return { x: [].concat(row).length, y: Array.isArray(row) }', [1, false]],
    [
      'let x = 0; try { row.gone } catch (error) { x = error instanceof ReferenceError }; return { x, y: 0 }',
      [true, 0],
    ],
  ] as const)('%s', async (statements, expected) => {
    for (const end of await eachWay(statements)) expect(end).toEqual({ rows: [expected] })
  })

  test('a row is given back as it came, also within another value', async () => {
    for (const end of await eachWay('return row')) expect(end).toEqual({ rows })
    const etl = javaScript('export function transform(row) { return { all: row, list: [row] } }')
    const flat = { columns: columns.slice(0, 2), rows: [[1, 2.5]] }
    expect(frameOf(await stack.serve(etl, flat)).rows).toEqual((await stack.train(etl, flat)).rows)
  })
})

test('columns of any names are read as they are, and no other name is', async () => {
  const odd = fc.constantFrom(
    'constructor',
    '__proto__',
    'toString',
    'toJSON',
    'prototype',
    '#x',
    '0',
    '',
    'a"b',
    '\u2028',
    'then',
    'f',
    'c',
    'i',
  )
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.oneof(odd, fc.string({ minLength: 1, maxLength: 8 })), {
        minLength: 1,
        maxLength: 6,
        selector: (name) => name.toLowerCase(),
      }),
      async (names) => {
        const named = names.filter((name) => name !== '' && name.isWellFormed() && !name.includes('\0'))
        if (named.length === 0) return
        const etl = javaScript(
          `export function transform(row) { const names = ${JSON.stringify(named)}; let refused = 0; for (const name of names) { try { row[name + "?"] } catch { refused++ } } return { sum: names.map((name) => row[name]).join(), keys: Object.keys(row).length, refused } }`,
        )
        const result = await stack.serve(etl, {
          columns: named.map((name) => column(name, 'STRING')),
          rows: [named.map((_, i) => `v${i}`)],
        })
        expect(frameOf(result).rows).toEqual([
          [named.map((_, i) => `v${i}`).join(), named.length, named.length],
        ])
      },
    ),
    { numRuns: 60 },
  )
})
