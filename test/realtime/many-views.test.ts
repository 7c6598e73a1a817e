// A table that many by-key views read: what is written there is soon served by all, first by those that somebody looks up.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStack, type Stack } from './stack.ts'

const viewCount = 200
const withinMs = 10_000
const columns = ['user_id', 'creation_date']

let stack: Stack
const views: Awaited<ReturnType<Stack['view']>>[] = []

const sqlOf = (i: number) =>
  `SELECT user_id, count(*) + ${i} AS n, max(creation_date) AS latest FROM feature_store.quotes WHERE creation_date < ${1000 + i} GROUP BY user_id`

beforeAll(async () => {
  stack = await openStack()
  for (let i = 0; i < viewCount; i++)
    views.push(await stack.view(`of-many-${i}`, sqlOf(i), 'user_id', 'BY_KEY'))
  await stack.realtime.idle()
}, 300_000)

afterAll(() => stack.remove())

/** Whether each view serves, from the online store, what the table holds of the users. */
async function expectServed(users: readonly string[], creationDate: number) {
  for (const [i, { target }] of views.entries()) {
    const results = await stack.lookUp(target, users)
    const rows = results.map(({ source, status, rows }) => [source, status, JSON.parse(String(rows))])
    const row = (user_id: string) => [{ user_id, n: 1 + i, latest: creationDate }]
    expect(rows, `view ${i}`).toEqual(users.map((user) => ['ONLINE', 'FRESH', row(user)]))
  }
}

/** The views in the order in which they are served anew, once all are. */
async function orderOf(ids: readonly string[], work: () => Promise<void>): Promise<string[]> {
  const order: string[] = []
  const served = Promise.withResolvers<void>()
  const endings = ids.map((id) =>
    stack.events.listen('online', id, () => {
      if (!order.includes(id)) order.push(id)
      if (order.length === ids.length) served.resolve()
    }),
  )
  await work()
  await served.promise
  for (const end of endings) end()
  return order
}

/** First of all: the others look all of them up. */
test('By key, the views that were looked up are served before all others', async () => {
  const looked = views.filter((_, i) => [50, 150, 199].includes(i))
  for (const { target } of looked) await stack.lookUp(target, ['nobody'])
  const ids = views.map(({ record }) => record.id)
  const order = await orderOf(ids, () => stack.publish('quotes', columns, [['somebody', 1]]))
  expect(order.slice(0, 25)).toEqual(expect.arrayContaining(looked.map(({ record }) => record.id)))
})

test('Ten rows are served by every view, computed together', async () => {
  const users = Array.from({ length: 10 }, (_, i) => `user${i}`)
  // What checks parity looks up too.
  await stack.realtime.idle()
  const [lookups, begun] = [stack.warehouseCalls.count('lookup'), performance.now()]
  await stack.publish(
    'quotes',
    columns,
    users.map((user) => [user, 7]),
  )
  expect(performance.now() - begun).toBeLessThan(withinMs)
  expect(stack.warehouseCalls.count('lookup')).toBe(lookups)
  await expectServed(users, 7)
})

test('A view whose statement fails is left behind, and holds up none of the others', async () => {
  const failing = await stack.view(
    'of-many-failing',
    'SELECT user_id, CAST(quote_type AS INTEGER) AS n FROM feature_store.quotes',
    'user_id',
    'BY_KEY',
  )
  await stack.realtime.idle()
  await stack.publish('quotes', [...columns, 'quote_type'], [['broken', 8, 'no number']])
  await expectServed(['broken'], 8)
  expect(await stack.load(failing.target, ['broken'])).toMatchObject([{ code: 'INVALID_SQL' }])
})

/** Views over policies, none of which was looked up but the last. */
async function ofPolicies(name: string, refresh: 'BY_KEY' | 'FULL', more: Parameters<Stack['view']>[4] = {}) {
  const columnOf = (i: number) =>
    refresh === 'FULL' ? `rank() OVER (ORDER BY purchase_time) + ${i}` : `purchase_time + ${i}`
  const made: Awaited<ReturnType<Stack['view']>>[] = []
  for (let i = 0; i < 12; i++) {
    const sql = `SELECT user_id, ${columnOf(i)} AS place, TIMESTAMP '2020-01-01' + to_seconds(CAST(purchase_time AS BIGINT)) AS written FROM feature_store.policies`
    made.push(await stack.view(`${name}-${i}`, sql, 'user_id', refresh, more))
  }
  await stack.realtime.idle()
  const last = made.at(-1)
  if (last === undefined) throw new Error('there are views')
  await stack.lookUp(last.target, ['nobody'])
  return { ids: made.map(({ record }) => record.id), lastId: last.record.id }
}

test('In full, a view that was looked up waits for one refresh that runs, not for all that came before it', async () => {
  const { ids, lastId } = await ofPolicies('ranked', 'FULL')
  const order = await orderOf(ids, async () => {
    await Promise.all(ids.map((id) => stack.realtime.refreshInFull(id)))
  })
  expect(order.indexOf(lastId)).toBeLessThanOrEqual(2)
})

test('After a notice that tells no keys, the view that was looked up is the first', async () => {
  const { ids, lastId } = await ofPolicies('told', 'FULL')
  const tables = ['feature_store.policies']
  const [behind, refreshed] = [new Set<string>(), new Set<string>()]
  const endings = ids.map((id) =>
    stack.events.listen('online', id, () => void (behind.has(id) ? refreshed : behind).add(id)),
  )
  await stack.realtime.tableChanged({ tables, keys: null })
  await stack.realtime.idle()
  for (const end of endings) end()
  expect(refreshed.size).toBe(ids.length)
  expect([...behind].indexOf(lastId)).toBe(0)
  expect([...refreshed].indexOf(lastId)).toBeLessThanOrEqual(2)
})

test('After a notice that tells since when, the view that was looked up is the first', async () => {
  await stack.publish('policies', ['user_id', 'purchase_time'], [['told since', 1_900_000_000]])
  const { ids, lastId } = await ofPolicies('since', 'BY_KEY', { createdColumn: 'written' })
  // From here on each says until when it has seen what was written.
  for (const id of ids) await stack.realtime.refreshNow(id, { waitMs: 60_000 })
  const since = new Date('2020-01-01')
  const order = await orderOf(ids, async () => {
    await stack.realtime.tableChanged({ tables: ['feature_store.policies'], keys: null, since })
  })
  expect(order.indexOf(lastId)).toBeLessThanOrEqual(2)
})

test('Of schedules that are due at once, that of the view that somebody has begun to look up is the first', async () => {
  const { ids, lastId } = await ofPolicies('scheduled', 'FULL', { refreshEvery: '5s' })
  const order = await orderOf(ids, async () => {
    // By then all are due; none is handed out before.
    await sleep(6000)
    await stack.realtime.start()
  })
  expect(order.indexOf(lastId)).toBeLessThanOrEqual(2)
})
