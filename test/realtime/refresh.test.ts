// Views following the warehouse: by key, in full, by hand; and what races may not break.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { toByteText, toText } from '../../src/values/byte-text.ts'
import { openStack, type Stack } from './stack.ts'

const byUser =
  'SELECT user_id, count(*) AS n, sum(creation_date) AS total FROM feature_store.users GROUP BY user_id'
const shareOfAll =
  'SELECT user_id, count(*) AS n, (SELECT count(*) FROM feature_store.users) AS everyone FROM feature_store.users GROUP BY user_id'
const byQuote =
  'SELECT q.quote_id, u.name FROM feature_store.quotes q JOIN feature_store.users u USING (user_id)'

let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})

afterAll(() => stack?.remove())

const columns = ['user_id', 'name', 'creation_date']

test('the policy is BY_KEY where every table has the key, else FULL with a note that names the table', async () => {
  const { record: sound } = await stack.view('policy 1', byUser, 'user_id')
  expect(sound).toMatchObject({ refresh: 'BY_KEY', refreshNote: null, tables: ['feature_store.users'] })
  const { record: unsound } = await stack.view('policy 2', byQuote, 'quote_id')
  expect(unsound).toMatchObject({
    refresh: 'FULL',
    refreshNote: expect.stringContaining('feature_store.users'),
  })
})

test('asking for BY_KEY where it is unsound is BAD_USER_INPUT naming the table', async () => {
  await expect(stack.view('policy 3', byQuote, 'quote_id', 'BY_KEY')).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('feature_store.users has no column quote_id'),
  })
  await expect(
    stack.view(
      'policy 4',
      'SELECT length(user_id) AS user_id, name FROM feature_store.users',
      'user_id',
      'BY_KEY',
    ),
  ).rejects.toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringContaining('STRING') })
})

test('a column that bears the key’s name but holds something else is not refreshed by key', async () => {
  const renamed = 'SELECT quote_id AS user_id, is_paid FROM feature_store.quotes'
  await stack.publish('quotes', ['quote_id', 'user_id'], [['renamed 1', 'somebody']])
  await expect(stack.view('renamed', renamed, 'user_id', 'BY_KEY')).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
  })
  const { record } = await stack.view('renamed', renamed, 'user_id')
  expect(record).toMatchObject({
    refresh: 'FULL',
    refreshNote: expect.stringContaining('its user_id is not'),
  })

  const empty =
    'SELECT transaction_id AS user_id, successful FROM feature_store.transactions; -- nothing there yet'
  const early = await stack.view('renamed early', empty, 'user_id')
  expect(early.record).toMatchObject({ refresh: 'FULL' })
  expect(await stack.lookUp(early.target, ['t1'])).toMatchObject([{ status: 'NOT_FOUND' }])
  await stack.publish('transactions', ['transaction_id', 'user_id'], [['t1', 'somebody']])
  await stack.realtime.idle()
  expect(await stack.catalog.featureViews.byId(early.record.id)).toMatchObject({ refresh: 'FULL' })
  expect(await stack.lookUp(early.target, ['t1'])).toMatchObject([{ status: 'FRESH', source: 'ONLINE' }])
})

test('a name that is taken, and a second view of one target, are CONFLICTs; ttlSeconds begins at 1', async () => {
  const { record, target } = await stack.view('taken', byUser, 'user_id')
  await expect(stack.view('taken', shareOfAll, 'user_id')).rejects.toMatchObject({ code: 'CONFLICT' })
  const { queryId } = target
  const indexKeys = ['user_id']
  const again = { queryId, etlId: null, indexKeys, ttlSeconds: null, refresh: 'AUTO' } as const
  await expect(stack.realtime.createFeatureView({ ...again, name: 'other' })).rejects.toMatchObject({
    code: 'CONFLICT',
    details: { featureViewId: record.id },
  })
  await expect(
    stack.realtime.createFeatureView({ ...again, name: 'ttl', ttlSeconds: 0 }),
  ).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
})

test('a view made on first use is implicit, made once however many ask, and gives way to a named one', async () => {
  const { id: queryId } = await stack.save(byUser, 'implicit')
  const target = { queryId, etlPath: null, indexKey: 'user_id' }
  await Promise.all(Array.from({ length: 10 }, () => stack.lookUp(target, ['x'])))
  const ofQuery = async () =>
    (await stack.catalog.featureViews.all()).filter((one) => one.queryId === queryId)
  expect(await ofQuery()).toMatchObject([{ implicit: true, refresh: 'BY_KEY' }])
  await stack.realtime.createFeatureView({
    name: 'named',
    queryId,
    etlId: null,
    indexKeys: ['user_id'],
    ttlSeconds: 9,
    refresh: 'AUTO',
  })
  expect(await ofQuery()).toMatchObject([{ implicit: false, name: 'named', ttlSeconds: 9 }])
  expect(await stack.lookUp(target, ['x'])).toMatchObject([{ status: 'NOT_FOUND' }])
})

test('after a publish resolves, a by-key view serves the new rows online', async () => {
  const { target } = await stack.view('by key', byUser, 'user_id')
  // Filling it takes away what is not among its rows.
  await stack.realtime.idle()
  await stack.lookUp(target, ['k1', 'k2'])
  await stack.publish('users', columns, [
    ['k1', 'one', 1],
    ['k1', 'two', 2],
    [null, 'nobody', 3],
  ])
  const [k1, k2] = await stack.expectTraining(target, byUser, ['k1', 'k2'])
  expect(k1).toMatchObject({ source: 'ONLINE', status: 'FRESH' })
  expect(k2).toMatchObject({ source: 'ONLINE', status: 'NOT_FOUND' })
})

test('a full view reads through from a publish on, and is online again once it is refreshed', async () => {
  const { record, target } = await stack.view('in full', byQuote, 'quote_id')
  await stack.publish(
    'quotes',
    ['quote_id', 'user_id'],
    [
      ['q1', 'k1'],
      ['q2', 'k2'],
    ],
  )
  const [behind] = await stack.expectTraining(target, byQuote, ['q1', 'q2'])
  expect(behind).toMatchObject({ status: 'FRESH' })
  await stack.realtime.idle()
  const before = stack.warehouseCalls.count('lookup')
  const results = await stack.expectTraining(target, byQuote)
  expect(results.every(({ source }) => source === 'ONLINE')).toBe(true)
  expect(stack.warehouseCalls.count('lookup')).toBe(before)
  const refreshed = await stack.catalog.featureViews.byId(record.id)
  expect(refreshed.refreshedVersion).toBe(await stack.warehouse.version())
})

test('a refresh in full takes away the values that the query no longer gives', async () => {
  const lonely = `SELECT user_id FROM feature_store.users u WHERE user_id LIKE 'lone%' AND NOT EXISTS (SELECT 1 FROM feature_store.quotes q WHERE q.user_id = u.user_id)`
  const { record, target } = await stack.view('lonely', lonely, 'user_id', 'FULL')
  await stack.publish('users', columns, [
    ['lone1', 'x', 1],
    ['lone2', 'x', 1],
  ])
  await stack.realtime.idle()
  expect(await stack.lookUp(target, ['lone1'])).toMatchObject([{ status: 'FRESH', source: 'ONLINE' }])
  await stack.publish('quotes', ['quote_id', 'user_id'], [['q9', 'lone1']])
  await stack.realtime.idle()
  // Parity, which looks at what was touched, may have left that it has none.
  const [read] = await stack.online.read([{ view: record.id, values: ['lone1', 'lone2'] }])
  expect(read?.entries.map((entry) => toText(entry?.rows ?? toByteText('[]')))).toEqual([
    '[]',
    '[{"user_id":"lone2"}]',
  ])
  expect(await stack.lookUp(target, ['lone1'])).toMatchObject([{ status: 'NOT_FOUND' }])
})

test('a manual view changes only when it is asked to', async () => {
  const { record, target } = await stack.view('by hand', byUser, 'user_id', 'MANUAL')
  await stack.publish('users', columns, [['m1', 'x', 1]])
  const [first] = await stack.lookUp(target, ['m1'])
  await stack.publish('users', columns, [['m1', 'y', 1]])
  expect((await stack.lookUp(target, ['m1']))[0]?.rows).toBe(first?.rows)
  const { rows } = await stack.realtime.refreshInFull(record.id)
  expect(rows).toBeGreaterThan(0)
  await stack.expectTraining(target, byUser)
})

test('a refresh by key that fails is not lost: its view reads through', async () => {
  const { target } = await stack.view('failing', byUser, 'user_id')
  // Being filled, it would bring the rows online after all.
  await stack.realtime.idle()
  await stack.publish('users', columns, [['f1', 'x', 1]])
  await stack.lookUp(target, ['f1'])
  for (const method of ['lookup', 'lookupMany'])
    stack.warehouseCalls.failures.set(method, new AppError('WAREHOUSE_FAILED', 'the engine is away'))
  try {
    await stack.publish('users', columns, [['f1', 'y', 1]])
  } finally {
    stack.warehouseCalls.failures.clear()
  }
  const [result] = await stack.expectTraining(target, byUser, ['f1'])
  expect(result).toMatchObject({ source: 'WAREHOUSE', rows: expect.stringContaining('"n":2') })
})

test('a change that is told again, as after a kill, is harmless', async () => {
  const { target } = await stack.view('again', byUser, 'user_id')
  const change = await stack.append('users', columns, [['r1', 'x', 1]])
  await stack.realtime.onAppended(change)
  await stack.realtime.onAppended(change)
  await stack.expectTraining(target, byUser, ['r1'])
})

test('a slow computation of an older snapshot never replaces or hides a newer one', async () => {
  for (const policy of ['BY_KEY', 'FULL'] as const) {
    const { target } = await stack.view(`overtaken ${policy}`, byUser, 'user_id', policy)
    await stack.realtime.idle()
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    const key = `overtaken ${policy}`
    // The read-through has its rows, of the snapshot before the publish, and is held up on its way.
    stack.warehouseCalls.delays.set('lookup', held)
    const before = stack.warehouseCalls.count('lookup')
    const slow = stack.lookUp(target, [key])
    await expect.poll(() => stack.warehouseCalls.count('lookup')).toBeGreaterThan(before)
    stack.warehouseCalls.delays.clear()
    await stack.publish('users', columns, [[key, 'new', 1]])
    const meanwhile = stack.lookUp(target, [key])
    release()
    await slow
    expect(JSON.parse((await meanwhile)[0]?.rows ?? '')).toHaveLength(1)
    await stack.expectTraining(target, byUser, [key])
    await stack.realtime.idle()
    await stack.expectTraining(target, byUser, [key])
  }
})

test('a view whose rows depend on other keys is never refreshed by key: a lookup sees a publish of another key at once', async () => {
  await expect(stack.view('unsound', shareOfAll, 'user_id', 'BY_KEY')).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('may depend on rows of others'),
  })
  const { record, target } = await stack.view('unsound', shareOfAll, 'user_id')
  expect(record).toMatchObject({
    refresh: 'FULL',
    refreshNote: expect.stringContaining('aggregates over all'),
  })
  await stack.publish('users', columns, [['share 1', 'x', 1]])
  await stack.realtime.idle()
  await stack.expectTraining(target, shareOfAll)
  await stack.publish('users', columns, [['share 2', 'x', 1]])
  await stack.expectTraining(target, shareOfAll)
})

test('a query that changes from run to run is not served, and says why; MANUAL takes it as it is', async () => {
  const sampled = 'SELECT user_id, random() AS r FROM feature_store.users'
  const refused = {
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('random() gives another result'),
  }
  const { id: queryId } = await stack.save(sampled, 'changing')
  const target = { queryId, etlPath: null, indexKey: 'user_id' }
  await expect(stack.lookUp(target, ['u1'])).rejects.toMatchObject(refused)
  await expect(stack.view('changing', sampled, 'user_id')).rejects.toMatchObject(refused)
  const { record } = await stack.view('changing', sampled, 'user_id', 'MANUAL')
  expect(record.refresh).toBe('MANUAL')
  await stack.lookUp(target, ['u1'])
})

test('a by-key view of a catalog from before the proofs is caught after a publish, mended and turned to FULL', async () => {
  const sql = `${shareOfAll} -- of old`
  const { record, target } = await stack.view('of old', sql, 'user_id')
  await stack.realtime.idle()
  await stack.catalog.featureViews.update(record.id, { refresh: 'BY_KEY', refreshNote: null })
  await stack.expectTraining(target, sql)
  await stack.publish('users', columns, [['u1', 'x', 1]])
  await stack.realtime.idle()
  expect(await stack.catalog.featureViews.byId(record.id)).toMatchObject({
    refresh: 'FULL',
    refreshNote: expect.stringContaining('user_id'),
  })
  await stack.expectTraining(target, sql)
  await stack.publish('users', columns, [['u2', 'x', 1]])
  await stack.expectTraining(target, sql)
})

test('a view that is wrongly refreshed by key is caught while rows come in without a pause', async () => {
  const sql = `${shareOfAll} -- under load`
  const { record } = await stack.view('under load', sql, 'user_id')
  await stack.realtime.idle()
  await stack.catalog.featureViews.update(record.id, { refresh: 'BY_KEY', refreshNote: null })
  let isCaught = false
  for (let i = 0; i < 300 && !isCaught; i++) {
    await stack.publish('users', columns, [[`load ${i % 7}`, 'x', i]])
    await sleep(100)
    isCaught = (await stack.catalog.featureViews.byId(record.id)).refresh === 'FULL'
  }
  expect(isCaught).toBe(true)
  await stack.realtime.idle()
})

test('one wrong value among many, which no sample need find, is found where a view is compared whole', async () => {
  const other = await openStack({ wholeParityEveryMs: 200 })
  try {
    const { record } = await other.view('whole', byUser, 'user_id')
    // Being filled, it would put the wrong value right.
    await other.realtime.idle()
    const users = Array.from({ length: 3000 }, (_, i) => [`whole ${i}`, 'x', 1])
    await other.publish('users', columns, users)
    await other.online.write(record.id, [
      {
        value: 'whole 1234',
        rows: '[{"user_id":"whole 1234","n":7,"total":1}]',
        version: await other.warehouse.version(),
        computedAtMs: Date.now(),
        expiresInMs: null,
      },
    ])
    await expect
      .poll(async () => (await other.catalog.featureViews.byId(record.id)).refresh, { timeout: 60_000 })
      .toBe('FULL')
  } finally {
    await other.remove()
  }
})

test('a full refresh that a kill interrupted is taken up at the next start', async () => {
  const first = await openStack()
  const { id: queryId } = await first.save(byUser)
  const { id } = await first.realtime.createFeatureView({
    name: 'restarted',
    queryId,
    etlId: null,
    indexKeys: ['user_id'],
    ttlSeconds: null,
    refresh: 'FULL',
  })
  await first.realtime.idle()
  const { version } = await first.append('users', columns, [['s1', 'x', 1]])
  await first.online.raiseWatermark(id, version)
  await first.close()

  const second = await openStack({ folder: first.folder })
  try {
    await second.realtime.start()
    await second.realtime.idle()
    expect((await second.catalog.featureViews.byId(id)).refreshedVersion).toBe(version)
    const target = { queryId, etlPath: null, indexKey: 'user_id' }
    expect(await second.lookUp(target, ['s1'])).toMatchObject([{ status: 'FRESH', source: 'ONLINE' }])
  } finally {
    await second.remove()
  }
})
