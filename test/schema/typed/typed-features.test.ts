// The catalog as GraphQL: views as fields, typed to the leaf, as they come and go.

import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { everyone, type Identity } from '../../../src/access/identity.ts'
import { type Gateway, openGateway } from '../../http/gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

let saved = 0

/** A named view of this query; answers with its id and its GraphQL name. */
async function createView(name: string, sql: string, indexKeys: readonly string[]) {
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
    { sql, name: `query ${saved++}` },
  )
  const { createFeatureView } = await server.data<{
    createFeatureView: { id: string; graphqlName: string | null }
  }>(
    `mutation ($name: String!, $queryId: ID!, $indexKeys: [String!]) {
      createFeatureView(name: $name, queryId: $queryId, indexKeys: $indexKeys) { id graphqlName }
    }`,
    { name, queryId: queryTrain.query.id, indexKeys },
  )
  return createFeatureView
}

const remove = (id: string) => server.data('mutation ($id: ID!) { deleteFeatureView(id: $id) }', { id })

test('a view is a field as soon as it is made, its rows typed to the leaf', async () => {
  const { graphqlName } = await createView(
    'all_types',
    `SELECT i AS driver_id, i::INTEGER AS small, 9007199254740993 + i AS big, 0.5 * i AS half, 'NaN'::DOUBLE AS none,
       (i || '.12345678901234567890')::DECIMAL(38, 20) AS exact, 'é"\\' AS text, '\\x00\\xFF'::BLOB AS bytes,
       DATE '1969-12-31' AS day, TIMESTAMP '2026-01-01 00:00:00.000001' AS at, i > 1 AS yes,
       [i, NULL] AS list, {'a b': i, 'inner': [{'deep': 9007199254740993}]} AS struct, '{"b": [1], "a": 9007199254740993}'::JSON AS json
     FROM range(3) r(i)`,
    ['driver_id'],
  )
  expect(graphqlName).toBe('allTypes')
  const fields =
    'driverId small big half none exact text bytes day at yes list struct { a_b inner { deep } } json'
  const { features } = await server.data<{ features: Record<string, unknown> }>(
    `{ features { allTypes(driverId: 2) { ${fields} } missing: allTypes(driverId: 7) { small }
         allTypesMany(keys: [{ driverId: 0 }, { driverId: 9007199254740993 }]) { status source error { code } rows { driverId } } } }`,
  )
  expect(features).toEqual({
    allTypes: [
      {
        driverId: 2,
        small: 2,
        big: '9007199254740995',
        half: 1,
        none: null,
        exact: '2.12345678901234567890',
        text: 'é"\\',
        bytes: 'AP8=',
        day: '1969-12-31',
        at: '2026-01-01T00:00:00.000001Z',
        yes: true,
        list: [2, null],
        struct: { a_b: 2, inner: [{ deep: '9007199254740993' }] },
        json: { b: [1], a: '9007199254740993' },
      },
    ],
    missing: [],
    allTypesMany: [
      { status: 'FRESH', source: expect.any(String), error: null, rows: [{ driverId: 0 }] },
      { status: 'NOT_FOUND', source: expect.any(String), error: null, rows: [] },
    ],
  })
})

test('keys of several columns, and of every type, are arguments of theirs', async () => {
  await createView(
    'by_all',
    `SELECT i::SMALLINT AS a, i + 9007199254740993 AS b, 'x,"' || i AS c, DATE '2026-01-01' + i::INTEGER AS d,
       TIMESTAMP '2026-01-01 00:00:00.5' + to_microseconds(i) AS e, 0.1::DECIMAL(20, 1) + i AS f, i > 0 AS g, i + 0.5::DOUBLE AS h, i AS one
     FROM range(3) r(i)`,
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
  )
  const key = {
    a: 1,
    b: '9007199254740994',
    c: 'x,"1',
    d: '2026-01-02',
    e: '2026-01-01T01:00:00.500001+01:00',
    f: 1.1,
    g: true,
    h: 1.5,
  }
  const { features } = await server.data<{ features: unknown }>(
    `query ($key: ByAllKey!, $e: Timestamp!) {
       features {
         byAll(a: 1, b: 9007199254740994, c: "x,\\"1", d: "2026-01-02", e: $e, f: 1.1, g: true, h: 1.5) { one }
         byAllMany(keys: [$key, { a: 7, b: 1, c: "", d: "2026-01-02", e: "2026-01-01", f: "1.10", g: false, h: 0 }]) { rows { one e } }
       }
     }`.replace('"2026-01-01", f', '"2026-01-01T00:00:00Z", f'),
    { key, e: key.e },
  )
  expect(features).toEqual({
    byAll: [{ one: 1 }],
    byAllMany: [{ rows: [{ one: 1, e: '2026-01-01T00:00:00.500001Z' }] }, { rows: [] }],
  })
  const refused = await server.graphql(
    '{ features { byAll(a: 1, b: 1, c: "", d: "yesterday", e: "2026-01-01T00:00:00Z", f: 1, g: true, h: 1) { one } } }',
  )
  expect(refused.errors).toEqual([
    expect.objectContaining({ message: expect.stringContaining('Date must be a day such as "2026-01-31"') }),
  ])
})

test('what concerns one entity is its own answer; of one field it is that field’s error', async () => {
  const { id } = await createView('short', 'SELECT i::SMALLINT AS n, i AS v FROM range(3) r(i)', ['n'])
  const answer = await server.graphql(
    '{ features { shortMany(keys: [{ n: 1 }, { n: 70000 }]) { status error { code message } rows { v } } } }',
  )
  expect(answer).toEqual({
    data: {
      features: {
        shortMany: [
          { status: 'FRESH', error: null, rows: [{ v: 1 }] },
          {
            status: 'FAILED',
            error: {
              code: 'BAD_USER_INPUT',
              message: expect.stringContaining('"70000" does not fit the key n'),
            },
            rows: [],
          },
        ],
      },
    },
  })
  const alone = await server.graphql('{ features { short(n: 70000) { v } } }')
  expect(alone.errors).toEqual([
    expect.objectContaining({
      path: ['features', 'short'],
      message: expect.stringContaining('does not fit the key n'),
      extensions: { code: 'BAD_USER_INPUT' },
    }),
  ])
  await remove(id)
  const gone = await server.graphql('{ features { short(n: 1) { v } } }')
  expect(gone.errors?.[0]?.message).toContain('Cannot query field "short" on type "Features"')
})

test('what can be no type is named with its cure, and keeps nothing else from being one', async () => {
  const sql = (n: number) => `SELECT ${n} AS n, 1 AS "日本", 2 AS "a b", 3 AS "a-b"`
  const first = await createView('of_two', sql(1), ['n'])
  const second = await createView('ofTwo', sql(2), ['n'])
  const third = await createView('日本', sql(3), ['n'])
  expect([first, second, third].map(({ graphqlName }) => graphqlName)).toEqual(['ofTwo', null, null])
  const { schemaProblems } = await server.data<{
    schemaProblems: { entry: string; feature: string | null }[]
  }>('{ schemaProblems { entry feature problem cure } }')
  expect(schemaProblems).toEqual([
    {
      entry: 'feature view of_two',
      feature: '日本',
      problem: expect.any(String),
      cure: expect.stringContaining('AS'),
    },
    {
      entry: 'feature view of_two',
      feature: 'a-b',
      problem: expect.any(String),
      cure: expect.stringContaining('AS'),
    },
    {
      entry: 'feature view ofTwo',
      feature: null,
      problem: expect.stringContaining('taken'),
      cure: expect.any(String),
    },
    { entry: 'feature view 日本', feature: null, problem: expect.any(String), cure: expect.any(String) },
  ])
  expect(await server.data('{ features { ofTwo(n: 1) { a_b } } }')).toEqual({
    features: { ofTwo: [{ a_b: 2 }] },
  })
  // The name is free once its holder is gone, and never before.
  await remove(first.id)
  expect(await server.data('{ features { ofTwo(n: 2) { n } } }')).toEqual({ features: { ofTwo: [{ n: 2 }] } })
  await remove(second.id)
  await remove(third.id)
  expect(
    (await server.data<{ schemaProblems: unknown[] }>('{ schemaProblems { entry } }')).schemaProblems,
  ).toEqual([])
})

test('a view whose ETL has not run is a field once it has', async () => {
  const etlPath = `file:${import.meta.dirname}/../../http/etl/keep.sql`
  const own = await openGateway({ ETL_SOURCES: `${import.meta.dirname}/../../http/etl` })
  const first = await own.serve()
  const { queryTrain } = await first.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT 1 AS n, 2 AS v", queryName: "q") { query { id } } }',
  )
  const queryId = queryTrain.query.id
  const etl = await own.services.etlService.resolve(etlPath)
  await first.data(
    'mutation ($queryId: ID!, $etlId: ID!) { createFeatureView(name: "kept", queryId: $queryId, etlId: $etlId, indexKey: "n") { id } }',
    { queryId, etlId: etl.id },
  )
  const problems = () =>
    first.data<{ schemaProblems: { cure: string }[] }>('{ schemaProblems { entry cure } }')
  expect((await problems()).schemaProblems).toEqual([
    { entry: 'feature view kept', cure: expect.stringContaining('extractTrain') },
  ])
  const swapped = new Promise<void>((resolve) => {
    first.schema.onSwap(({ typed }) => typed.has('kept') && resolve())
  })
  await first.data(
    'mutation ($queryId: ID!, $etlPath: String!) { extractTrain(queryId: $queryId, etlPath: $etlPath) { dataset { id } } }',
    { queryId, etlPath },
  )
  await swapped
  expect(await first.data('{ features { kept(n: 1) { v } } }')).toEqual({ features: { kept: [{ v: 2 }] } })
  await first.close()
  // A gateway that starts has it from the beginning.
  const second = await own.serve()
  expect(await second.data('{ features { kept(n: 1) { v } } }')).toEqual({ features: { kept: [{ v: 2 }] } })
  await second.close()
  await own.close()
}, 60_000)

describe('a caller', () => {
  const serveTo = (identity: Identity | null) =>
    gateway.serve({
      services: {
        ...gateway.services,
        access: {
          ...gateway.services.access,
          isRequired: true,
          authentication: { recall: () => identity, identify: async () => identity },
        },
      },
    })

  test('without the scope realtime is told so, for lookups and for what it would follow', async () => {
    await createView('scoped', 'SELECT 1 AS n, 2 AS v', ['n'])
    const trainer: Identity = { ...everyone, scopes: ['train'], grants: (scope) => scope === 'train' }
    const guarded = await serveTo(trainer)
    const answer = await guarded.graphql('{ features { scoped(n: 1) { v } } }')
    expect(answer.errors).toEqual([
      expect.objectContaining({
        message: 'Query.features needs the scope realtime; this caller has train',
        extensions: { code: 'FORBIDDEN', details: { needs: ['realtime'] } },
      }),
    ])
    const sockets = createClient({
      url: `${guarded.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: 'x' },
    })
    const followed = sockets.iterate({ query: 'subscription { scoped(n: 1) { status } }' })
    expect((await followed.next()).value).toMatchObject({
      errors: [{ message: 'Subscription.scoped needs the scope realtime; this caller has train' }],
    })
    await sockets.dispose()
    await guarded.close()
  })

  test('who asks for too much at once is refused before anything is looked up', async () => {
    await createView('cheap', 'SELECT i AS n, i AS v FROM range(3) r(i)', ['n'])
    const keys = Array.from({ length: 10_000 }, (_, n) => ({ n }))
    const ask = (fields: string) =>
      server.graphql(`query ($keys: [CheapKey!]!) { features { cheapMany(keys: $keys) { ${fields} } } }`, {
        keys,
      })
    const aliases = Array.from({ length: 49 }, (_, i) => `a${i}: status`)
    expect((await ask(aliases.join(' '))).errors).toBeUndefined()
    expect((await ask([...aliases, 'rows { n }'].join(' '))).errors?.[0]?.extensions.code).toBe('TOO_LARGE')
  })
})

describe('a subscription', () => {
  const connect = () =>
    createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 3,
      retryWait: async () => {},
    })

  test('gives the rows now and at every change', async () => {
    await createView('names', 'SELECT user_id, name FROM feature_store.users', ['user_id'])
    const sockets = connect()
    const followed = sockets.iterate<{ names: unknown }>({
      query: 'subscription { names(userId: "u") { status rows { name } } }',
    })
    expect((await followed.next()).value?.data?.names).toEqual({ status: 'NOT_FOUND', rows: [] })
    await server.data('mutation { ingest(table: "users", rows: [{ user_id: "u", name: "Ada" }]) { id } }')
    expect((await followed.next()).value?.data?.names).toEqual({ status: 'FRESH', rows: [{ name: 'Ada' }] })
    await followed.return?.()
    await sockets.dispose()
  })

  test('to a view that is removed ends with 4205, upon which clients connect anew and learn what became of it', async () => {
    const going = await createView('going', 'SELECT 1 AS n, 2 AS v', ['n'])
    await createView('staying', 'SELECT 1 AS n, 2 AS v, 3 AS w', ['n'])
    const sockets = connect()
    const closed = new Promise((resolve) =>
      sockets.on('closed', (event) => resolve((event as CloseEvent).code)),
    )
    const gone = sockets.iterate({ query: 'subscription { going(n: 1) { rows { v } } }' })
    const stays = sockets.iterate({ query: 'subscription { staying(n: 1) { rows { w } } }' })
    await Promise.all([gone.next(), stays.next()])
    const end = gone.next()
    const again = stays.next()
    await remove(going.id)
    expect(await closed).toBe(4205)
    await expect(end).rejects.toMatchObject([
      { message: expect.stringContaining('Cannot query field "going" on type "Subscription"') },
    ])
    expect((await again).value).toEqual({ data: { staying: { rows: [{ w: 3 }] } } })
    await stays.return?.()
    await sockets.dispose()
  })

  test('by an event stream ends with an error that says so', async () => {
    const { id } = await createView('streamed', 'SELECT 1 AS n, 2 AS v', ['n'])
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: 'subscription { streamed(n: 1) { rows { v } } }' }),
    })
    const chunks = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('"rows"')) text += (await chunks?.read())?.value ?? ''
    await remove(id)
    for (let step = await chunks?.read(); step && !step.done; step = await chunks?.read()) text += step.value
    expect(text).toContain('The field streamed was removed, or is another now')
    expect(text).toContain('event: complete')
  })
})

test('a view in time gives the row of now or null, of any moment what a training set holds, and answers with its event time', async () => {
  const sql = `SELECT * FROM (VALUES (1::BIGINT, TIMESTAMP '2022-01-01 00:00:00', 6), (1, TIMESTAMP '2022-02-01 00:00:00.000001', 7), (1, TIMESTAMP '2022-03-01', 8), (2, TIMESTAMP '2022-03-01', NULL))
    AS t(driver_id, "at", v)`
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "history") { query { id } } }',
    { sql },
  )
  const { createFeatureView } = await server.data<{ createFeatureView: unknown }>(
    `mutation ($queryId: ID!) {
      createFeatureView(name: "in_time", queryId: $queryId, indexKey: "driver_id", timestampColumn: "at", description: "Drives", owner: "Ada", tags: ["a", "b"],
        features: [{ feature: "v", description: "How many", deprecated: "of old" }]) { graphqlName features { name graphqlName } }
    }`,
    { queryId: queryTrain.query.id },
  )
  expect(createFeatureView).toEqual({ graphqlName: 'inTime', features: [{ name: 'v', graphqlName: 'v' }] })
  const ask = '{ one: inTime(driverId: 1) { v } none: inTime(driverId: 9) { v } }'
  expect(await server.data(`{ features ${ask} }`)).toEqual({ features: { one: { v: 8 }, none: null } })
  expect(await server.data(`{ features(asOf: "2022-02-01T00:00:00.000001Z") ${ask} }`)).toEqual({
    features: { one: { v: 7 }, none: null },
  })
  const answers = await server.data(
    `{ features(asOf: "2022-02-01T00:00:00Z") {
       inTimeMany(keys: [{ driverId: 1 }, { driverId: 2 }, { driverId: "99999999999999999999" }]) { status source eventTime asOf error { code } row { driverId v } }
     } }`,
  )
  const source = 'WAREHOUSE'
  expect(answers).toEqual({
    features: {
      inTimeMany: [
        {
          status: 'FRESH',
          source,
          eventTime: '2022-01-01T00:00:00Z',
          asOf: '2022-02-01T00:00:00.000Z',
          error: null,
          row: { driverId: 1, v: 6 },
        },
        {
          status: 'NOT_FOUND',
          source,
          eventTime: null,
          asOf: '2022-02-01T00:00:00.000Z',
          error: null,
          row: null,
        },
        {
          status: 'FAILED',
          source,
          eventTime: null,
          asOf: null,
          error: { code: 'BAD_USER_INPUT' },
          row: null,
        },
      ],
    },
  })
  const now = await server.data<{ features: { inTimeMany: object[] } }>(
    '{ features { inTimeMany(keys: [{ driverId: 1 }, { driverId: 2 }]) { status eventTime row { v } } } }',
  )
  expect(now.features.inTimeMany).toEqual([
    { status: 'FRESH', eventTime: '2022-03-01T00:00:00Z', row: { v: 8 } },
    { status: 'FRESH', eventTime: '2022-03-01T00:00:00Z', row: { v: null } },
  ])
  const { __type } = await server.data<{ __type: unknown }>(
    '{ __type(name: "InTime") { description fields(includeDeprecated: true) { name description deprecationReason } } }',
  )
  expect(__type).toEqual({
    description: 'Drives\n\nOwner: Ada. Tags: a, b.',
    fields: [
      { name: 'driverId', description: 'driver_id', deprecationReason: null },
      { name: 'v', description: 'How many', deprecationReason: 'of old' },
    ],
  })
})
