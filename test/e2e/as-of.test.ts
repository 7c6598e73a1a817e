// as_of() from client to stores: one query in training as of any moment and in serving as of now, over GraphQL and REST.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from './gateway.ts'
import { comparable } from './rows.ts'
import { openStores, type Stores } from './stores.ts'

const windows = `SELECT user_id, count(*) FILTER (WHERE ts > as_of() - INTERVAL '7 days') AS n_7d,
  CAST(sum(amount) FILTER (WHERE ts > as_of() - INTERVAL '7 days') AS BIGINT) AS sum_7d
  FROM feature_store.payments WHERE ts <= as_of() GROUP BY user_id`
const double = `export function transform(row) { return { user_id: row.user_id, twice: (row.sum_7d ?? 0) * 2 } }`

let stores: Stores
let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  stores = await openStores()
  folder = await createDataFolder('as-of')
  gateway = await startGateway(folder.path, { ...(await stores.create()), ETL_SOURCES: folder.path })
  await gateway.data(`mutation { createTable(name: "payments", columns: [
    { name: "user_id", type: INT64 } { name: "ts", type: TIMESTAMP } { name: "amount", type: INT64 }]) { name } }`)
  await ingest([
    { user_id: 1, ts: '2026-03-01T12:00:00Z', amount: 10 },
    { user_id: 1, ts: '2026-03-04T12:00:00Z', amount: 20 },
    { user_id: 1, ts: '2026-03-04T12:00:00Z', amount: 5 },
    { user_id: 1, ts: '2026-03-11T12:00:00Z', amount: 40 },
    { user_id: 2, ts: '2026-03-04T11:59:59.999999Z', amount: 7 },
  ])
}, 180_000)

afterAll(async () => {
  await gateway?.stop()
  await folder?.remove()
  await stores?.stop()
})

interface Trained {
  query: { id: string; asksForMoment: boolean }
  dataset: { id: string; asOf: string | null; rows: Record<string, unknown>[] }
}

async function ingest(rows: readonly Record<string, unknown>[]) {
  const { ingest: job } = await gateway.data<{ ingest: { id: string } }>(
    'mutation ($rows: JSON!) { ingest(table: "payments", rows: $rows) { id } }',
    { rows },
  )
  await gateway.services.publishing.wait(job.id)
}

async function train(asOf: string | null, query = windows, queryName = 'windows'): Promise<Trained> {
  const { queryTrain } = await gateway.data<{ queryTrain: Trained }>(
    `mutation ($query: String!, $queryName: String!, $asOf: DateTime) { queryTrain(query: $query, queryName: $queryName, asOf: $asOf) {
      query { id asksForMoment } dataset { id asOf rows } } }`,
    { query, queryName, asOf },
  )
  return queryTrain
}

interface Served {
  status: string
  source: string
  asOf: string
  rows: Record<string, unknown>[]
}

async function lookUp(queryId: string, indexValue: string): Promise<Served> {
  const { queryRealtime } = await gateway.data<{ queryRealtime: Served }>(
    `query ($queryId: ID!, $indexValue: String!) { queryRealtime(queryId: $queryId, indexKey: "user_id", indexValue: $indexValue) { status source asOf rows } }`,
    { queryId, indexValue },
  )
  return queryRealtime
}

/** What training gives for the value, as of the moment that serving names. */
async function trainedFor(value: string, asOf: string) {
  const { dataset } = await train(asOf)
  return dataset.rows.filter((row) => String(row.user_id) === value)
}

const ofFirst = ({ dataset }: Trained) => dataset.rows.filter((row) => row.user_id === 1)

test.for([
  ['2026-03-04T12:00:00Z', 3, 35],
  ['2026-03-04T11:59:59.999999Z', 1, 10],
  ['2026-03-08T14:00:00+02:00', 2, 25],
  ['2026-03-11T12:00:00.000Z', 1, 40],
  ['2026-03-18T12:00:00Z', 0, null],
] as const)('training is as of the moment asked for, to the microsecond: %s', async ([asOf, n, sum]) => {
  const trained = await train(asOf)
  expect(ofFirst(trained)).toEqual([{ user_id: 1, n_7d: n, sum_7d: sum }])
  expect(trained.query.asksForMoment).toBe(true)
  expect(Date.parse(trained.dataset.asOf ?? '')).toBe(Date.parse(asOf))
  if (asOf.includes('.999999')) expect(trained.dataset.asOf).toBe(asOf)
})

test('training without a moment is as of now, which the dataset tells', async () => {
  const before = Date.now()
  const { dataset } = await train(null)
  expect(Date.parse(dataset.asOf ?? '')).toBeGreaterThanOrEqual(before)
  expect(Date.parse(dataset.asOf ?? '')).toBeLessThanOrEqual(Date.now())
})

test('a moment asked for in vain, or none at all, is refused', async () => {
  await expect(train('2026-03-04T12:00:00Z', 'SELECT 1 AS a', 'no moment')).rejects.toThrow(/as_of\(\)/)
  await expect(train('yesterday')).rejects.toThrow(/RFC 3339/)
})

test('extractions and REST take the moment too', async () => {
  const { query } = await train(null)
  const path = join(folder.path, 'double.ts')
  await writeFile(path, double)
  const { extractTrain } = await gateway.data<{ extractTrain: Pick<Trained, 'dataset'> }>(
    `mutation ($queryId: ID!, $etlPath: String!) { extractTrain(queryId: $queryId, etlPath: $etlPath, asOf: "2026-03-04T12:00:00Z") { dataset { id asOf rows } } }`,
    { queryId: query.id, etlPath: `file:${path}` },
  )
  expect(comparable(extractTrain.dataset.rows)).toEqual(
    comparable([
      { user_id: 1, twice: 70 },
      { user_id: 2, twice: 14 },
    ]),
  )
  const post = async (route: string, body: object) =>
    (await fetch(`${gateway.url}${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then((response) => response.json())) as {
      as_of: string
      data: Record<string, unknown>[]
      code?: string
    }
  const asOf = '2026-03-04T11:59:59.999999Z'
  const queried = await post('/query/train', { query: windows, query_name: 'windows', as_of: asOf })
  expect(queried.as_of).toBe(asOf)
  expect(queried.data).toContainEqual({ user_id: 1, n_7d: 1, sum_7d: 10 })
  const extracted = await post('/extract/train', {
    query_id: query.id,
    etl_path: `file:${path}`,
    as_of: asOf,
  })
  expect(extracted.data).toContainEqual({ user_id: 1, twice: 20 })
  expect(await post('/query/train', { query: windows, query_name: 'windows', as_of: 'noon' })).toMatchObject({
    code: 'BAD_USER_INPUT',
  })
})

test('a query that no view serves is computed as of now each time, and no view is made', async () => {
  const { query } = await train(null, `${windows} -- by itself`, 'by itself')
  await ingest([{ user_id: 3, ts: new Date(Date.now() - 1000).toISOString(), amount: 9 }])
  const [first, second] = [await lookUp(query.id, '3'), await lookUp(query.id, '3')]
  for (const served of [first, second]) {
    expect(served).toMatchObject({
      status: 'FRESH',
      source: 'WAREHOUSE',
      rows: [{ user_id: 3, n_7d: 1, sum_7d: 9 }],
    })
    expect(await trainedFor('3', served.asOf)).toEqual(served.rows)
  }
  expect(second.asOf > first.asOf).toBe(true)
  const { featureViews } = await gateway.data<{ featureViews: { totalCount: number } }>(
    '{ featureViews { totalCount } }',
  )
  expect(featureViews.totalCount).toBe(0)
})

test('a view must say ttlSeconds, keeps its answers for so long, and tells the moment that they are of', async () => {
  const { query } = await train(null, `${windows} -- served`, 'served')
  const create = (ttl: string) =>
    gateway.data<{ createFeatureView: { id: string; refresh: string } }>(
      `mutation ($queryId: ID!) { createFeatureView(name: "served", queryId: $queryId, indexKey: "user_id"${ttl}) { id refresh } }`,
      { queryId: query.id },
    )
  await expect(create('')).rejects.toThrow(/ttlSeconds/)
  const { createFeatureView: view } = await create(', ttlSeconds: 2')
  expect(view.refresh).toBe(gateway.services.warehouse.name === 'trino' ? 'FULL' : 'BY_KEY')
  const change = `mutation ($id: ID!) { updateFeatureView(id: $id, ttlSeconds: null) { id } }`
  await expect(gateway.data(change, { id: view.id })).rejects.toThrow(/ttlSeconds/)
  await gateway.services.realtime.idle()

  const paidAt = Date.now()
  await ingest([{ user_id: 4, ts: new Date(paidAt - 7 * 86_400_000 + 4000).toISOString(), amount: 3 }])
  await gateway.services.realtime.idle()
  const written = await lookUp(query.id, '4')
  expect(written.source).toBe('ONLINE')
  expect(await trainedFor('4', written.asOf)).toEqual(written.rows)
  // Once the payment is seven days old the count goes down, though nobody writes.
  await expect
    .poll(() => lookUp(query.id, '4'), { timeout: 60_000, interval: 300 })
    .toMatchObject({ status: 'FRESH', rows: [{ user_id: 4, n_7d: 0, sum_7d: null }] })
  const later = await lookUp(query.id, '4')
  expect(later.asOf > written.asOf).toBe(true)
  expect(await trainedFor('4', later.asOf)).toEqual(later.rows)
})

test('the clock stays refused in serving, and the refusal says what to write', async () => {
  const { query } = await train(null, 'SELECT user_id, now() AS t FROM feature_store.payments', 'clock')
  await expect(lookUp(query.id, '1')).rejects.toThrow(/as_of\(\)/)
})

test('the page’s examples run as they stand, and give what it says', async () => {
  const page = await readFile('docs/features-in-time.md', 'utf8')
  const [, section = ''] = page.split('## Windows: `as_of()`')
  const operations = [...section.matchAll(/^```graphql\n(.*?)^```$/gms)].map(([, block = '']) => block)
  expect(operations.length).toBeGreaterThanOrEqual(5)
  const own = await createDataFolder('as-of-page')
  const another = await startGateway(own.path, await stores.create())
  try {
    const answers: unknown[] = []
    for (const operation of operations) answers.push(await another.data(operation))
    expect(JSON.stringify(answers)).toContain('"asOf":"2026-03-08T12:00:00Z"')
    expect(JSON.stringify(answers)).toContain('[{"user_id":1,"n_7d":2,"sum_7d":25}]')
    expect(answers.at(-1)).toMatchObject({ createFeatureView: { refresh: 'BY_KEY', determinism: 'EXACT' } })
  } finally {
    await another.stop()
    await own.remove()
  }
})
