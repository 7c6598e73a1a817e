// Feature views over REST: made by an ETL's path, listed, changed, refreshed and taken away, and the same as GraphQL has them.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { createClient } from './client.ts'

const folder = await createDataFolder('feature-views')
const etls = join(folder.path, 'etls')
let app: Awaited<ReturnType<typeof createApp>>
let client: ReturnType<typeof createClient>
let url: string
let queryId: string
const etlPath = () => `file:${join(etls, 'twice.ts')}`

beforeAll(async () => {
  await mkdir(etls, { recursive: true })
  await writeFile(
    join(etls, 'twice.ts'),
    'export const transform = (row) => ({ id: row.id, twice: row.v * 2 })',
  )
  const settings = { PORT: '0', DATA_DIR: folder.path, ETL_SOURCES: etls }
  app = await createApp(parseConfig(settings), testLog(), { metrics: createMetrics() })
  url = (await app.listen()).url
  client = createClient(url)
  await client.data(
    'mutation { createTable(name: "things", columns: [{ name: "id", type: STRING }, { name: "v", type: INT32 }]) { name } }',
  )
  const { body } = await client.rest('POST', '/tables/things/rows?wait=true&wait_ms=60000', [
    { id: 'a', v: 1 },
    { id: 'b', v: 2 },
  ])
  expect(body).toMatchObject({ rows: 2 })
  const sql = 'SELECT id, v FROM feature_store.things'
  const trained = await client.rest('POST', '/query/train?save=true', { query: sql, query_name: 'things' })
  queryId = String(trained.body.query_id)
  await client.rest('POST', '/extract/train?save=true', { query_id: queryId, etl_path: etlPath() })
}, 120_000)

afterAll(async () => {
  await app?.close()
  await folder.remove()
})

test('a view is made, read, changed, refreshed and taken away', { timeout: 60_000 }, async () => {
  const asked = {
    name: 'plain',
    query_id: 'things',
    index_key: 'id',
    description: 'what they are',
    tags: ['x'],
  }
  const made = await client.rest('POST', '/feature-views', asked)
  expect(made).toMatchObject({
    status: 200,
    body: {
      name: 'plain',
      query_id: queryId,
      etl_id: null,
      index_keys: ['id'],
      refresh: 'BY_KEY',
      tags: ['x'],
    },
  })
  const id = String(made.body.id)
  expect(made.body.features).toEqual([
    { name: 'v', type: 'INT32', nullable: false, description: null, deprecated: null },
  ])
  expect(made.body.freshness).toMatchObject({ behind_seconds: expect.anything() })
  expect((await client.rest('POST', '/feature-views', asked)).body.id).toBe(id)
  expect(await client.rest('POST', '/feature-views', { ...asked, ttl_seconds: 7 })).toMatchObject({
    status: 409,
    body: { code: 'CONFLICT' },
  })

  const changes = {
    ttl_seconds: 60,
    owner: 'ada',
    description: null,
    features: [{ feature: 'v', description: 'its value' }],
  }
  expect(await client.rest('PATCH', `/feature-views/${id}`, changes)).toMatchObject({
    status: 200,
    body: {
      ...{ ttl_seconds: 60, owner: 'ada', description: null, tags: ['x'] },
      features: [{ name: 'v', description: 'its value' }],
    },
  })
  const byGraphql = await client.data<{ featureView: object }>(
    'query ($id: ID!) { featureView(id: $id) { ttlSeconds owner description tags } }',
    { id },
  )
  expect(byGraphql.featureView).toEqual({ ttlSeconds: 60, owner: 'ada', description: null, tags: ['x'] })

  const refreshed = await client.rest('POST', `/feature-views/${id}/refresh`)
  expect(refreshed.status).toBe(200)
  expect(Date.parse(String(refreshed.body.refreshed_at))).toBeGreaterThan(0)
  expect((await client.rest('GET', `/feature-views/${id}`)).body).toEqual(refreshed.body)

  expect((await fetch(`${url}/feature-views/${id}`, { method: 'DELETE' })).status).toBe(204)
  expect(await client.rest('GET', `/feature-views/${id}`)).toMatchObject({
    status: 404,
    body: { code: 'NOT_FOUND' },
  })
})

test('an ETL is named by its path, over REST and GraphQL alike', { timeout: 60_000 }, async () => {
  const { body } = await client.rest('POST', '/feature-views', {
    ...{ name: 'doubled', query_id: queryId, index_keys: ['id'], etl_path: etlPath() },
  })
  expect(body.features).toMatchObject([{ name: 'twice' }])
  const same = await client.data<{ createFeatureView: { id: string; etl: { id: string } } }>(
    'mutation ($queryId: ID!, $etlPath: String!) { createFeatureView(name: "doubled", queryId: $queryId, indexKey: "id", etlPath: $etlPath) { id etl { id } } }',
    { queryId, etlPath: etlPath() },
  )
  expect(same.createFeatureView).toEqual({ id: body.id, etl: { id: body.etl_id } })
  const both = await client.graphql(
    'mutation ($queryId: ID!, $etlPath: String!, $etlId: ID!) { createFeatureView(name: "both", queryId: $queryId, indexKey: "id", etlPath: $etlPath, etlId: $etlId) { id } }',
    { queryId, etlPath: etlPath(), etlId: body.etl_id },
  )
  expect(both.errors?.[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } })
})

test('views are listed page by page, the oldest first, and found by name', { timeout: 60_000 }, async () => {
  for (const index_key of ['id', 'v'])
    await client.rest('POST', '/feature-views', { name: `by ${index_key}`, query_id: queryId, index_key })
  const names: unknown[] = []
  for (let after = ''; ; ) {
    const { body } = await client.rest('GET', `/feature-views?first=1${after}`)
    const page = body.feature_views as { name: string }[]
    names.push(...page.map(({ name }) => name))
    if (body.next === null) break
    after = `&after=${body.next}`
  }
  expect(names).toEqual(['doubled', 'by id', 'by v'])
  const { body } = await client.rest('GET', '/feature-views?name=by%20v')
  expect(body).toMatchObject({ feature_views: [{ name: 'by v', index_keys: ['v'] }], next: null })
})

test('what is asked for wrongly is told', async () => {
  const ask = (body: object) =>
    client.rest('POST', '/feature-views', { name: 'x', query_id: queryId, ...body })
  expect(await ask({})).toMatchObject({ status: 400, body: { reason: expect.stringContaining('indexKey') } })
  expect(await ask({ index_key: 'nothing' })).toMatchObject({ status: 400 })
  expect(await ask({ index_key: 'id', indexKeys: ['id'] })).toMatchObject({ status: 400 })
  expect(await client.rest('POST', '/feature-views/fv_none/refresh')).toMatchObject({ status: 404 })
})
