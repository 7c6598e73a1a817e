// Parity: faults are found, counted and shown; odd values are not faults.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStack, type Stack, sortedRows } from './stack.ts'

let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})

afterAll(() => stack?.remove())

async function viewOf(sql: string, indexKey: string, refresh: 'AUTO' | 'MANUAL' = 'AUTO') {
  const { record, target } = await stack.view(`query ${Math.random()}`, sql, indexKey, refresh)
  return { id: record.id, target }
}

test('other rows, missing rows and extra rows are told apart, with examples of both sides', async () => {
  const sql = "SELECT user_id, name FROM feature_store.users WHERE user_id LIKE 'parity%'"
  const { id, target } = await viewOf(sql, 'user_id', 'MANUAL')
  await stack.append(
    'users',
    ['user_id', 'name'],
    [
      ['parity 1', 'a'],
      ['parity 2', 'b'],
      ['parity 2', 'b'],
      ['parity 3', 'c'],
    ],
  )
  const version = await stack.warehouse.version()
  const entry = { version, computedAtMs: Date.now(), expiresInMs: null }
  await stack.online.write(id, [
    { ...entry, value: 'parity 1', rows: Buffer.from('[]') },
    { ...entry, value: 'parity 2', rows: Buffer.from('[{"user_id":"parity 2","name":"b"}]') },
    { ...entry, value: 'parity 4', rows: Buffer.from('[{"user_id":"parity 4","name":"ghost"}]') },
  ])
  const report = await stack.realtime.parity(id, 10)
  expect(report).toMatchObject({ sampled: 4, mismatched: 1, missing: 1, extra: 1 })
  expect(report.examples).toContainEqual({
    value: 'parity 2',
    training: [
      { user_id: 'parity 2', name: 'b' },
      { user_id: 'parity 2', name: 'b' },
    ],
    online: [{ user_id: 'parity 2', name: 'b' }],
  })
  await stack.lookUp(target, ['parity 3'])
})

test('at most ten examples are given', async () => {
  const sql = "SELECT user_id, name FROM feature_store.users WHERE user_id LIKE 'many%'"
  const { id } = await viewOf(sql, 'user_id', 'MANUAL')
  const users = Array.from({ length: 25 }, (_, i) => `many ${i}`)
  await stack.append(
    'users',
    ['user_id'],
    users.map((user) => [user]),
  )
  const entry = { version: await stack.warehouse.version(), computedAtMs: Date.now(), expiresInMs: null }
  await stack.online.write(
    id,
    users.map((value) => ({ ...entry, value, rows: Buffer.from('[]') })),
  )
  const report = await stack.realtime.parity(id, 20)
  expect(report).toMatchObject({ sampled: 20, mismatched: 0, missing: 20, extra: 0 })
  expect(report.examples).toHaveLength(10)
})

test('a sample is a whole number from 1', async () => {
  const { id } = await viewOf('SELECT 1 AS k', 'k')
  await expect(stack.realtime.parity(id, 0)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
  await expect(stack.realtime.parity('fv_none', 5)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

const odd = `SELECT * FROM (VALUES
  (1::TINYINT, 9007199254740993::BIGINT, TIMESTAMP '2026-01-02 03:04:05.123456', DATE '2026-01-02', 1.5::DOUBLE, 12.30::DECIMAL(18,2), true, '0012', 'x', 0.1::FLOAT, 18446744073709551615::UBIGINT),
  (2, -9223372036854775808, '2026-01-02 03:04:05.123457', '0001-01-01', 'NaN', 1234567890123456.78, false, '12', repeat('🦆', 2500), 1.5, 0),
  (3, 42, '1969-12-31 23:59:59.999999', '9999-12-31', '-Infinity', 0, NULL, ''' OR 1=1 --', '', 'NaN', 1),
  (3, 42, 'infinity', '-infinity', -0.0, -0.01, true, '12', chr(10), -0.0, 7),
  (4, 43, '2026-01-02 03:04:05', '2026-01-02', 0.0, -0.01, true, '1e3', ' x', 0.0, 7),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) t(tiny, big, moment, day, ratio, amount, flag, code, text, single, huge)`

test.each(['tiny', 'big', 'moment', 'day', 'ratio', 'amount', 'flag', 'code', 'text', 'single', 'huge'])(
  'values of the column %s find exactly their own rows, read through, online, by key and in full',
  async (key) => {
    const { id, target } = await viewOf(odd, key)
    const training = await stack.training(odd, key)
    const rowsOfValue = new Map<string, string[]>()
    for (const [text, rows] of training) {
      // Zero has two forms, and one group.
      const merged = text === '-0' ? '0' : text
      rowsOfValue.set(merged, [...(rowsOfValue.get(merged) ?? []), ...rows].sort())
    }
    const values = [...rowsOfValue.keys()]
    for (const source of ['WAREHOUSE', 'ONLINE', 'ONLINE'] as const) {
      for (const result of await stack.lookUp(target, values)) {
        expect(result.source).toBe(source)
        expect(sortedRows(result)).toEqual(rowsOfValue.get(result.indexValue))
      }
      await stack.realtime.refreshInFull(id)
    }
    const report = await stack.realtime.parity(id, 100)
    expect(report).toEqual({
      sampled: values.length,
      mismatched: 0,
      missing: 0,
      extra: 0,
      undetermined: 0,
      examples: [],
    })
  },
)
