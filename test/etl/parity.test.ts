// What training reads back from Parquet is what serving gives, value for value, type for type, byte for byte of JSON.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunnableEtl } from '../../src/etl/engine.ts'
import { type Column, encodeFrame, type Frame, type Value } from '../../src/values/columns.ts'
import { column, type EngineStack, frameOf, javaScript, openEngineStack, typeScript } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

/** Bytes come out of Parquet as Buffers. */
function withPlainBytes({ columns, rows }: Frame): Frame {
  const plain = (value: Value) => (value instanceof Uint8Array ? new Uint8Array(value) : value)
  return { columns, rows: rows.map((row) => row.map(plain)) }
}

/** Trains on all rows, then serves each row as a group of its own, with and without training's columns. */
async function expectParity(etl: RunnableEtl, input: Frame): Promise<Frame> {
  const trained = withPlainBytes(await stack.train(etl, input))
  const groups = input.rows.map((row) => [row])
  const request = { etl, inputColumns: input.columns, groups }
  const served = await stack.engine.runGroups({ ...request, outputColumns: trained.columns })
  const rows = served.flatMap((result) => frameOf(result).rows)
  expect(rows).toEqual(trained.rows)
  expect(encodeFrame({ columns: trained.columns, rows })).toBe(encodeFrame(trained))
  for (const result of served) expect(frameOf(result).columns).toEqual(trained.columns)
  const together = frameOf(await stack.serve(etl, input))
  expect(together).toEqual(trained)
  return trained
}

const id = column('id', 'INT64', { nullable: false })

function numbered(count: number): Frame {
  return { columns: [id], rows: Array.from({ length: count }, (_, i) => [i]) }
}

/** An ETL that returns the i-th of the expressions for the row whose id is i. */
function returning(expressions: readonly string[], declared = ''): RunnableEtl {
  return javaScript(`${declared}
export function transform(row) {
  return [${expressions.map((expression) => `() => (${expression})`).join(', ')}][row.id]()
}`)
}

async function valuesOf(
  expressions: readonly string[],
  declared = '',
): Promise<{ columns: readonly Column[]; values: Value[] }> {
  const etl = returning(
    expressions.map((expression) => `{ v: ${expression} }`),
    declared,
  )
  const trained = await expectParity(etl, numbered(expressions.length))
  return { columns: trained.columns, values: trained.rows.map((row) => row[0] ?? null) }
}

describe('a value is the same in training and serving', () => {
  test('when numbers are NaN, infinite, negative zero, tiny or integers in a float column', async () => {
    const { columns, values } = await valuesOf([
      'NaN',
      'Infinity',
      '-Infinity',
      '-0',
      '5',
      '0.1',
      '5e-324',
      '2 ** 60',
      '1e300',
      'null',
    ])
    expect(columns).toEqual([column('v', 'FLOAT64')])
    expect(values).toEqual([Number.NaN, Infinity, -Infinity, -0, 5, 0.1, 5e-324, 2 ** 60, 1e300, null])
  })

  test('when integers are bigints, safe and beyond 2^53, to the ends of 64 bits', async () => {
    const { columns, values } = await valuesOf([
      '1',
      '2n',
      '2n ** 53n + 1n',
      '-(2n ** 63n)',
      '2n ** 63n - 1n',
      '-0',
    ])
    expect(columns).toEqual([column('v', 'INT64', { nullable: false })])
    expect(values).toEqual([1, 2, 9007199254740993n, -9223372036854775808n, 9223372036854775807n, 0])
  })

  test('when text holds emoji, quotes, SQL, NUL, 10 kB, or half a surrogate pair', async () => {
    const { values } = await valuesOf([
      "'🦆👩‍👩‍👧‍👦'",
      "`' OR 1=1 --`",
      "'0012'",
      "'a\\u0000b'",
      "'x'.repeat(10000)",
      "'🦆'.slice(0, 1)",
      "'a' + '🦆'.slice(1)",
      "''",
      "'\\n\\r\\u2028'",
    ])
    expect(values.slice(0, 4)).toEqual(['🦆👩‍👩‍👧‍👦', "' OR 1=1 --", '0012', 'a\0b'])
    expect(values.slice(5)).toEqual(['\ufffd', 'a\ufffd', '', '\n\r\u2028'])
  })

  test('when a Date becomes a TIMESTAMP', async () => {
    const { columns, values } = await valuesOf([
      'new Date(0)',
      "new Date('2026-03-01T10:20:30.456Z')",
      'new Date(Date.UTC(1, 0))',
      'new Date(-1)',
      "new Date('0001-01-01')",
    ])
    expect(columns).toEqual([column('v', 'TIMESTAMP', { nullable: false })])
    expect(values).toEqual([
      '1970-01-01T00:00:00Z',
      '2026-03-01T10:20:30.456Z',
      '1901-01-01T00:00:00Z',
      '1969-12-31T23:59:59.999Z',
      '0001-01-01T00:00:00Z',
    ])
  })

  test('when text with microseconds is declared a TIMESTAMP, in any zone', async () => {
    const { columns, values } = await valuesOf(
      [
        "'2026-03-01T10:20:30.123456Z'",
        "'2026-03-01 10:20:30.1'",
        "'2026-03-01T10:20+02:00'",
        "'2026-03-01'",
        'new Date(5)',
        'null',
      ],
      "export const columns = { v: 'TIMESTAMP' }",
    )
    expect(columns).toEqual([column('v', 'TIMESTAMP')])
    expect(values).toEqual([
      '2026-03-01T10:20:30.123456Z',
      '2026-03-01T10:20:30.100Z',
      '2026-03-01T08:20:00Z',
      '2026-03-01T00:00:00Z',
      '1970-01-01T00:00:00.005Z',
      null,
    ])
  })

  test.for([
    [
      'TIMESTAMP',
      [
        'infinity',
        '-infinity',
        '+010000-01-01T00:00:00Z',
        '-000043-03-15T12:00:00.000001Z',
        '0001-01-01T00:00:00Z',
      ],
    ],
    ['DATE', ['infinity', '-infinity', '+010000-01-01', '-000043-03-15', '0001-01-01']],
  ] as const)('when a %s that no Date holds is given back as the input had it', async ([type, texts]) => {
    const { columns, values } = await valuesOf(
      texts.map((text) => JSON.stringify(text)),
      `export const columns = { v: '${type}' }`,
    )
    expect(columns).toEqual([column('v', type, { nullable: false })])
    expect(values).toEqual(texts)
  })

  test('when it is declared a DECIMAL, long or short', async () => {
    const { columns, values } = await valuesOf(
      [
        "'12345678901234567890.123456789'",
        '1.5',
        '3',
        '10n',
        "'-0.000000001'",
        '0.1 + 0.2',
        "'1e3'",
        "'99999999999999999999999999999'",
        'null',
      ],
      "export const columns = { v: 'DECIMAL' }",
    )
    expect(columns).toEqual([column('v', 'DECIMAL')])
    expect(values[0]).toBe('12345678901234567890.123456789')
    expect(values.slice(1, 7)).toEqual([1.5, 3, 10, -1e-9, 0.3, 1000])
  })

  test.each([
    ['DATE', ["'2026-02-28'", 'new Date(86400000 * 3.5)', 'null'], ['2026-02-28', '1970-01-04', null]],
    ['INT32', ['1', '-2147483648', '2n', 'null'], [1, -2147483648, 2, null]],
    ['INT64', ['1', '2n ** 60n', 'null'], [1, 1152921504606846976n, null]],
    ['FLOAT64', ['1', '2', 'null'], [1, 2, null]],
    ['STRING', ['null', 'undefined', "'x'"], [null, null, 'x']],
    ['DECIMAL(5,2)', ['1.005', '-1.005', "'999.99'"], [1.01, -1.01, 999.99]],
    [
      'JSON',
      ['1', "'x'", '[1, {}]', 'true', 'null', '{ a: undefined }'],
      [1, 'x', [1, {}], true, null, { a: null }],
    ],
  ] as const)('when it is declared %s', async (type, expressions, expected) => {
    const { columns, values } = await valuesOf([...expressions], `export const columns = { v: '${type}' }`)
    expect(columns[0]?.type).toBe(type.replace(/\(.*/, ''))
    expect(values).toEqual(expected)
  })

  test('when it is bytes, none, or all 256 of them', async () => {
    const { columns, values } = await valuesOf([
      'new Uint8Array(0)',
      'Uint8Array.from({ length: 256 }, (_, i) => i)',
      'null',
    ])
    expect(columns).toEqual([column('v', 'BYTES')])
    expect(values).toEqual([new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i), null])
  })

  test('when a list holds nulls, floats among integers, lists, or nothing', async () => {
    const { columns, values } = await valuesOf(['[]', '[1, null, 2.5]', '[NaN, -0]', 'null', '[1, , 3]'])
    expect(columns).toEqual([column('v', 'LIST', { storage: 'DOUBLE[]' })])
    expect(values).toEqual([[], [1, null, 2.5], [Number.NaN, -0], null, [1, null, 3]])
    const nested = await valuesOf(['[[1n], [], null, [2n ** 60n]]', '[]'])
    expect(nested.values).toEqual([[[1], [], null, [1152921504606846976n]], []])
  })

  test('when a struct holds nulls, structs, lists, and names that trouble', async () => {
    const { columns, values } = await valuesOf([
      `{ a: 1, '__proto__x': null, 'q"uote, (x)': { 'é 🦆': ['x'] }, constructor: new Date(1) }`,
      `{ a: 2.5, '__proto__x': 'y', 'q"uote, (x)': null, constructor: null }`,
      'null',
    ])
    expect(columns[0]?.type).toBe('STRUCT')
    expect(values[0]).toEqual({
      a: 1,
      __proto__x: null,
      'q"uote, (x)': { 'é 🦆': ['x'] },
      constructor: '1970-01-01T00:00:00.001Z',
    })
    expect(values[2]).toBeNull()
  })

  test('when objects vary in shape and become JSON', async () => {
    const { columns, values } = await valuesOf([
      '{ a: 1 }',
      '{ b: [1, "x", { c: null }], n: NaN, z: -0, big: 2n ** 60n, unsafe: 2 ** 60, huge: 1e25, d: new Date(5), y: new Uint8Array([1, 2]) }',
      '{}',
      '{ "1": 1, ["__proto__"]: { x: 1 }, s: "🦆".slice(0, 1) }',
      '{ a: 10n ** 30n }',
    ])
    expect(columns).toEqual([column('v', 'JSON', { nullable: false })])
    expect(values[1]).toMatchObject({
      n: null,
      z: 0,
      big: 2n ** 60n,
      unsafe: 1152921504606847000n,
      d: '1970-01-01T00:00:00.005Z',
      y: 'AQI=',
    })
    expect(Object.keys(values[3] as object)).toEqual(['1', '__proto__', 's'])
  })

  test('when objects have names that no struct can have, and become JSON', async () => {
    const { columns, values } = await valuesOf(['{ a: 1, A: 2 }', 'null'])
    expect(columns[0]?.type).toBe('JSON')
    expect(values).toEqual([{ a: 1, A: 2 }, null])
    for (const object of ['{ "": 1 }', '{}', '{ "a\\0": 1 }']) {
      expect((await valuesOf([object])).columns[0]?.type).toBe('JSON')
    }
  })

  test('when a struct has a field __proto__, or the name of something that every object has', async () => {
    const { columns, values } = await valuesOf([
      '{ ["__proto__"]: { x: 1 }, constructor: 1, l: [{ ["__proto__"]: 2 }] }',
      '{ ["__proto__"]: null, constructor: null, l: [] }',
    ])
    expect(columns[0]?.type).toBe('STRUCT')
    expect(encodeFrame({ columns, rows: values.map((value) => [value]) })).toBe(
      '[{"v":{"__proto__":{"x":1},"constructor":1,"l":[{"__proto__":2}]}},{"v":{"__proto__":null,"constructor":null,"l":[]}}]',
    )
  })

  test('when lists mix their elements and become JSON', async () => {
    const { columns, values } = await valuesOf(["[1, 'x', null, [true]]", '[]'])
    expect(columns[0]?.type).toBe('JSON')
    expect(values).toEqual([[1, 'x', null, [true]], []])
  })

  test('when keys are missing from some rows, or are called 1 and __proto__', async () => {
    const etl = returning([
      '{ b: 1, "1": "one" }',
      '{ ["__proto__"]: 2, b: 2 }',
      '{ c: true }',
      '{}',
      '{ constructor: 1, toString: 2 }',
    ])
    const trained = await expectParity(etl, numbered(5))
    expect(trained.columns.map(({ name }) => name)).toEqual([
      '1',
      'b',
      '__proto__',
      'c',
      'constructor',
      'toString',
    ])
    expect(trained.rows).toEqual([
      ['one', 1, null, null, null, null],
      [null, 2, 2, null, null, null],
      [null, null, null, true, null, null],
      [null, null, null, null, null, null],
      [null, null, null, null, 1, 2],
    ])
  })

  test('when a column is null throughout', async () => {
    const { columns, values } = await valuesOf(['null', 'undefined'])
    expect(columns).toEqual([column('v', 'STRING')])
    expect(values).toEqual([null, null])
  })
})

test('every input type reaches the script as its Value and comes back the same', async () => {
  const columns = [
    column('bool', 'BOOLEAN'),
    column('i32', 'INT32'),
    column('i64', 'INT64'),
    column('f64', 'FLOAT64'),
    column('decimal', 'DECIMAL', { storage: 'DECIMAL(38,3)' }),
    column('text', 'STRING'),
    column('bytes', 'BYTES'),
    column('date', 'DATE'),
    column('at', 'TIMESTAMP'),
    column('list', 'LIST', { storage: 'DOUBLE[]' }),
    column('struct', 'STRUCT', { storage: 'STRUCT("a" BIGINT, "b" VARCHAR)' }),
    column('json', 'JSON'),
    column('__proto__', 'STRING'),
    column('proto', 'STRUCT', {
      storage: 'STRUCT("__proto__" STRUCT("__proto__" BIGINT), "constructor" BIGINT)',
    }),
    column('1', 'STRING'),
  ]
  const struct = { a: 2n ** 60n, b: 'x' }
  const rows = [
    [
      true,
      1,
      9007199254740993n,
      Number.NaN,
      '12345678901234567890.125',
      '🦆',
      new Uint8Array([0, 255]),
      '2026-01-31',
      '2026-01-31T01:02:03.000004Z',
      [1, null, -0.5],
      struct,
      { x: [1, 2n ** 60n] },
      'proto',
      JSON.parse('{"__proto__":{"__proto__":5},"constructor":6}'),
      'one',
    ],
    [
      false,
      -1,
      5,
      0,
      1.5,
      '',
      new Uint8Array(),
      '1970-01-01',
      '1970-01-01T00:00:00Z',
      [],
      null,
      'plain',
      '',
      JSON.parse('{"__proto__":null,"constructor":null}'),
      '',
    ],
    columns.map(() => null),
  ]
  const declared = `export const columns = { decimal: 'DECIMAL(38,3)', date: 'DATE', at: 'TIMESTAMP', i32: 'INT32', json: 'JSON', f64: 'FLOAT64' }`
  const etl = typeScript(
    `${declared}\nexport function transform(row: Record<string, unknown>) { return row }`,
  )
  const trained = await expectParity(etl, { columns, rows })
  const order = columns.map(({ name }) => trained.columns.findIndex((one) => one.name === name))
  expect(trained.rows.map((row) => order.map((index) => row[index]))).toEqual(rows)
  expect(order.map((index) => trained.columns[index]?.type)).toEqual(columns.map(({ type }) => type))
})

test('a whole frame gives the same through a file as in one group', async () => {
  const columns = [id, column('user', 'STRING')]
  const rows = Array.from({ length: 10_000 }, (_, i) => [i, `user ${i % 7}`])
  const etl = javaScript(`export function extract(rows) {
    const counts = new Map()
    for (const { user } of rows) counts.set(user, (counts.get(user) ?? 0) + 1)
    return rows.map(({ id, user }) => ({ id, user, share: counts.get(user) / rows.length }))
  }`)
  const trained = await stack.train(etl, { columns, rows })
  expect(trained.rows).toHaveLength(10_000)
  expect(frameOf(await stack.serve(etl, { columns, rows }))).toEqual(trained)
})

test('thousands of rows, whose columns change their kind from batch to batch, come through in order', async () => {
  const columns = [
    id,
    column('text', 'STRING'),
    column('f64', 'FLOAT64'),
    column('i64', 'INT64'),
    column('i16', 'INT32', { storage: 'SMALLINT' }),
    column('f32', 'FLOAT64', { storage: 'FLOAT' }),
    column('flag', 'BOOLEAN'),
    column('at', 'TIMESTAMP'),
    column('zoned', 'TIMESTAMP', { storage: 'TIMESTAMP WITH TIME ZONE' }),
    column('day', 'DATE'),
    column('list', 'LIST', { storage: 'VARCHAR[]' }),
  ]
  const texts = ['', 'short', 'longer than twelve bytes', 'é', '€uro', '🦆 and a duck', 'NUL \0 within']
  const numbers = [0, 0.1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, -1e300, 2 ** 53]
  const integers = [0, -1, 2 ** 53 - 1, -(2 ** 53) + 1, 2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]
  const times = [
    '1969-12-31T23:59:59.999999Z',
    '2026-01-31T01:02:03.000004Z',
    '2026-01-31T01:02:03Z',
    '-000001-03-01T00:00:00Z',
    '+012026-01-31T01:02:03.004Z',
    'infinity',
    '-infinity',
  ]
  const days = ['1970-01-01', '1600-02-29', '2026-11-24', 'infinity', '-000044-03-15']
  const pick = <T>(from: readonly T[], i: number): T | null =>
    i % 11 === 0 ? null : (from[i % from.length] ?? null)
  const rows = Array.from({ length: 7000 }, (_, i): Value[] => [
    i,
    i < 2048 ? `plain ${i}` : pick(texts, i),
    pick(numbers, i),
    pick(integers, i),
    i < 4096 ? (i % 65_536) - 32_768 : null,
    pick([0.5, -0.25, Number.NaN], i),
    pick([true, false], i),
    pick(times, i),
    pick(times, i + 1),
    pick(days, i),
    pick([[], ['a', null, '🦆']], i),
  ])
  const etl = javaScript(`
    export const columns = { exact: 'DECIMAL(20,2)' }
    export function transform(row) {
      const late = row.id >= 3000 ? { late: row.text, mixed: row.id * 0.5 } : { mixed: row.id }
      return row.id % 5 === 3 ? null : { ...row, ...late, exact: row.id / 4, kind: typeof row.i64 }
    }`)
  const trained = await expectParity(etl, { columns, rows })
  const kept = rows.filter((_, i) => i % 5 !== 3)
  const at = (name: string) => trained.columns.findIndex((one) => one.name === name)
  for (const [index, { name }] of columns.entries())
    expect(trained.rows.map((row) => row[at(name)])).toEqual(kept.map((row) => row[index] ?? null))
  expect(trained.rows.map((row) => row[at('late')])).toEqual(
    kept.map(([i, text]) => (Number(i) >= 3000 ? text : null)),
  )
  expect(trained.columns[at('mixed')]?.type).toBe('FLOAT64')
})
