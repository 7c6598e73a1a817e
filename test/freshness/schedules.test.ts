// Views that are materialized by schedule: once for many gateways, whole or the keys that have changed; and views that are made twice.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWithPostgres } from './gateway.ts'

let place: Awaited<ReturnType<typeof startWithPostgres>>

beforeAll(async () => {
  place = await startWithPostgres(`
    CREATE TABLE sales.totals (user_id text, total int);
    INSERT INTO sales.totals VALUES ('u1', 1), ('u2', 1);
    CREATE TABLE sales.events (user_id text, n int, written_at timestamptz);
    INSERT INTO sales.events SELECT 'u' || n, 0, now() - interval '2 days' FROM generate_series(1, 500) n;
    CREATE TABLE sales.kinds (kind text, user_id text, n int, written_at timestamptz);
    INSERT INTO sales.kinds SELECT 'own', 'u' || n, 0, now() - interval '2 days' FROM generate_series(1, 20) n;`)
})

afterAll(() => place?.close())

test('a view is computed anew as often as it says, what is gone from it too, and says how far behind it may be', async () => {
  const { gateway, write } = place
  const { queryId, view } = await gateway.createView(
    'scheduled',
    'SELECT user_id, total FROM sales.totals',
    'indexKey: "user_id", refreshEvery: "5s"',
  )
  expect(view).toMatchObject({
    refreshEvery: '5s',
    ttlSeconds: null,
    freshness: { keptBy: ['SCHEDULE'], note: null },
  })
  await gateway.idle()
  const rows = async () =>
    (await gateway.lookUp(queryId, 'user_id', ['u1', 'u2'])).map(({ rows: [row] }) => row?.total)
  expect(await rows()).toEqual([1, 1])
  for (const total of [2, 3]) {
    await write(`UPDATE sales.totals SET total = ${total}`)
    await expect.poll(rows, { timeout: 60_000 }).toEqual([total, total])
    // They came from online all along: a schedule takes nothing from lookups.
    expect((await gateway.lookUp(queryId, 'user_id', ['u1']))[0]).toMatchObject({
      status: 'FRESH',
      source: 'ONLINE',
    })
  }
  await write("DELETE FROM sales.totals WHERE user_id = 'u2'")
  await expect.poll(rows, { timeout: 60_000 }).toEqual([3, undefined])
  const { behindSeconds } = (await gateway.view(view.id)).freshness
  expect(behindSeconds).toBeGreaterThanOrEqual(0)
  expect(behindSeconds).toBeLessThan(60)
  const { updateFeatureView } = await gateway.client.data<{ updateFeatureView: object }>(
    `mutation { updateFeatureView(id: "${view.id}", refreshEvery: null, ttlSeconds: 9) { refreshEvery ttlSeconds freshness { keptBy behindSeconds } } }`,
  )
  expect(updateFeatureView).toEqual({
    refreshEvery: null,
    ttlSeconds: 9,
    freshness: { keptBy: ['NOTHING'], behindSeconds: 9 },
  })
})

test('a view that tells when its rows were written has the keys of new ones computed alone', async () => {
  const { gateway, write } = place
  const { queryId, view } = await gateway.createView(
    'incremental',
    'SELECT user_id, sum(n) AS n, max(written_at) AS written_at FROM sales.events GROUP BY user_id',
    'indexKey: "user_id", createdColumn: "written_at", lateness: "10m", refreshEvery: "5s"',
  )
  expect(view.refresh).toBe('BY_KEY')
  const { featureViews } = gateway.services.catalog
  await expect
    .poll(async () => (await featureViews.byId(view.id)).createdUntil, { timeout: 60_000 })
    .not.toBeNull()
  const { refreshedVersion } = await featureViews.byId(view.id)
  await write("INSERT INTO sales.events VALUES ('u7', 7, now()), ('late', 8, now() - interval '5 minutes')")
  const found = async () =>
    (await gateway.lookUp(queryId, 'user_id', ['u7', 'u8'])).map(({ source, rows: [row] }) => [
      source,
      Number(row?.n),
    ])
  await expect.poll(found, { timeout: 60_000 }).toEqual([
    ['ONLINE', 7],
    ['ONLINE', 0],
  ])
  await write("INSERT INTO sales.events VALUES ('late', 9, now() - interval '9 minutes')")
  await expect
    .poll(async () => Number((await gateway.lookUp(queryId, 'user_id', ['late']))[0]?.rows[0]?.n), {
      timeout: 60_000,
    })
    .toBe(17)
  // It was never computed whole again.
  expect((await featureViews.byId(view.id)).refreshedVersion).toBe(refreshedVersion)

  // A notice that says since when has those alone computed before it answers.
  await gateway.client.data(`mutation { deleteFeatureView(id: "${view.id}") }`)
  const { view: again, queryId: againId } = await gateway.createView(
    'told since',
    'SELECT user_id, sum(n) AS n, max(written_at) AS written_at, 1 AS again FROM sales.events GROUP BY user_id',
    'indexKey: "user_id", createdColumn: "written_at", refreshEvery: "1d"',
  )
  await gateway.client.data(`mutation { refreshFeatureView(id: "${again.id}") { id } }`)
  const since = new Date().toISOString()
  await write("INSERT INTO sales.events VALUES ('u9', 90, now())")
  await gateway.client.data(`mutation { tableChanged(table: "sales.events", since: "${since}") { id } }`)
  const results = await gateway.lookUp(againId, 'user_id', ['u9', 'u10'])
  expect(results.map(({ source, rows: [row] }) => [source, Number(row?.n)])).toEqual([
    ['ONLINE', 90],
    ['ONLINE', 0],
  ])
})

test('rows that a view leaves out do not make it pass over late ones of its own', async () => {
  const { gateway, write } = place
  const { queryId, view } = await gateway.createView(
    'of one kind',
    "SELECT user_id, sum(n) AS n, max(written_at) AS written_at FROM sales.kinds WHERE kind = 'own' GROUP BY user_id",
    'indexKey: "user_id", createdColumn: "written_at", lateness: "2d", refreshEvery: "5s"',
  )
  const { featureViews } = gateway.services.catalog
  const record = () => featureViews.byId(view.id)
  await expect.poll(async () => (await record()).createdUntil, { timeout: 60_000 }).not.toBeNull()
  const { createdUntil, refreshedAt, refreshedVersion } = await record()
  await write("INSERT INTO sales.kinds VALUES ('other', 'u1', 1, now()), ('other', 'u2', 1, now())")
  await expect
    .poll(async () => (await record()).refreshedAt?.getTime(), { timeout: 60_000 })
    .toBeGreaterThan((refreshedAt?.getTime() ?? 0) + 6000)
  expect((await record()).createdUntil).toEqual(createdUntil)
  await write("INSERT INTO sales.kinds VALUES ('own', 'u3', 5, now() - interval '3 days')")
  await expect
    .poll(async () => Number((await gateway.lookUp(queryId, 'user_id', ['u3']))[0]?.rows[0]?.n), {
      timeout: 60_000,
    })
    .toBe(5)
  expect((await record()).refreshedVersion).toBe(refreshedVersion)
})

test.each([
  ['refreshEvery: "soon"', /neither an interval .* nor five cron fields/],
  ['refreshEvery: "1s"', /from 5s to 366d/],
  ['refreshEvery: "0 0 3 * * *"', /neither an interval/],
  ['refreshEvery: "61 * * * *"', /neither an interval/],
  ['createdColumn: "total"', /is of type INT32 .* TIMESTAMP or DATE/],
  ['createdColumn: "gone"', /is no column of the query/],
  ['lateness: "some"', /must be an interval/],
])('a view with %s is refused', async (args, message) => {
  const queryId = await place.gateway.save('faulty', 'SELECT user_id, total FROM sales.totals')
  const { errors } = await place.gateway.client.graphql(
    `mutation { createFeatureView(name: "faulty", queryId: "${queryId}", indexKey: "user_id", ${args}) { id } }`,
  )
  expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  expect(errors?.[0]?.message).toMatch(message)
})

test('a view that is there already, the same in all, is answered; one that differs is a CONFLICT that says in what', async () => {
  const { gateway } = place
  const queryId = await gateway.save('twice', 'SELECT user_id, total, 2 AS twice FROM sales.totals')
  const create = (args: string) =>
    gateway.client.graphql(
      `mutation { createFeatureView(name: "twice", queryId: "${queryId}", indexKey: "user_id", ${args}) { id } }`,
    )
  const asked = 'refresh: AUTO, refreshEvery: "0 3 * * *"'
  const made = await Promise.all([create(asked), create(asked), create(asked)])
  const ids = made.map(({ data }) => (data?.createFeatureView as { id: string } | undefined)?.id)
  expect(ids[0]).toMatch(/^fv_/)
  expect(new Set(ids).size).toBe(1)
  const { errors } = await create('refresh: FULL, ttlSeconds: 60')
  expect(errors?.[0]?.extensions.code).toBe('CONFLICT')
  expect(errors?.[0]?.message).toMatch(
    /refresh is BY_KEY, FULL was asked for; its ttlSeconds is none, 60 was asked for; its refreshEvery is 0 3 \* \* \*, none was asked for/,
  )
  const otherId = await gateway.save('other', 'SELECT user_id FROM sales.totals')
  const other = await gateway.client.graphql(
    `mutation { createFeatureView(name: "twice", queryId: "${otherId}", indexKey: "user_id") { id } }`,
  )
  expect(other.errors?.[0]?.extensions.code).toBe('CONFLICT')
  expect(other.errors?.[0]?.message).toContain(`its query is ${queryId}, not ${otherId}`)
})

test('a view by key is filled when it is made, without a lookup', async () => {
  const { gateway } = place
  const { queryId, view } = await gateway.createView(
    'filled',
    'SELECT user_id, n, 3 AS filled FROM sales.events',
    'indexKey: "user_id"',
  )
  expect(view.refresh).toBe('BY_KEY')
  await gateway.idle()
  expect((await gateway.view(view.id)).refreshedAt).not.toBeNull()
  const results = await gateway.lookUp(queryId, 'user_id', ['u1', 'u250', 'u500'])
  expect(results.map(({ source }) => source)).toEqual(['ONLINE', 'ONLINE', 'ONLINE'])
})
