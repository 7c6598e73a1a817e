// The catalog through GraphQL: pages, search, tags, nodes, and how few reads they cost.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from '../http/gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
/** Operations that the catalog's client was asked for since a test began to count. */
let operations = 0

beforeAll(async () => {
  gateway = await openGateway()
  const { services } = gateway
  const counted = services.catalog.prisma.$extends({
    query: {
      $allOperations({ args, query }) {
        operations++
        return query(args)
      },
    },
  })
  server = await gateway.serve({
    services: {
      ...services,
      catalog: { ...services.catalog, prisma: counted as typeof services.catalog.prisma },
    },
  })
  const column = { name: 'n', type: 'INT32', nullable: false, storage: 'INTEGER' } as const
  for (let i = 0; i < 25; i++) {
    const query = await services.catalog.savedQueries.save({
      name: `query ${i}`,
      sql: `SELECT ${i}::INTEGER AS n`,
      columns: [column],
      ...(i === 7 && { description: 'Seven, 100% of it' }),
      tags: i % 5 === 0 ? ['fifth', 'all'] : ['all'],
    })
    await services.realtime.createFeatureView({
      name: `view ${i}`,
      queryId: query.id,
      etlId: null,
      indexKeys: ['n'],
      ttlSeconds: null,
      refresh: 'MANUAL',
    })
  }
}, 120_000)

afterAll(async () => {
  await server.close()
  await gateway.close()
})

interface Page {
  savedQueries: {
    totalCount: number
    edges: { cursor: string; node: { id: string; name: string } }[]
    pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string }
  }
}

const page = (args: string) =>
  server.data<Page>(
    `{ savedQueries(${args}) { totalCount edges { cursor node { id name } }
       pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
  )

async function found(args: string): Promise<string[]> {
  const { savedQueries } = await page(args)
  expect(savedQueries.totalCount).toBe(savedQueries.edges.length)
  return savedQueries.edges.map(({ node }) => node.name)
}

test('pages follow one another, the newest first, without a gap', async () => {
  const names: string[] = []
  let after: string | null = null
  do {
    const { savedQueries } = await page(`first: 10${after === null ? '' : `, after: "${after}"`}`)
    expect(savedQueries.totalCount).toBe(25)
    names.push(...savedQueries.edges.map(({ node }) => node.name))
    after = savedQueries.pageInfo.hasNextPage ? savedQueries.pageInfo.endCursor : null
  } while (after !== null)
  expect(names).toEqual(Array.from({ length: 25 }, (_, i) => `query ${24 - i}`))
})

test('a page holds twenty unless said', async () => {
  const { savedQueries } = await server.data<Page>('{ savedQueries { edges { node { name } } } }')
  expect(savedQueries.edges).toHaveLength(20)
})

test('search finds text in the name, the description and the SQL, in any case and as it is', async () => {
  expect(await found('first: 100, search: "QUERY 24"')).toEqual(['query 24'])
  expect(await found('first: 100, search: "seven, 100%"')).toEqual(['query 7'])
  expect(await found('first: 100, search: "select 13::"')).toEqual(['query 13'])
  expect(await found('first: 100, search: "query_1"')).toEqual([])
  expect(await found('first: 100, search: "%"')).toEqual(['query 7'])
  expect(await found(String.raw`first: 100, search: "\\"`)).toEqual([])
})

test('a tag finds those that carry it, and narrows a search', async () => {
  expect(await found('first: 100, tag: "fifth"')).toEqual([
    'query 20',
    'query 15',
    'query 10',
    'query 5',
    'query 0',
  ])
  expect(await found('first: 100, tag: "fifth", search: "query 1"')).toEqual(['query 15', 'query 10'])
  expect(await found('first: 100, tag: "none"')).toEqual([])
})

test('an id is the same wherever it is given, and node finds it by its prefix', async () => {
  const [edge] = (await page('first: 1')).savedQueries.edges
  const id = edge?.node.id
  const view = await server.data<{ featureViews: { edges: { node: { id: string } }[] } }>(
    '{ featureViews(first: 1) { edges { node { id } } } }',
  )
  const viewId = view.featureViews.edges[0]?.node.id
  expect(id).toMatch(/^qry_/)
  expect(viewId).toMatch(/^fv_/)
  expect(
    await server.data(`{
      query: node(id: "${id}") { __typename id ... on SavedQuery { name columns { name type nullable } } }
      view: node(id: "${viewId}") { __typename id ... on FeatureView { name query { id } refresh } }
    }`),
  ).toEqual({
    query: {
      __typename: 'SavedQuery',
      id,
      name: 'query 24',
      columns: [{ name: 'n', type: 'INT32', nullable: false }],
    },
    view: { __typename: 'FeatureView', id: viewId, name: 'view 24', query: { id }, refresh: 'MANUAL' },
  })
})

test('a name gives the newest version', async () => {
  const { savedQueries } = gateway.services.catalog
  await savedQueries.save({ name: 'versioned', sql: 'SELECT 1', columns: [] })
  await savedQueries.save({ name: 'versioned', sql: 'SELECT 2', columns: [] })
  expect(await server.data('{ savedQuery(name: "versioned") { version sql } }')).toEqual({
    savedQuery: { version: 2, sql: 'SELECT 2' },
  })
  const { errors } = await server.graphql('{ savedQuery { id } }')
  expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
})

test('a page with its relations costs as few reads as one entry does', async () => {
  async function cost(first: number): Promise<number> {
    operations = 0
    await server.data(
      `{ savedQueries(first: ${first}) { edges { node { name featureViews { name query { name } etl { name columns { name } } } } } } }`,
    )
    return operations
  }
  const one = await cost(1)
  expect(await cost(25)).toBe(one)
  expect(one).toBeLessThanOrEqual(2)
})

test('many nodes of one operation are read together', async () => {
  const { savedQueries } = await page('first: 10')
  const fields = savedQueries.edges.map(
    ({ node }, i) => `n${i}: node(id: "${node.id}") { ... on SavedQuery { name } }`,
  )
  const data = await server.data<Record<string, { name: string }>>(`{ ${fields.join(' ')} }`)
  expect(Object.values(data).map(({ name }) => name)).toEqual(savedQueries.edges.map(({ node }) => node.name))
})

test('a total alone reads no entries', async () => {
  operations = 0
  await server.data('{ datasets { totalCount } }')
  expect(operations).toBe(1)
})

test('cancelJob answers with the job or dataset as its own type, and refuses other ids', async () => {
  const { publish } = await server.data<{ publish: { id: string } }>(
    'mutation { publish(nFlows: 50000) { id } }',
  )
  const { cancelJob } = await server.data<{ cancelJob: unknown }>(
    `mutation { cancelJob(id: "${publish.id}") { __typename id ... on PublishJob { status total } } }`,
  )
  expect(cancelJob).toMatchObject({ __typename: 'PublishJob', id: publish.id, total: 50_000 })
  await gateway.services.publishing.wait(publish.id)
  const { errors } = await server.graphql('mutation { cancelJob(id: "qry_1") { id } }')
  expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  expect(errors?.[0]?.message).toContain('job_')
})

test('deleteFeatureView answers with the id, and it is gone', async () => {
  const { featureViews } = await server.data<{ featureViews: { edges: { node: { id: string } }[] } }>(
    '{ featureViews(first: 1) { edges { node { id } } } }',
  )
  const id = featureViews.edges[0]?.node.id
  expect(await server.data(`mutation { deleteFeatureView(id: "${id}") }`)).toEqual({ deleteFeatureView: id })
  expect(await server.data(`{ node(id: "${id}") { id } }`)).toEqual({ node: null })
})

test.each([
  ['node(id: "qry_\\u0000") { id }'],
  ['savedQuery(name: "\\u0000") { id }'],
  ['savedQueries(search: "\\u0000") { totalCount }'],
  ['savedQueries(tag: "\\u0000") { totalCount }'],
  ['dataset(id: "dst_\\u0000") { id }'],
  ['queryRealtime(queryId: "qry_\\u0000", indexKey: "n", indexValue: "1") { status }'],
])('a NUL character in what is asked for is the client’s fault, not the gateway’s: %s', async (field) => {
  const { errors } = await server.graphql(`{ ${field} }`)
  expect(errors?.[0]).toMatchObject({
    message: expect.stringContaining('NUL character'),
    extensions: { code: 'BAD_USER_INPUT' },
  })
})

test('a feature view is made by one column or by several, and tells them', async () => {
  const sql = 'SELECT i AS n, i % 2 AS odd FROM range(4) r(i)'
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "${sql}", queryName: "several") { query { id } } }`,
  )
  const { id } = queryTrain.query
  const make = (name: string, key: string) =>
    server.graphql(
      `mutation { createFeatureView(name: "${name}", queryId: "${id}" ${key}) { indexKey indexKeys } }`,
    )
  for (const [name, key, view] of [
    ['by both', 'indexKeys: ["odd", "n"]', { indexKey: 'odd, n', indexKeys: ['odd', 'n'] }],
    ['by one', 'indexKey: "n"', { indexKey: 'n', indexKeys: ['n'] }],
    ['by a list of one', 'indexKeys: ["odd"]', { indexKey: 'odd', indexKeys: ['odd'] }],
  ] as const)
    expect(await make(name, key), name).toMatchObject({ data: { createFeatureView: view } })
  for (const [key, code] of [
    ['indexKeys: ["odd", "n"]', 'CONFLICT'],
    ['indexKeys: ["n"]', 'CONFLICT'],
    ['', 'BAD_USER_INPUT'],
    ['indexKey: "n", indexKeys: ["odd"]', 'BAD_USER_INPUT'],
    ['indexKeys: []', 'BAD_USER_INPUT'],
    ['indexKeys: ["n", "n"]', 'BAD_USER_INPUT'],
    ['indexKeys: ["n", "nothing"]', 'BAD_USER_INPUT'],
  ] as const)
    expect(await make(`refused ${key.length}`, key), key).toMatchObject({
      errors: [{ extensions: { code } }],
    })
  expect(
    await server.graphql(
      'query ($id: ID!, $key: String!, $values: [String!]!) { queryRealtimeMany(queryId: $id, indexKey: $key, indexValues: $values) { indexKey indexValue rows } }',
      { id, key: '["odd","n"]', values: ['[1,3]', '["0","3"]'] },
    ),
  ).toEqual({
    data: {
      queryRealtimeMany: [
        { indexKey: '["odd","n"]', indexValue: '[1,3]', rows: [{ n: 3, odd: 1 }] },
        { indexKey: '["odd","n"]', indexValue: '["0","3"]', rows: [] },
      ],
    },
  })
})
