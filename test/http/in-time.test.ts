// Views in time as clients have them: made, described and looked up over GraphQL and REST, on the hot path as by Yoga.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from './gateway.ts'

const sql = 'SELECT key, happened, made, v FROM feature_store.readings'
const etlPath = `file:${import.meta.dirname}/etl/in-time.ts`
const [come, expired] = ['2026-01-02T00:00:00.000001Z', '1969-12-31T23:59:59.999999Z']
const rows = [
  { key: 'a', happened: '2026-01-01T00:00:00Z', v: 1 },
  { key: 'a', happened: come, v: 2 },
  { key: 'a', happened: '9999-12-31T23:59:59.999999Z', v: 3 },
  { key: 'old', happened: expired, v: 4 },
  { key: 'later', happened: '9999-12-31T00:00:00Z', v: 5 },
]
let gateway: Gateway
let hot: Awaited<ReturnType<Gateway['serve']>>
let viewId: string
let queryId: string

beforeAll(async () => {
  gateway = await openGateway({ ETL_SOURCES: `${import.meta.dirname}/etl` })
  hot = await gateway.serve()
  await hot.data(
    `mutation { createTable(name: "readings", columns: [{ name: "key", type: STRING }, { name: "happened", type: TIMESTAMP }, { name: "made", type: TIMESTAMP }, { name: "v", type: INT32 }]) { name } }`,
    {},
  )
  const { queryTrain } = await hot.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "readings") { query { id } } }',
    { sql },
  )
  queryId = queryTrain.query.id
  const { createFeatureView } = await hot.data<{ createFeatureView: { id: string } }>(
    `mutation { createFeatureView(name: "readings", queryId: "readings", indexKey: "key", timestampColumn: "happened", createdColumn: "made",
      eventTtlSeconds: 1000000000, description: "what was read", owner: "sensors", tags: ["a", "b", "a"],
      features: [{ feature: "v", description: "volts", deprecated: "use w" }]) { id } }`,
    {},
  )
  viewId = createFeatureView.id
  await write(rows)
})

afterAll(async () => {
  await hot?.close()
  await gateway?.close()
})

/** Answers once they are served. */
const write = (given: readonly object[]) => hot.rest('POST', '/tables/readings/rows?wait=true', given)

const lookUp = async (indexValue: string) => {
  const { queryRealtime } = await hot.data<{ queryRealtime: { status: string; asOf: string } }>(
    'query ($id: ID!, $indexValue: String!) { queryRealtime(queryId: $id, indexKey: "key", indexValue: $indexValue) { status rows eventTime asOf } }',
    { id: queryId, indexValue },
  )
  return queryRealtime
}

test('a lookup answers one row, its event time to the microsecond, and the moment that it was chosen for', async () => {
  const before = Date.now()
  const found = await lookUp('a')
  expect(found).toMatchObject({
    status: 'FRESH',
    eventTime: come,
    rows: [{ key: 'a', happened: come, made: null, v: 2 }],
  })
  expect(Date.parse(found.asOf)).toBeGreaterThanOrEqual(before)
  expect(await lookUp('old')).toMatchObject({ status: 'EXPIRED', eventTime: expired, rows: [] })
  expect(await lookUp('later')).toMatchObject({ status: 'NOT_FOUND', eventTime: null, rows: [] })
  expect(await lookUp('none')).toMatchObject({ status: 'NOT_FOUND', eventTime: null, rows: [] })
})

test('the hot path answers byte for byte as Yoga', async () => {
  const query = `query ($id: ID!, $values: [String!]!) {
    many: queryRealtimeMany(queryId: $id, indexKey: "key", indexValues: $values) { indexValue status rows source eventTime error { code } }
    queryRealtime(queryId: $id, indexKey: "key", indexValue: "old") { eventTime status }
  }`
  const body = JSON.stringify({
    query,
    variables: { id: queryId, values: ['a', 'old', 'later', 'none', 'a'] },
  })
  const send = async (path: string) => {
    const headers = { 'content-type': 'application/json' }
    return (await fetch(hot.url + path, { method: 'POST', headers, body })).text()
  }
  await send('/graphql')
  const fromHot = await send('/graphql')
  expect(fromHot).toBe(await send('/graphql?by=yoga'))
  expect(fromHot).toContain(`"status":"EXPIRED","rows":[],"source":"ONLINE","eventTime":"${expired}"`)
})

test('vectors and typed fields answer the same row, with its event time', async () => {
  const data = await hot.data<{ onlineFeatures: unknown; features: unknown }>(
    `{ onlineFeatures(features: [{ view: "readings" }], entities: [{ key: "a" }, { key: "old" }]) { features views { status eventTime } }
      features { readings(key: "a") { v } old: readings(key: "old") { v } readingsMany(keys: [{ key: "a" }, { key: "old" }]) { status eventTime row { v } } } }`,
  )
  const [first, second] = [
    { status: 'FRESH', eventTime: come },
    { status: 'EXPIRED', eventTime: expired },
  ]
  expect(data).toEqual({
    onlineFeatures: [
      { features: { v: 2 }, views: [first] },
      { features: { v: null }, views: [second] },
    ],
    features: {
      readings: { v: 2 },
      old: null,
      readingsMany: [
        { ...first, row: { v: 2 } },
        { ...second, row: null },
      ],
    },
  })
})

test('a view that is made again is answered where it is the same in all that is said, else a CONFLICT says in what', async () => {
  const make = (said: string) =>
    hot.graphql(
      `mutation { createFeatureView(name: "readings", queryId: "readings", indexKey: "key", timestampColumn: "happened", createdColumn: "made", ${said}) { id } }`,
    )
  const ttl = 'eventTtlSeconds: 1000000000'
  const same = `${ttl}, tags: ["a", "b", "a"], features: [{ feature: "v", description: "volts", deprecated: "use w" }]`
  expect((await make(same)).data).toEqual({ createFeatureView: { id: viewId } })
  expect((await make(ttl)).data).toEqual({ createFeatureView: { id: viewId } })
  const other = await make('tags: ["b"], features: [{ feature: "v", description: "ohms" }]')
  expect(other.errors?.[0]?.extensions.code).toBe('CONFLICT')
  for (const part of [
    'eventTtlSeconds is 1000000000, none',
    'tags is a, b, b',
    'features is v: volts (deprecated: use w), v: ohms',
  ])
    expect(other.errors?.[0]?.message).toContain(part)
})

test('REST tells the event time of a view in time', async () => {
  const post = async (path: string, more: object) => {
    const body = JSON.stringify({ query_id: queryId, index_key: 'key', ...more })
    const response = await fetch(hot.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    return response.json()
  }
  expect(await post('/query/realtime', { index_value: 'a' })).toMatchObject({
    status: 'FRESH',
    event_time: come,
    data: [{ v: 2 }],
  })
  const { results } = (await post('/query/realtime/many', { index_values: ['old', 'none'] })) as {
    results: object[]
  }
  expect(results).toMatchObject([
    { status: 'EXPIRED', event_time: expired, data: [] },
    { status: 'NOT_FOUND', data: [] },
  ])
  expect(results[1]).not.toHaveProperty('event_time')
})

test('a view tells its times, its features with their notes, its tables and its newest event', async () => {
  const { featureView } = await hot.data<{ featureView: unknown }>(
    `{ featureView(name: "readings") { id timestampColumn createdColumn eventTtlSeconds description owner tags
      features { name type nullable description deprecated graphqlName } tables { name } freshness { newestEventTime } } }`,
    {},
  )
  expect(featureView).toEqual({
    id: viewId,
    timestampColumn: 'happened',
    createdColumn: 'made',
    eventTtlSeconds: 1_000_000_000,
    description: 'what was read',
    owner: 'sensors',
    tags: ['a', 'b'],
    features: [
      {
        name: 'v',
        type: 'INT32',
        nullable: true,
        description: 'volts',
        deprecated: 'use w',
        graphqlName: 'v',
      },
    ],
    tables: [{ name: 'feature_store.readings' }],
    freshness: { newestEventTime: come },
  })
})

test('what is said of a view is changed, and what is left out stays', async () => {
  const change = async (args: string) => {
    const fields = 'description owner tags eventTtlSeconds features { description deprecated }'
    const { updateFeatureView } = await hot.data<{ updateFeatureView: unknown }>(
      `mutation { updateFeatureView(id: "${viewId}", ${args}) { ${fields} } }`,
      {},
    )
    return updateFeatureView
  }
  expect(
    await change('description: null, tags: ["c"], features: [{ feature: "v", description: "millivolts" }]'),
  ).toEqual({
    description: null,
    owner: 'sensors',
    tags: ['c'],
    eventTtlSeconds: 1_000_000_000,
    features: [{ description: 'millivolts', deprecated: null }],
  })
  expect(await change('eventTtlSeconds: null, features: null')).toMatchObject({
    eventTtlSeconds: null,
    features: [{ description: null, deprecated: null }],
  })
  expect(await lookUp('old')).toMatchObject({ status: 'FRESH', eventTime: expired })
})

test.each([
  ['timestampColumn: "v"', /timestampColumn "v" is of type INT32 .* TIMESTAMP or DATE: happened, made/],
  ['timestampColumn: "gone"', /is no column of the query/],
  ['timestampColumn: "happened", createdColumn: "v"', /createdColumn "v" is of type INT32/],
  ['eventTtlSeconds: 5', /needs a timestampColumn/],
  [
    'timestampColumn: "happened", features: [{ feature: "happened" }]',
    /no feature "happened"; its features are made, v/,
  ],
  ['features: [{ feature: "v" }, { feature: "v" }]', /"v" twice/],
])('a view with %s is refused', async (args, message) => {
  const { errors } = await hot.graphql(
    `mutation { createFeatureView(name: "faulty", queryId: "readings", indexKey: "key", ${args}) { id } }`,
  )
  expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  expect(errors?.[0]?.message).toMatch(message)
})

test('a time that is a part of the key, and an event ttl where there is no time, are refused', async () => {
  const made = await hot.graphql(
    'mutation { createFeatureView(name: "faulty", queryId: "readings", indexKeys: ["key", "happened"], timestampColumn: "happened") { id } }',
  )
  expect(made.errors?.[0]?.message).toMatch(/a column of the index key/)
  const { createFeatureView } = await hot.data<{ createFeatureView: { id: string } }>(
    'mutation { createFeatureView(name: "by v", queryId: "readings", indexKey: "v") { id } }',
    {},
  )
  const changed = await hot.graphql(
    `mutation { updateFeatureView(id: "${createFeatureView.id}", eventTtlSeconds: 5) { id } }`,
  )
  expect(changed.errors?.[0]?.message).toMatch(/has no timestampColumn/)
})

test('of a view with an ETL the candidates are what the ETL gives, once that is known', async () => {
  const create = `mutation ($etlId: ID!) { createFeatureView(name: "doubled", queryId: "readings", etlId: $etlId, indexKey: "key", timestampColumn: "happened", createdColumn: "made") {
    id features { name } parity: name } }`
  await write([
    { key: 'etl', happened: '2026-01-01T00:00:00Z', v: 7 },
    { key: 'etl', happened: '2026-01-02T00:00:00Z', v: 0 },
  ])
  const { extractRealtime } = await hot.data<{ extractRealtime: { rows: unknown[] } }>(
    `query ($etlPath: String!) { extractRealtime(queryId: "readings", etlPath: $etlPath, indexKey: "key", indexValue: "a") { rows } }`,
    { etlPath },
  )
  expect(extractRealtime.rows).toHaveLength(3)
  const { etls } = await hot.data<{ etls: { edges: { node: { id: string } }[] } }>(
    '{ etls { edges { node { id } } } }',
    {},
  )
  const etlId = etls.edges[0]?.node.id
  const early = await hot.graphql(create, { etlId })
  expect(early.errors?.[0]?.message).toMatch(/run extractTrain with it first/)
  await hot.data(
    'mutation ($etlPath: String!) { extractTrain(queryId: "readings", etlPath: $etlPath) { dataset { id } } }',
    { etlPath },
  )
  const made = await hot.data<{ createFeatureView: { id: string; features: unknown } }>(create, { etlId })
  expect(made.createFeatureView.features).toEqual([{ name: 'doubled' }])
  const extract = async () => {
    const found = await hot.data<{ extractRealtimeMany: unknown }>(
      `query ($etlPath: String!) { extractRealtimeMany(queryId: "readings", etlPath: $etlPath, indexKey: "key", indexValues: ["etl", "a"]) { status rows eventTime } }`,
      { etlPath },
    )
    return found.extractRealtimeMany
  }
  await expect.poll(extract).toEqual([
    {
      status: 'FRESH',
      eventTime: '2026-01-01T00:00:00Z',
      rows: [{ key: 'etl', happened: '2026-01-01T00:00:00Z', doubled: 14 }],
    },
    { status: 'FRESH', eventTime: come, rows: [{ key: 'a', happened: come, doubled: 4 }] },
  ])
  const { parity } = await hot.data<{ parity: unknown }>(
    `{ parity(featureViewId: "${made.createFeatureView.id}") { sampled mismatched missing extra } }`,
    {},
  )
  expect(parity).toMatchObject({ mismatched: 0, missing: 0, extra: 0 })
})
