// Feature views that lookups make: for whom, how many, and for how long.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createEvents } from '../../src/events.ts'
import { createRealtime } from '../../src/realtime/service.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { absentMaxBytes, checkTimeoutMs, viewsOnFirstUse, writer } from '../limits.ts'
import { openStack, type Stack, sortedRows } from './stack.ts'

const reader = { writesCatalog: false }
const minuteMs = 60_000
const sql = 'SELECT user_id, name FROM feature_store.users'

let stack: Stack
let saved = 0

beforeAll(async () => {
  stack = await openStack({ firstUse: { most: 5 } })
})
afterAll(() => stack.remove())

beforeEach(async () => {
  await stack.realtime.idle()
  for (const { id } of await stack.catalog.featureViews.all()) await stack.realtime.deleteFeatureView(id)
  await stack.realtime.idle()
})

async function newTarget(etlPath: string | null = null) {
  const { id } = await stack.save(`${sql} -- ${++saved}`, `q${saved}`)
  return { queryId: id, etlPath, indexKey: 'user_id' }
}

const views = () => stack.catalog.featureViews.all()

/** As if nobody had asked for any view for so long. */
async function letPass(ms: number) {
  const at = new Date(Date.now() - ms)
  await stack.catalog.prisma.featureView.updateMany({ data: { createdAt: at } })
  await stack.catalog.prisma.featureView.updateMany({
    where: { lastUsedAt: { not: null } },
    data: { lastUsedAt: at },
  })
}

test('a caller that may not write the catalog uses a view, and has none made', async () => {
  const target = await newTarget()
  const { load } = stack.realtime.createLoader(reader)
  await expect(load(target, ['a'])).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringContaining('createFeatureView'),
    details: { needs: ['catalog:write'] },
  })
  const updates = stack.realtime.updates(target, 'a', reader)[Symbol.asyncIterator]()
  await expect(updates.next()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(await views()).toEqual([])
  await expect(load({ ...target, queryId: 'qry_0' }, ['a'])).rejects.toMatchObject({ code: 'NOT_FOUND' })
  // Asked for at once, by one who may and one who may not: the view is there for both, or the one is refused.
  const [made] = await Promise.allSettled([stack.load(target, ['a']), load(target, ['a'])])
  expect(made.status).toBe('fulfilled')
  expect(await load(target, ['a'])).toMatchObject([{ status: 'NOT_FOUND' }])
})

test('nor is an ETL loaded for it', async () => {
  const path = await stack.writeEtl(
    'first-use.js',
    'export function transform(row) { return { n: row.name } }',
  )
  const target = await newTarget(path)
  const { load } = stack.realtime.createLoader(reader)
  await expect(load(target, ['a'])).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(await stack.catalog.etls.newestByPath(path)).toBeNull()
  await stack.load(target, ['a'])
  expect(await load(target, ['a'])).toMatchObject([{ status: 'NOT_FOUND' }])
})

test('where it is set, every caller has views made', async () => {
  const open = createRealtime({
    ...stack,
    metrics: createMetrics(),
    limits: { lookupTimeoutMs: 10_000, maxIndexValues: 10, absentMaxBytes, checkTimeoutMs },
    viewsOnFirstUse: { ...viewsOnFirstUse, byAnyone: true },
    wholeParityEveryMs: null,
  })
  const target = await newTarget()
  expect(await open.createLoader(reader).load(target, ['a'])).toMatchObject([{ status: 'NOT_FOUND' }])
  await open.close()
})

test('there are no more than so many; those that are asked for by name are not counted', async () => {
  const targets = await Promise.all(Array.from({ length: 6 }, () => newTarget()))
  for (const target of targets.slice(0, 5)) await stack.load(target, ['a'])
  const [, , , , , last] = targets
  if (last === undefined) throw new Error('there is a sixth')
  await expect(stack.load(last, ['a'])).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: expect.stringContaining('VIEWS_ON_FIRST_USE_MAX'),
  })
  await stack.realtime.createFeatureView({
    name: 'by name',
    queryId: last.queryId,
    etlId: null,
    indexKeys: ['user_id'],
    ttlSeconds: null,
    refresh: 'AUTO',
  })
  expect(await stack.load(last, ['a'])).toMatchObject([{ status: 'NOT_FOUND' }])
})

test('use is noted some minutes apart, however many lookups there are', async () => {
  const target = await newTarget()
  const before = stack.viewCalls.count('noteUse')
  for (let i = 0; i < 50; i++) await stack.load(target, [`${i}`])
  await stack.realtime.idle()
  expect(stack.viewCalls.count('noteUse')).toBe(before + 1)
  expect((await views())[0]?.lastUsedAt?.getTime()).toBeGreaterThan(Date.now() - minuteMs)
})

test('one that nobody has asked for in a week goes, with its rows; one that is used, and one with a name, stay', async () => {
  const [unused, used] = [await newTarget(), await newTarget()]
  const { record } = await stack.view('named', `${sql} -- named ${saved}`, 'user_id')
  await stack.load(unused, ['a'])
  await letPass(8 * 24 * 60 * minuteMs)
  await stack.load(used, ['a'])
  await stack.realtime.idle()
  const going = (await views()).find(({ queryId }) => queryId === unused.queryId)
  const other = createRealtime({
    ...stack,
    metrics: createMetrics(),
    limits: { lookupTimeoutMs: 10_000, maxIndexValues: 10, absentMaxBytes, checkTimeoutMs },
    viewsOnFirstUse,
    wholeParityEveryMs: null,
  })
  await other.start()
  await expect
    .poll(async () => (await views()).map(({ queryId }) => queryId).sort())
    .toEqual([used.queryId, record.queryId].sort())
  await other.idle()
  const [left] = await stack.online.read([{ view: String(going?.id), values: ['a'] }])
  expect(left?.entries).toEqual([null])
  await other.close()
})

test('one that nobody asks for is not computed by publishes, and serves what they wrote to who asks again', async () => {
  const [idle, asked] = [await newTarget(), await newTarget()]
  const columns = ['user_id', 'name', 'creation_date']
  await stack.publish('users', columns, [['a', 'one', 1]])
  for (const target of [idle, asked]) await stack.load(target, ['a'])
  await stack.realtime.idle()
  await letPass(45 * minuteMs)
  await stack.catalog.prisma.featureView.updateMany({
    where: { queryId: asked.queryId },
    data: { lastUsedAt: new Date() },
  })
  const before = stack.warehouseCalls.count('lookup')
  await stack.publish('users', columns, [['a', 'two', 2]])
  expect(stack.warehouseCalls.count('lookup')).toBe(before + 1)
  const [again] = await stack.lookUp(idle, ['a'])
  expect(again && sortedRows(again)).toEqual(['{"user_id":"a","name":"one"}', '{"user_id":"a","name":"two"}'])
  expect(again?.source).toBe('WAREHOUSE')
  expect((await stack.lookUp(asked, ['a']))[0]?.source).toBe('ONLINE')
})

test('a publish asks the catalog for all views only once one has changed, and knows those of other gateways at once', async () => {
  const target = await newTarget()
  const columns = ['user_id', 'name', 'creation_date']
  await stack.load(target, ['b'])
  await stack.realtime.idle()
  await stack.publish('users', columns, [['b', 'one', 1]])
  const before = stack.viewCalls.count('all')
  for (let i = 0; i < 5; i++) await stack.publish('users', columns, [['c', `${i}`, 1]])
  expect(stack.viewCalls.count('all')).toBe(before)
  // Another gateway, whose events are lost.
  const other = createRealtime({
    ...stack,
    metrics: createMetrics(),
    events: createEvents(),
    limits: { lookupTimeoutMs: 10_000, maxIndexValues: 10, absentMaxBytes, checkTimeoutMs },
    viewsOnFirstUse,
    wholeParityEveryMs: null,
  })
  const theirs = await newTarget()
  await other.createLoader(writer).load(theirs, ['b'])
  await stack.publish('users', columns, [['b', 'two', 2]])
  const [found] = await other.createLoader(writer).load(theirs, ['b'])
  expect(found).toMatchObject({ source: 'ONLINE', rows: expect.stringContaining('two') })
  await other.close()
})
