// Tables of an application's own over GraphQL and REST: made, listed, filled and served; and what is said before there are any.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { createClient } from './client.ts'

const folder = await createDataFolder('tables')
let app: Awaited<ReturnType<typeof createApp>>
let client: ReturnType<typeof createClient>
let url: string

beforeAll(async () => {
  app = await createApp(parseConfig({ PORT: '0', DATA_DIR: folder.path }), testLog(), {
    metrics: createMetrics(),
  })
  url = (await app.listen()).url
  client = createClient(url)
})

afterAll(async () => {
  await app?.close()
  await folder.remove()
})

interface Table {
  name: string
  kind: string
  acceptsRows: boolean
  rowCount: number | null
  changedAt: string | null
  columns: { name: string; type: string; nullable: boolean }[]
  featureViews: { name: string }[]
}

const fields = 'name kind acceptsRows rowCount changedAt columns { name type nullable } featureViews { name }'
const create = (name: string, columns: string) =>
  client.graphql(
    `mutation { createTable(name: ${JSON.stringify(name)}, columns: [${columns}]) { ${fields} } }`,
  )
const list = async (args: string) =>
  (
    await client.data<{
      tables: {
        totalCount: number
        pageInfo: { hasNextPage: boolean; endCursor: string }
        edges: { node: { name: string } }[]
      }
    }>(`{ tables(${args}) { totalCount pageInfo { hasNextPage endCursor } edges { node { name } } } }`)
  ).tables

test('before the first flow, a statement over its tables says what to do', async () => {
  const { errors } = await client.graphql(
    'mutation { queryTrain(query: "SELECT * FROM feature_store.users", queryName: "u") { dataset { id } } }',
  )
  expect(errors?.[0]?.extensions?.code).toBe('INVALID_SQL')
  expect(errors?.[0]?.message).toMatch(/no table feature_store\.users .*`tables` .* createTable .* publish/)
})

test('a table is made, filled, served and told', async () => {
  const columns =
    '{ name: "order_id", type: STRING, nullable: false }, { name: "total", type: DECIMAL, storage: "DECIMAL(18,2)" }'
  const { data } = await create('orders', columns)
  const made = {
    name: 'feature_store.orders',
    kind: 'TABLE',
    acceptsRows: true,
    columns: [
      { name: 'order_id', type: 'STRING', nullable: false },
      { name: 'total', type: 'DECIMAL', nullable: true },
    ],
  }
  expect(data?.createTable).toMatchObject({ ...made, changedAt: null, featureViews: [] })
  expect((await create('feature_store.orders', columns)).data?.createTable).toMatchObject(made)

  const query = 'SELECT order_id, total FROM feature_store.orders'
  const { queryTrain } = await client.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "${query}", queryName: "orders") { query { id } } }`,
  )
  const { id } = queryTrain.query
  await client.data(
    `mutation { createFeatureView(name: "orders", queryId: "${id}", indexKey: "order_id") { id } }`,
  )
  const { ingest } = await client.data<{ ingest: { id: string } }>(
    'mutation { ingest(table: "orders", rows: [{ order_id: "a", total: "12.30" }]) { id } }',
  )
  await app.services.publishing.wait(ingest.id)
  const { queryRealtime } = await client.data<{ queryRealtime: unknown }>(
    `{ queryRealtime(queryId: "${id}", indexKey: "order_id", indexValue: "a") { rows status } }`,
  )
  expect(queryRealtime).toEqual({ rows: [{ order_id: 'a', total: 12.3 }], status: 'FRESH' })
  const { table } = await client.data<{ table: Table }>(`{ table(name: "orders") { ${fields} } }`)
  expect(table).toMatchObject({ ...made, rowCount: 1, featureViews: [{ name: 'orders' }] })
  expect(Date.now() - Date.parse(table.changedAt ?? '')).toBeLessThan(60_000)
})

test('one that differs is a CONFLICT that says in what, and a name that is none BAD_USER_INPUT', async () => {
  await create('differs', '{ name: "a", type: INT32 }')
  const differing = await create('differs', '{ name: "a", type: INT64 }')
  expect(differing.errors?.[0]?.extensions?.code).toBe('CONFLICT')
  expect(differing.errors?.[0]?.message).toContain('"a" is INT32, not INT64')
  for (const name of ['', 'a.b.c', 'a.', '"a', 'gateway.x', 'files.x']) {
    const { errors } = await create(name, '{ name: "a", type: INT32 }')
    expect([name, errors?.[0]?.extensions?.code]).toEqual([name, 'BAD_USER_INPUT'])
  }
})

test('tables are listed by name, page after page, and searched; each name reads its table', async () => {
  for (const name of ['sales.order', '"sales of 2026"."An ""order"""', 'sales.page_1', 'sales.page_2'])
    expect((await create(name, '{ name: "a", type: INT32 }')).errors, name).toBeUndefined()
  const all = await list('search: "SALES"')
  const names = all.edges.map(({ node }) => node.name)
  expect(names).toEqual(['"sales of 2026"."An ""order"""', 'sales."order"', 'sales.page_1', 'sales.page_2'])
  expect(all.totalCount).toBe(4)
  const first = await list('search: "sales", first: 3')
  expect([first.edges.length, first.totalCount, first.pageInfo.hasNextPage]).toEqual([3, 4, true])
  const rest = await list(`search: "sales", first: 3, after: ${JSON.stringify(first.pageInfo.endCursor)}`)
  expect(rest.edges.map(({ node }) => node.name)).toEqual(names.slice(3))
  expect(rest.pageInfo.hasNextPage).toBe(false)
  for (const name of names) {
    const query = `SELECT a FROM ${name}`
    const { errors } = await client.graphql(
      `mutation { queryTrain(query: ${JSON.stringify(query)}, queryName: "x", save: false) { dataset { id } } }`,
    )
    expect(errors, name).toBeUndefined()
    const { table } = await client.data<{ table: { name: string } }>(
      `{ table(name: ${JSON.stringify(name)}) { name } }`,
    )
    expect(table).toEqual({ name })
  }
  expect(await client.data('{ table(name: "nowhere") { name } }')).toEqual({ table: null })
})

test('a table of another schema takes rows, which are served', async () => {
  const { errors } = await create('shop."Order items"', '{ name: "item", type: STRING }')
  expect(errors).toBeUndefined()
  const sql = 'SELECT item FROM shop."Order items"'
  const { queryTrain } = await client.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: ${JSON.stringify(sql)}, queryName: "items") { query { id } } }`,
  )
  const { id } = queryTrain.query
  const { createFeatureView } = await client.data<{ createFeatureView: { refresh: string } }>(
    `mutation { createFeatureView(name: "items", queryId: "${id}", indexKey: "item") { refresh } }`,
  )
  expect(createFeatureView.refresh).toBe('BY_KEY')
  const look = () =>
    client.data(`{ queryRealtime(queryId: "${id}", indexKey: "item", indexValue: "pen") { rows status } }`)
  expect(await look()).toMatchObject({ queryRealtime: { status: 'NOT_FOUND' } })
  for (const name of ['shop."Order items"', 'shop.Order items']) {
    const { ingest } = await client.data<{ ingest: { id: string } }>(
      `mutation { ingest(table: ${JSON.stringify(name)}, rows: [{ item: "pen" }]) { id } }`,
    )
    expect((await app.services.publishing.wait(ingest.id)).status).toBe('SUCCEEDED')
  }
  expect(await look()).toMatchObject({
    queryRealtime: { status: 'FRESH', rows: [{ item: 'pen' }, { item: 'pen' }] },
  })
})

test('a table is found by the name that it was made by, however that is quoted', async () => {
  for (const name of ['"My odd ""täble"""', '"feature_store"."plain"', 'feature_store."Half plain"']) {
    expect((await create(name, '{ name: "a", type: INT32 }')).errors, name).toBeUndefined()
    const { ingest } = await client.data<{ ingest: { id: string } }>(
      `mutation { ingest(table: ${JSON.stringify(name)}, rows: [{ a: 1 }]) { id } }`,
    )
    expect((await app.services.publishing.wait(ingest.id)).status, name).toBe('SUCCEEDED')
  }
})

test('GET /tables lists them too', async () => {
  const response = await fetch(`${url}/tables?search=orders`)
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({
    tables: [
      {
        name: 'feature_store.orders',
        kind: 'TABLE',
        columns: [
          { name: 'order_id', type: 'STRING', nullable: false },
          { name: 'total', type: 'DECIMAL', nullable: true },
        ],
        accepts_rows: true,
        row_count: 1,
        changed_at: expect.stringMatching(/Z$/),
      },
    ],
  })
})

test('the first flow makes the demo’s tables, and tells when they changed', async () => {
  const { publish } = await client.data<{ publish: { id: string } }>(
    'mutation { publish(nFlows: 10) { id } }',
  )
  expect((await app.services.publishing.wait(publish.id)).status).toBe('SUCCEEDED')
  const { table } = await client.data<{ table: Table }>('{ table(name: "quotes") { rowCount changedAt } }')
  expect(table).toEqual({ rowCount: 10, changedAt: expect.stringMatching(/Z$/) })
})
