// Views of tables that others write: what keeps them in step is told, and once a change is known no answer is told as fresh that does not show it.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWithPostgres } from './gateway.ts'

let place: Awaited<ReturnType<typeof startWithPostgres>>

beforeAll(async () => {
  place = await startWithPostgres(`
    CREATE TABLE sales.orders (user_id text, total int);
    INSERT INTO sales.orders SELECT 'u' || n, 1 FROM generate_series(1, 50) n;
    CREATE TABLE sales.quiet (user_id text, total int);
    CREATE VIEW sales.latest AS SELECT user_id, total FROM sales.orders;`)
})

afterAll(() => place?.close())

const byKey = (name: string) => `SELECT user_id, total, '${name}' AS "view" FROM sales.orders`
const inFull = (name: string) =>
  `SELECT user_id, total, '${name}' AS "view", rank() OVER (ORDER BY total) AS place FROM sales.orders`
const notice = (args: string) =>
  place.gateway.client.data<{ tableChanged: { name: string }[] }>(
    `mutation { tableChanged(${args}) { name } }`,
  )

test('a view that nothing keeps in step says so by itself, in the log and to the doctor, and its answers grow stale', async () => {
  const { gateway } = place
  const { view, queryId } = await gateway.createView(
    'kept by nothing',
    'SELECT user_id, total FROM sales.quiet',
    'indexKey: "user_id"',
  )
  expect(view).toMatchObject({
    ttlSeconds: 300,
    freshness: { keptBy: ['NOTHING'], behindSeconds: 300, note: expect.stringContaining('sales.quiet') },
  })
  expect(gateway.lines.join('')).toContain('Nothing tells when sales.quiet changes')
  const { featureViews, tableNotices } = gateway.services.catalog
  expect(await featureViews.byId(view.id)).toMatchObject({ ttlSeconds: 300 })
  expect(await tableNotices.all()).toEqual(new Map())

  // One that a lookup makes follows the same rule.
  await gateway.client.data(`mutation { deleteFeatureView(id: "${view.id}") }`)
  await gateway.lookUp(queryId, 'user_id', ['u1'])
  const [made] = await featureViews.all()
  expect(made).toMatchObject({ implicit: true, ttlSeconds: 300 })
})

test('a view of the gateway’s own tables is kept by it, and never behind', async () => {
  const { gateway } = place
  await gateway.client.data(
    'mutation { createTable(name: "own", columns: [{ name: "user_id", type: STRING }]) { name } }',
  )
  const { view } = await gateway.createView(
    'own',
    'SELECT user_id FROM feature_store.own',
    'indexKey: "user_id"',
  )
  expect(view).toMatchObject({
    ttlSeconds: null,
    freshness: { keptBy: ['GATEWAY'], behindSeconds: 0, note: null },
  })
})

test.each([
  ['BY_KEY', byKey],
  ['FULL', inFull],
  ['MANUAL', inFull],
])(
  'from a notice on no answer of a view refreshed %s is fresh that does not show the change',
  async (refresh, sqlOf) => {
    const { gateway, write } = place
    const name = `told ${refresh}`
    const { queryId, view } = await gateway.createView(
      name,
      sqlOf(name),
      `indexKey: "user_id", refresh: ${refresh}`,
    )
    await gateway.idle()
    const values = Array.from({ length: 50 }, (_, i) => `u${i + 1}`)
    await gateway.lookUp(queryId, 'user_id', values)
    for (const total of [10, 20, 30]) {
      await write(`UPDATE sales.orders SET total = ${total}`)
      const { tableChanged } = await notice('table: "sales.orders"')
      expect(tableChanged.some((told) => told.name === name)).toBe(refresh !== 'MANUAL')
      const results = await gateway.lookUp(queryId, 'user_id', values)
      const wrong = results.filter(({ status, rows }) => status === 'FRESH' && rows[0]?.total !== total)
      expect(wrong).toEqual([])
      expect(results.some(({ status }) => status === 'STALE')).toBe(refresh === 'MANUAL')
    }
    await gateway.idle()
    if (refresh === 'MANUAL')
      await gateway.client.data(`mutation { refreshFeatureView(id: "${view.id}") { refreshedAt } }`)
    // Materialized, it is served from online again.
    const results = await gateway.lookUp(queryId, 'user_id', values)
    expect(results.map(({ status, source, rows }) => [status, source, rows[0]?.total])).toEqual(
      values.map(() => ['FRESH', 'ONLINE', 30]),
    )
    expect((await gateway.view(view.id)).freshness.keptBy).toEqual([
      refresh === 'MANUAL' ? 'NOTHING' : 'NOTICE',
    ])
  },
)

test('a notice that tells the keys has those alone computed, before it is answered', async () => {
  const { gateway, write } = place
  const { queryId } = await gateway.createView('by keys', byKey('by keys'), 'indexKey: "user_id"')
  await gateway.idle()
  await write(
    "UPDATE sales.orders SET total = 77 WHERE user_id IN ('u1', 'u2'); DELETE FROM sales.orders WHERE user_id = 'u3'",
  )
  const { status, body } = await gateway.client.rest('POST', '/tables/sales.orders/changed', {
    keys: [{ user_id: 'u1' }, { USER_ID: 'u2' }, { user_id: 'u3' }],
  })
  expect(status).toBe(200)
  expect(body.views).toContainEqual(expect.objectContaining({ name: 'by keys', refresh: 'BY_KEY' }))
  const results = await gateway.lookUp(queryId, 'user_id', ['u1', 'u2', 'u3', 'u4'])
  expect(results.map(({ status: each, source, rows }) => [each, source, rows[0]?.total])).toEqual([
    ['FRESH', 'ONLINE', 77],
    ['FRESH', 'ONLINE', 77],
    ['NOT_FOUND', 'ONLINE', undefined],
    ['FRESH', 'ONLINE', 30],
  ])
})

test('a notice of a database view is one of the tables behind it; without a body any row may have changed', async () => {
  const { gateway, write } = place
  const { queryId } = await gateway.createView('behind', byKey('behind'), 'indexKey: "user_id"')
  await gateway.idle()
  await write('UPDATE sales.orders SET total = 99')
  const { status, body } = await gateway.client.rest('POST', '/tables/sales.latest/changed')
  expect(status, JSON.stringify(body)).toBe(200)
  expect(body.views).toContainEqual(expect.objectContaining({ name: 'behind' }))
  const [result] = await gateway.lookUp(queryId, 'user_id', ['u1'])
  expect(result?.rows[0]?.total).toBe(99)
  const { table } = await gateway.client.data<{ table: { changedAt: string | null } }>(
    '{ table(name: "sales.orders") { changedAt } }',
  )
  expect(table.changedAt).not.toBeNull()
})

test.each([
  ['table: "sales.nothing"', 'NOT_FOUND', /sales\.orders/],
  ['table: "sales.orders", keys: "u1"', 'BAD_USER_INPUT', /list of at most/],
  ['table: "sales.orders", keys: [{ user_id: ["u1"] }]', 'BAD_USER_INPUT', /value of user_id/],
])('a notice of %s is refused', async (args, code, message) => {
  const { errors } = await place.gateway.client.graphql(`mutation { tableChanged(${args}) { name } }`)
  expect(errors?.[0]?.extensions.code).toBe(code)
  expect(errors?.[0]?.message).toMatch(message)
})

test('a refresh that is asked for takes away what is gone, and one of no view is NOT_FOUND', async () => {
  const { gateway, write } = place
  const { queryId, view } = await gateway.createView(
    'by hand',
    inFull('by hand'),
    'indexKey: "user_id", refresh: MANUAL',
  )
  const refresh = (id: string) =>
    gateway.client.graphql(`mutation { refreshFeatureView(id: "${id}") { refreshedAt } }`)
  expect((await refresh(view.id)).errors).toBeUndefined()
  await write("DELETE FROM sales.orders WHERE user_id = 'u9'")
  expect((await gateway.lookUp(queryId, 'user_id', ['u9']))[0]?.rows).toHaveLength(1)
  expect((await refresh(view.id)).errors).toBeUndefined()
  expect((await gateway.lookUp(queryId, 'user_id', ['u9']))[0]).toMatchObject({
    status: 'NOT_FOUND',
    rows: [],
  })
  expect((await refresh('fv_nothing')).errors?.[0]?.extensions.code).toBe('NOT_FOUND')
})
