// Lookups: targets, values, freshness, and how many round trips they cost.

import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { writer } from '../limits.ts'
import { openStack, type Stack, sortedRows } from './stack.ts'

const users = 'SELECT user_id, name, creation_date FROM feature_store.users'
const logged: string[] = []
let stack: Stack

beforeAll(async () => {
  stack = await openStack({
    limits: { maxIndexValues: 50 },
    log: pino({ level: 'warn' }, { write: (line) => logged.push(line) }),
  })
  await stack.append(
    'users',
    ['user_id', 'name', 'creation_date'],
    [
      ['a', 'Ann', 1.5],
      ['a', 'Anna', 2],
      ['b', null, null],
      [null, 'nobody', 3],
    ],
  )
})

afterAll(() => stack?.remove())

async function targetOf(sql: string, name: string, indexKey = 'user_id', etlPath: string | null = null) {
  const { id } = await stack.save(sql, name)
  return { queryId: id, etlPath, indexKey }
}

test('a value is computed at first and online from then on, with the same rows as training', async () => {
  const target = await targetOf(users, 'first use')
  const training = await stack.training(users, 'user_id')
  for (const source of ['WAREHOUSE', 'ONLINE']) {
    const [a, b, none] = await stack.lookUp(target, ['a', 'b', 'c'])
    expect(a).toMatchObject({ indexKey: 'user_id', indexValue: 'a', status: 'FRESH', source })
    expect(a && sortedRows(a)).toEqual(training.get('a'))
    expect(b && sortedRows(b)).toEqual(training.get('b'))
    expect(none).toMatchObject({ status: 'NOT_FOUND', source, rows: '[]' })
    expect(Math.abs(Date.now() - (a?.asOfMs ?? 0))).toBeLessThan(10_000)
  }
})

test('a null key finds no rows, not even by the word null', async () => {
  const target = await targetOf(users, 'null keys')
  const results = await stack.lookUp(target, ['null', 'NULL', ''])
  expect(results.map(({ status }) => status)).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'])
})

test('an unknown query is NOT_FOUND', async () => {
  const target = { queryId: 'qry_nowhere', etlPath: null, indexKey: 'user_id' }
  await expect(stack.load(target, ['a'])).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('an index key that the query lacks is BAD_USER_INPUT and lists the columns', async () => {
  const target = await targetOf(users, 'wrong key', 'nmae')
  await expect(stack.load(target, ['a'])).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('user_id, name, creation_date'),
  })
})

test('more values than the limit are TOO_LARGE', async () => {
  const target = await targetOf(users, 'too many')
  const values = Array.from({ length: 51 }, (_, i) => `v${i}`)
  await expect(stack.load(target, values)).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: expect.stringContaining('50'),
  })
})

test('a value that does not convert is its own error; the others are answered', async () => {
  const target = await targetOf(users, 'by date', 'creation_date')
  const results = await stack.load(target, ['2', 'yesterday', '1.50', ''])
  expect(results[0]).toMatchObject({ status: 'FRESH', indexValue: '2' })
  expect(results[1]).toMatchObject({
    status: 'FAILED',
    indexValue: 'yesterday',
    rows: '[]',
    error: { code: 'BAD_USER_INPUT', message: expect.stringContaining('"yesterday"') },
  })
  expect(results[2]).toMatchObject({
    status: 'FRESH',
    indexValue: '1.50',
    rows: expect.stringContaining('Ann'),
  })
  expect(results[3]).toMatchObject({ status: 'FAILED' })
})

test('all loads of a tick, whatever their views, cost one read of the online store and no catalog statement', async () => {
  const first = await targetOf(users, 'loads 1')
  const second = await targetOf(
    'SELECT user_id, count(*) AS n FROM feature_store.users GROUP BY 1',
    'loads 2',
  )
  await stack.lookUp(first, ['a', 'b'])
  await stack.lookUp(second, ['a', 'b'])
  const readsBefore = stack.onlineCalls.count('read')
  const catalogBefore = stack.viewCalls.count('find') + stack.queryCalls.count('byId')
  const loader = stack.realtime.createLoader(writer)
  const lists = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      loader.load(i % 2 === 0 ? first : second, i % 3 === 0 ? ['a'] : ['b', 'a']),
    ),
  )
  expect(lists.flat().every((result) => !(result instanceof AppError) && result.source === 'ONLINE')).toBe(
    true,
  )
  expect(stack.onlineCalls.count('read') - readsBefore).toBe(1)
  expect(stack.viewCalls.count('find') + stack.queryCalls.count('byId') - catalogBefore).toBe(0)
})

test('a load of a wrong target rejects alone', async () => {
  const target = await targetOf(users, 'loads 3')
  const loader = stack.realtime.createLoader(writer)
  const [right, wrong] = await Promise.allSettled([
    loader.load(target, ['a']),
    loader.load({ ...target, indexKey: 'nothing' }, ['a']),
  ])
  expect(right.status).toBe('fulfilled')
  expect(wrong).toMatchObject({ status: 'rejected', reason: { code: 'BAD_USER_INPUT' } })
})

test('a value that has to be computed keeps no load of the same turn waiting', async () => {
  const online = await targetOf(users, 'online already')
  const computed = await targetOf(users, 'computed slowly')
  await stack.lookUp(online, ['a'])
  const held = Promise.withResolvers<void>()
  stack.warehouseCalls.delays.set('lookup', held.promise)
  const loader = stack.realtime.createLoader(writer)
  const slow = loader.load(computed, ['a'])
  expect(await loader.load(online, ['a'])).toMatchObject([{ source: 'ONLINE' }])
  stack.warehouseCalls.delays.clear()
  held.resolve()
  expect(await slow).toMatchObject([{ source: 'WAREHOUSE' }])
})

test('the misses of a tick are one warehouse lookup for each view, and identical ones are computed once', async () => {
  const target = await targetOf(users, 'misses')
  await stack.lookUp(target, ['warm'])
  const before = stack.warehouseCalls.count('lookup')
  const results = await Promise.all(
    Array.from({ length: 30 }, (_, i) => stack.lookUp(target, ['a', 'b', `unknown ${i % 7}`])),
  )
  expect(stack.warehouseCalls.count('lookup') - before).toBe(1)
  for (const [a] of results) expect(a).toMatchObject({ source: 'WAREHOUSE', status: 'FRESH' })
})

test('older rows than ttlSeconds are served STALE and refreshed once in the background', async () => {
  const query = await stack.save(users, 'short lived')
  const view = await stack.realtime.createFeatureView({
    name: 'short lived',
    queryId: query.id,
    etlId: null,
    indexKeys: ['user_id'],
    ttlSeconds: 1,
    refresh: 'AUTO',
  })
  expect(view).toMatchObject({ refresh: 'BY_KEY', implicit: false })
  const target = { queryId: query.id, etlPath: null, indexKey: 'user_id' }
  const entry = { value: 'a', version: await stack.warehouse.version(), expiresInMs: null }
  const rows = Buffer.from('[{"user_id":"a","name":"old","creation_date":1}]')
  await stack.online.write(view.id, [{ ...entry, computedAtMs: Date.now() - 5000, rows }])

  const before = stack.warehouseCalls.count('lookup')
  const results = await Promise.all([1, 2, 3].map(() => stack.lookUp(target, ['a'])))
  for (const [result] of results) {
    expect(result).toMatchObject({ status: 'STALE', source: 'ONLINE', rows: rows.toString() })
  }
  await stack.realtime.idle()
  expect(stack.warehouseCalls.count('lookup') - before).toBe(1)
  const [after] = await stack.lookUp(target, ['a'])
  expect(after).toMatchObject({ status: 'FRESH', source: 'ONLINE', rows: expect.stringContaining('Anna') })
})

test('over an outage of the online store the warehouse answers, and the log says so once', async () => {
  const target = await targetOf(users, 'outage')
  await stack.lookUp(target, ['a'])
  stack.onlineCalls.failures.set('*', new AppError('ONLINE_STORE_UNAVAILABLE', 'the store is away'))
  try {
    const results = await Promise.all([1, 2, 3].map(() => stack.lookUp(target, ['a'])))
    for (const [result] of results) expect(result).toMatchObject({ source: 'WAREHOUSE', status: 'FRESH' })
    expect(logged.filter((line) => line.includes('The online store does not answer'))).toHaveLength(1)
  } finally {
    stack.onlineCalls.failures.clear()
  }
  await expect
    .poll(async () => (await stack.lookUp(target, ['a']))[0]?.source, { timeout: 5000 })
    .toBe('ONLINE')
})

test('a read-through that takes longer than the limit is a TIMEOUT', async () => {
  const slow = await openStack({ limits: { lookupTimeoutMs: 300 } })
  try {
    const { id } = await slow.save(
      'SELECT (a.range * b.range) % 1000 AS k, count(*) AS n FROM range(300000) a, range(300000) b GROUP BY 1',
      'slow',
    )
    const startedAtMs = Date.now()
    const [result] = await slow.load({ queryId: id, etlPath: null, indexKey: 'k' }, ['1'])
    expect(result).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('300 ms') })
    expect(Date.now() - startedAtMs).toBeLessThan(5000)
  } finally {
    await slow.remove()
  }
})
