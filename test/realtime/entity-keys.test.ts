// Keys whose equal values have several texts, on their way from the warehouse into the online store and out of it again.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStack, type Stack, sortedRows } from './stack.ts'

let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})
afterAll(() => stack?.remove())

/** In an order in which the two keys alternate. */
const alternating = (key: string) =>
  `SELECT ${key} AS k, n FROM (SELECT (CASE WHEN i % 2 = 0 THEN 'ABC' ELSE 'abc' END) COLLATE NOCASE AS k, i AS n FROM range(6000) r(i)) t`

test('a key with a collation is refused, by name and on first use, and what the refusal says to write serves each text whole', async () => {
  const sql = alternating('k')
  const refused = expect.objectContaining({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('k COLLATE "C" AS k'),
  })
  await expect(stack.view('collated', sql, 'k')).rejects.toThrow(refused)
  const { id: queryId } = await stack.save(sql)
  await expect(stack.lookUp({ queryId, etlPath: null, indexKey: 'k' }, ['abc'])).rejects.toThrow(refused)

  const cured = alternating('k COLLATE "C"')
  const { target, record } = await stack.view('cured', cured, 'k', 'MANUAL')
  expect(await stack.realtime.refreshInFull(record.id)).toEqual({ rows: 6000 })
  const found = await stack.lookUp(target, ['ABC', 'abc', 'Abc'])
  expect(found.map((result) => sortedRows(result).length)).toEqual([3000, 3000, 0])
  expect(found.slice(0, 2).map(({ source }) => source)).toEqual(['ONLINE', 'ONLINE'])
})

test('rows of one scan of a collated column stand together by text', async () => {
  const { batches } = await stack.warehouse.scan({ sql: alternating('k'), key: ['k'] })
  const keys: unknown[] = []
  for await (const rows of batches) keys.push(...rows.map(([key]) => key))
  expect(keys.filter((key, i) => key !== keys[i - 1])).toEqual(['ABC', 'abc'])
  const rest = await stack.warehouse.scan({ sql: alternating('k'), key: ['k'], after: ['ABC'] })
  let behind = 0
  for await (const rows of rest.batches) behind += rows.length
  expect(behind).toBe(3000)
})

test.each(['read through', 'online'])('every spelling finds a key’s rows, %s', async (when) => {
  const intervals = `SELECT CASE n % 3 WHEN 0 THEN INTERVAL '1 month' WHEN 1 THEN INTERVAL '30 days' ELSE INTERVAL '720 hours' END AS k, n FROM range(9) t(n)`
  const grouped = `SELECT k, count(*) AS n FROM (${intervals}) t GROUP BY k`
  const uuids = `SELECT CAST('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' AS UUID) AS k, n FROM range(2) t(n)`
  const asked = [
    [intervals, ['1 month', '30 days', '720:00:00'], 9],
    [grouped, ['1 month', '30 days', '720:00:00'], 1],
    [uuids, ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{a0eebc999c0b4ef8bb6d6bb9bd380a11}'], 2],
    ['SELECT 0.00000001::DECIMAL(18,8) AS k', ['1e-8', '0.00000001'], 1],
  ] as const
  for (const [i, [sql, spellings, count]] of asked.entries()) {
    const { target, record } = await stack.view(`${when} ${i}`, `${sql} -- ${when}`, 'k', 'MANUAL')
    if (when === 'online') await stack.realtime.refreshInFull(record.id)
    const found = await stack.lookUp(target, spellings)
    expect(found.map((result) => sortedRows(result).length)).toEqual(spellings.map(() => count))
    expect(new Set(found.map((result) => sortedRows(result).join())).size).toBe(1)
    expect(new Set(found.map(({ source }) => source))).toEqual(
      new Set([when === 'online' ? 'ONLINE' : 'WAREHOUSE']),
    )
  }
})

test('a saved query of before engines told their types is described anew, once', async () => {
  const own = await openStack()
  const sql = `SELECT CAST('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' AS UUID) AS k, 'a' AS b`
  const { columns } = await own.warehouse.describe(sql)
  const old = columns.map(({ native: _, ...column }) => column)
  const { id: queryId } = await own.catalog.savedQueries.save({ name: 'old', sql, columns: old })
  const target = { queryId, etlPath: null, indexKey: 'k' }
  const [found] = await own.lookUp(target, ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'])
  expect(found?.status).toBe('FRESH')
  expect((await own.catalog.savedQueries.byId(queryId)).columns).toEqual(columns)
  await own.remove()
})
