// A frame's rows come in one order, whatever order the engine gave them in: in training as in serving.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Column, Row, Value } from '../../src/values/columns.ts'
import { tries } from '../thorough.ts'
import { column, type EngineStack, frameOf, javaScript, openEngineStack } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

/** Every row as a text that tells all of it, in the order in which the script was given them. */
const teller = `
  const tell = (value) => {
    if (typeof value === 'bigint') return 'bigint ' + value
    if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
    if (value instanceof Uint8Array) return 'bytes ' + value.join()
    if (Array.isArray(value)) return '[' + value.map(tell).join() + ']'
    if (typeof value === 'object' && value !== null) return '{' + Object.entries(value).map(([name, own]) => name + ':' + tell(own)).join() + '}'
    return JSON.stringify(value)
  }
`
const listing = javaScript(
  `${teller}\nexport function extract(rows) { return rows.map((row, i) => ({ i, row: tell(Object.values(row)) })) }`,
)

async function served(columns: readonly Column[], rows: readonly Row[]) {
  return frameOf(await stack.serve(listing, { columns, rows })).rows.map(([, text]) => text)
}

async function trained(columns: readonly Column[], rows: readonly Row[]) {
  return (await stack.train(listing, { columns, rows })).rows.map(([, text]) => text)
}

const kinds: readonly { column: Column; ordered: readonly Value[] }[] = [
  { column: column('boolean', 'BOOLEAN'), ordered: [null, false, true] },
  { column: column('int32', 'INT32'), ordered: [null, -10, -9, 0, 9, 10] },
  {
    column: column('int64', 'INT64'),
    ordered: [null, -(2n ** 62n), -(2 ** 52), 9, 10, 2 ** 53 - 1, 2n ** 53n, 2n ** 60n, 2n ** 60n + 1n],
  },
  {
    column: column('float', 'FLOAT64'),
    ordered: [null, Number.NEGATIVE_INFINITY, -1.5, 0, 5e-324, 9, 10, Number.POSITIVE_INFINITY, Number.NaN],
  },
  {
    column: column('decimal', 'DECIMAL'),
    ordered: [
      null,
      '-12345678901234567890.000000002',
      '-12345678901234567890.000000001',
      -9.5,
      0.000000001,
      9,
      10,
      '9999999999999999999.999999999',
      '10000000000000000000.000000001',
    ],
  },
  {
    column: column('text', 'STRING'),
    ordered: [null, '', 'B', 'a', 'a\0', 'aa', 'ab', 'é', '\uffff', '\u{10000}', '\u{1f600}', '\u{1f600}a'],
  },
  {
    column: column('bytes', 'BYTES'),
    ordered: [null, new Uint8Array(), new Uint8Array([1]), new Uint8Array([1, 0]), new Uint8Array([200])],
  },
  {
    column: column('date', 'DATE'),
    ordered: [null, '-000010-01-01', '0000-01-01', '1999-12-31', '2026-01-01', '+010000-01-01'],
  },
  {
    column: column('time', 'TIMESTAMP'),
    ordered: [
      null,
      '-000010-01-01T00:00:00Z',
      '1969-12-31T23:59:59.999999Z',
      '2026-01-01T00:00:00Z',
      '2026-01-01T00:00:00.000001Z',
      '2026-01-01T00:00:00.500Z',
      '2026-01-01T00:00:00.500001Z',
      '2026-01-01T00:00:01Z',
      '+010000-01-01T00:00:00Z',
    ],
  },
  {
    column: column('list', 'LIST'),
    ordered: [null, [], [null], [null, 1], [-1], [9], [9, 1], [10]],
  },
  {
    column: column('struct', 'STRUCT'),
    ordered: [null, { a: null }, { a: -1 }, { a: 9 }, { a: 10 }],
  },
  {
    column: column('json', 'JSON'),
    ordered: [
      null,
      false,
      true,
      -1,
      9,
      10,
      'a',
      [],
      [1],
      [1, { b: 1 }],
      {},
      { a: 1 },
      { a: 1, b: 2 },
      { b: 1 },
    ],
  },
]

describe('rows are ordered by value, nulls first:', () => {
  test.each(kinds)('$column.type', async ({ column: own, ordered }) => {
    const columns = [own, column('place', 'INT32')]
    const backwards = ordered.map((value, i): Row => [value, i]).reverse()
    for (const run of [served, trained]) {
      const texts = await run(columns, backwards)
      expect(texts.map((text) => Number(/(\d+)\]$/.exec(String(text))?.[1]))).toEqual([...ordered.keys()])
    }
  })
})

const rowOf = fc.tuple(...kinds.map(({ ordered }) => fc.constantFrom(...ordered)))
const columns = kinds.map((one) => one.column)

test('training and serving give any rows, in any order, in the same one', { timeout: 120_000 }, async () => {
  const drawn = fc
    .tuple(
      fc.shuffledSubarray([...kinds.keys()], { minLength: 1 }),
      fc.array(rowOf, { minLength: 1, maxLength: 40 }),
    )
    .chain(([chosen, rows]) => {
      const own = rows.map((row): Row => chosen.map((index) => row[index] ?? null))
      const doubled = [...own, ...own.slice(0, 5)]
      return fc.tuple(
        fc.constant(chosen.flatMap((index) => columns[index] ?? [])),
        fc.constant(doubled),
        fc.shuffledSubarray(doubled, { minLength: doubled.length }),
      )
    })
  await fc.assert(
    fc.asyncProperty(drawn, async ([own, rows, shuffled]) => {
      const order = await served(own, rows)
      expect(await served(own, shuffled)).toEqual(order)
      expect(await trained(own, shuffled)).toEqual(order)
    }),
    { numRuns: tries({ all: 100, part: 25 }) },
  )
})

test('a sum of floats and a first row are the same for a key among all rows as alone', async () => {
  const etl = javaScript(`export function extract(rows) {
    const byKey = new Map()
    for (const { k, x } of rows) {
      const own = byKey.get(k)
      if (own === undefined) byKey.set(k, { k, first: x, sum: x })
      else own.sum += x
    }
    return [...byKey.values()]
  }`)
  const own = [column('k', 'INT64', { nullable: false }), column('x', 'FLOAT64', { nullable: false })]
  const rows = Array.from({ length: 3000 }, (_, i): Row => [i % 7, ((i * 7919) % 1009) / 10 + 1e15 * (i % 3)])
  const { rows: all } = await stack.train(etl, { columns: own, rows })
  for (const trainedRow of all) {
    const alone = rows.filter(([k]) => k === trainedRow[0])
    for (const given of [alone, [...alone].reverse()])
      expect(frameOf(await stack.serve(etl, { columns: own, rows: given })).rows).toEqual([trainedRow])
  }
  expect(all).toHaveLength(7)
})

test('a script is given 0 for -0, which files do not tell apart, wherever it stands', async () => {
  const own = [
    column('x', 'FLOAT64'),
    column('json', 'JSON'),
    column('list', 'LIST', { storage: 'DOUBLE[]' }),
  ]
  const etl = javaScript(
    'export function transform({ x, json, list }) { return { told: [x, json.z, ...list].map((one) => Object.is(one, -0)).join() } }',
  )
  const rows: Row[] = [[-0, { z: -0 }, [-0, 0]]]
  const expected = [['false,false,false,false']]
  expect((await stack.train(etl, { columns: own, rows })).rows).toEqual(expected)
  expect(frameOf(await stack.serve(etl, { columns: own, rows })).rows).toEqual(expected)
})
