// Views over queries that call as_of(): their answers are of the moment that they tell, and parity holds each against training as of it.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeFrame } from '../../src/values/columns.ts'
import { microsOfMs } from '../../src/values/moment.ts'
import { openStack, type Stack, sortedRows } from './stack.ts'

const day = 86_400_000
const windows = `SELECT user_id, count(*) FILTER (WHERE creation_date > as_of() - INTERVAL 7 DAY) AS n_7d
  FROM (SELECT user_id, epoch_ms(CAST(creation_date * 1000 AS BIGINT)) AS creation_date FROM feature_store.users)
  WHERE creation_date <= as_of() GROUP BY user_id`
let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})
afterAll(() => stack?.remove())

const secondsOf = (ms: number) => ms / 1000

async function viewOf(name: string, refresh: 'BY_KEY' | 'FULL', ttlSeconds: number | null = 3600) {
  const { id: queryId } = await stack.save(`${windows} -- ${name}`, name)
  const wanted = { name, queryId, etlId: null, indexKeys: ['user_id'], ttlSeconds, refresh }
  const record = await stack.realtime.createFeatureView(wanted)
  await stack.realtime.idle()
  return { record, target: { queryId, etlPath: null, indexKey: 'user_id' }, sql: `${windows} -- ${name}` }
}

async function rowsAsOf(sql: string, user: string, ms: number): Promise<string[]> {
  const { columns, rows } = await stack.warehouse.lookup({
    sql,
    key: ['user_id'],
    values: [[user]],
    asOf: microsOfMs(ms),
  })
  return rows.map((row) => encodeFrame({ columns, rows: [row] }).slice(1, -1))
}

/** Puts an answer online as if it had been computed then. */
async function putOnline(viewId: string, value: string, computedAtMs: number, rows: readonly string[]) {
  const version = await stack.warehouse.version()
  await stack.online.write(viewId, [
    { value, version, computedAtMs, rows: `[${rows.join(',')}]`, expiresInMs: null },
  ])
}

const publish = (users: readonly (readonly [string, number])[]) =>
  stack.publish(
    'users',
    ['user_id', 'creation_date'],
    users.map(([user, ms]) => [user, secondsOf(ms)]),
  )

test.for(['BY_KEY', 'FULL'] as const)(
  'every way that an answer comes about, it is of the moment that it tells: %s',
  async (refresh) => {
    const { record, target, sql } = await viewOf(`ways ${refresh}`, refresh)
    expect(record.refresh).toBe(refresh)
    const users = Array.from({ length: 20 }, (_, i) => `${refresh}${i}`)
    await publish(users.map((user, i) => [user, Date.now() - i * day + 1000]))
    await stack.realtime.idle()
    for (const result of await stack.lookUp(target, [...users, 'nobody'])) {
      const asOfMs = result.asOfMs ?? 0
      expect(sortedRows(result)).toEqual(await rowsAsOf(sql, result.indexValue, asOfMs))
    }
    await stack.realtime.refreshInFull(record.id)
    for (const result of await stack.lookUp(target, users)) {
      expect(result.source).toBe('ONLINE')
      expect(sortedRows(result)).toEqual(await rowsAsOf(sql, result.indexValue, result.asOfMs ?? 0))
    }
  },
)

test('parity takes answers of many moments, and finds one that is of another than it tells', async () => {
  const { record, sql } = await viewOf('moments', 'BY_KEY', 30 * 86_400)
  const users = Array.from({ length: 24 }, (_, i) => `moment${i}`)
  const created = Date.now() - 7 * day - 3_600_000
  await publish(
    users.flatMap(
      (user) =>
        [
          [user, created],
          [user, created + 1000],
        ] as const,
    ),
  )
  await stack.realtime.idle()
  // Then each payment was in the window, by now none is.
  for (const [i, user] of users.entries()) {
    const atMs = created + 500 + i * 100
    await putOnline(record.id, user, atMs, await rowsAsOf(sql, user, atMs))
  }
  const sound = await stack.realtime.parity(record.id, 1000)
  expect(sound).toMatchObject({ mismatched: 0, missing: 0, extra: 0, undetermined: 0 })
  expect(sound.sampled).toBeGreaterThanOrEqual(users.length)

  const then = created + 500
  expect(await rowsAsOf(sql, 'moment3', then)).not.toEqual(await rowsAsOf(sql, 'moment3', Date.now()))
  await putOnline(record.id, 'moment3', then, await rowsAsOf(sql, 'moment3', Date.now()))
  const { mismatched, examples } = await stack.realtime.parity(record.id, 1000)
  expect(mismatched).toBe(1)
  expect(examples).toMatchObject([{ value: 'moment3' }])
})

test('an answer is computed anew once it is older than ttlSeconds, as of then', async () => {
  const { record, target, sql } = await viewOf('old', 'BY_KEY', 1)
  const created = Date.now() - 7 * day + 1500
  await publish([['ageing', created]])
  const [first] = await stack.lookUp(target, ['ageing'])
  expect(first && sortedRows(first)).toEqual(await rowsAsOf(sql, 'ageing', first?.asOfMs ?? 0))
  await expect
    .poll(async () => (await stack.lookUp(target, ['ageing'])).flatMap(sortedRows), { timeout: 60_000 })
    .toEqual(['{"user_id":"ageing","n_7d":0}'])
  const [later] = await stack.lookUp(target, ['ageing'])
  expect(later && sortedRows(later)).toEqual(await rowsAsOf(sql, 'ageing', later?.asOfMs ?? 0))
  expect(await stack.realtime.parity(record.id, 100)).toMatchObject({ mismatched: 0, missing: 0, extra: 0 })
})

test('without a view nothing is stored, and who follows is told to make one', async () => {
  const { id: queryId } = await stack.save(`${windows} -- none`, 'none')
  const target = { queryId, etlPath: null, indexKey: 'user_id' }
  const before = stack.onlineCalls.count('write')
  for (let i = 0; i < 3; i++) {
    const [result] = await stack.lookUp(target, ['ageing'])
    expect(result).toMatchObject({ source: 'WAREHOUSE', status: 'FRESH' })
  }
  expect(stack.onlineCalls.count('write')).toBe(before)
  const { updates } = stack.realtime
  const following = updates(target, 'ageing', { writesCatalog: true })[Symbol.asyncIterator]()
  await expect(following.next()).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('createFeatureView'),
  })
})

test('a view says ttlSeconds, and goes on saying it', async () => {
  await expect(viewOf('no ttl', 'BY_KEY', null)).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('ttlSeconds'),
  })
  const { record } = await viewOf('with ttl', 'BY_KEY', 5)
  await expect(stack.realtime.updateFeatureView(record.id, { ttlSeconds: null })).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
  })
})
