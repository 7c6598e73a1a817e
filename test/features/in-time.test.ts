// Vectors of views in time: the row whose time has come, out of history too; and the same over REST and Feast's wire.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServicesGateway, startGateway } from './gateway.ts'

let gateway: ServicesGateway

const history = `SELECT * FROM (VALUES
  (1, TIMESTAMP '2026-01-01 00:00:00', 10, 'a'), (1, TIMESTAMP '2026-01-02 12:00:00.000001', 20, NULL),
  (1, TIMESTAMP '9999-01-01 00:00:00', 30, 'c'), (2, TIMESTAMP '2026-01-01 00:00:00', 40, 'ü')) t(user_id, ts, n, word)`

beforeAll(async () => {
  gateway = await startGateway()
  const queryId = await gateway.saveQuery('history', history)
  const create = (name: string, more: string) =>
    gateway.data(
      `mutation ($id: ID!) { createFeatureView(name: "${name}", queryId: $id, indexKey: "user_id", timestampColumn: "ts"${more}) { id } }`,
      { id: queryId },
    )
  await create('history', '')
  const expiring = await gateway.saveQuery('expiring', history)
  await gateway.data(
    'mutation ($id: ID!) { createFeatureView(name: "expiring", queryId: $id, indexKey: "user_id", timestampColumn: "ts", eventTtlSeconds: 60) { id } }',
    { id: expiring },
  )
  await gateway.view('visits', ['customer', 'shop'])
  const etlPath = await gateway.writeEtl(
    'sum.ts',
    'export const transform = (row: { n: number; more: number; word: string | null }) => ({ sum: row.n + row.more, word: row.word })',
  )
  await gateway.createService({
    name: 'plain',
    features: [{ view: 'history' }, { view: 'expiring', prefix: 'e_', features: ['n'] }],
  })
  await gateway.createService({
    name: 'through',
    features: [{ view: 'history' }],
    etlPath,
    requestColumns: [{ name: 'more', type: 'INT64' }],
  })
})

afterAll(() => gateway?.close())

interface Timed {
  features: Record<string, unknown>
  views: { status: string; eventTime: string | null; asOf: string | null }[]
  error: { message: string } | null
}

async function ask(variables: Record<string, unknown>): Promise<Timed[]> {
  const { onlineFeatures } = await gateway.data<{ onlineFeatures: Timed[] }>(
    'query ($service: String, $entities: [JSON!]!, $asOf: DateTime) { onlineFeatures(service: $service, entities: $entities, asOf: $asOf) { features views { status eventTime asOf } error { message } } }',
    variables,
  )
  return onlineFeatures
}

test('a view in time gives the row whose time has come, with that time; an expired one nothing', async () => {
  const [first, second, none] = await ask({
    service: 'plain',
    entities: [{ user_id: 1 }, { user_id: 2 }, { user_id: 3 }],
  })
  expect(first?.features).toEqual({ n: 20, word: null, e_n: null })
  expect(first?.views.map(({ status, eventTime }) => [status, eventTime])).toEqual([
    ['FRESH', '2026-01-02T12:00:00.000001Z'],
    ['EXPIRED', expect.anything()],
  ])
  expect(second?.features).toEqual({ n: 40, word: 'ü', e_n: null })
  expect(none?.features).toEqual({ n: null, word: null, e_n: null })
  expect(none?.views.map(({ status }) => status)).toEqual(['NOT_FOUND', 'NOT_FOUND'])
})

test.each([
  ['2026-01-02T12:00:00Z', [10, 'a', null], [40, 'ü', null]],
  ['2026-01-02T12:00:00.000001Z', [20, null, 20], [40, 'ü', null]],
  ['2026-01-01T00:00:30Z', [10, 'a', 10], [40, 'ü', 40]],
  ['2025-12-31T23:59:59.999999Z', [null, null, null], [null, null, null]],
])('as of %s it is what a training set holds', async (asOf, ...expected) => {
  const vectors = await ask({
    service: 'plain',
    asOf,
    entities: [{ user_id: 1 }, { user_id: 'x' }, { user_id: 2 }],
  })
  expect([vectors[0], vectors[2]].map((vector) => Object.values(vector?.features ?? {}))).toEqual(expected)
  expect(vectors[1]?.error?.message).toMatch(/"x" does not fit the key user_id/)
  expect(Date.parse(vectors[0]?.views[0]?.asOf ?? '')).toBe(Date.parse(asOf))
})

test('as of a moment as of now: what has expired is told from what never was, each with its time', async () => {
  const entities = [{ user_id: 1 }, { user_id: 2 }, { user_id: 3 }]
  const told = async (asOf: string | null) =>
    (await ask({ service: 'plain', entities, asOf })).map(({ views }) =>
      views.map(({ status, eventTime }) => [status, eventTime]),
    )
  const [first, second] = ['2026-01-02T12:00:00.000001Z', '2026-01-01T00:00:00Z']
  const none = ['NOT_FOUND', null]
  expect(await told('2026-01-02T12:01:00.000001Z')).toEqual([
    [
      ['FRESH', first],
      ['FRESH', first],
    ],
    [
      ['FRESH', second],
      ['EXPIRED', second],
    ],
    [none, none],
  ])
  expect((await told('2026-01-02T12:01:00.000002Z'))[0]).toEqual([
    ['FRESH', first],
    ['EXPIRED', first],
  ])
  expect(await told('2025-12-31T23:59:59.999999Z')).toEqual([
    [none, none],
    [none, none],
    [none, none],
  ])
  expect(await told(new Date().toISOString())).toEqual(await told(null))
})

test('a typed field tells the same of the past', async () => {
  const statuses = async (asOf: string) => {
    const { features } = await gateway.data<{ features: { expiringMany: object[] } }>(
      `{ features(asOf: "${asOf}") { expiringMany(keys: [{ userId: 1 }, { userId: 3 }]) { status eventTime row { n } } } }`,
    )
    return features.expiringMany
  }
  const none = { status: 'NOT_FOUND', eventTime: null, row: null }
  const eventTime = '2026-01-02T12:00:00.000001Z'
  expect(await statuses('2026-01-02T12:01:00.000001Z')).toEqual([
    { status: 'FRESH', eventTime, row: { n: 20 } },
    none,
  ])
  expect(await statuses('2026-01-02T12:01:00.000002Z')).toEqual([
    { status: 'EXPIRED', eventTime, row: null },
    none,
  ])
})

test('a row of nothing but nulls is one, as of a moment too', async () => {
  const queryId = await gateway.saveQuery('empty', 'SELECT 1 AS user_id, NULL::INTEGER AS nothing')
  await gateway.createView('empty', queryId, ['user_id'])
  const features = [{ view: 'empty' }]
  const statuses = async (asOf: string | null) => {
    const { onlineFeatures } = await gateway.data<{ onlineFeatures: Timed[] }>(
      'query ($features: [FeatureRefInput!], $entities: [JSON!]!, $asOf: DateTime) { onlineFeatures(features: $features, entities: $entities, asOf: $asOf) { features views { status eventTime asOf } } }',
      { features, entities: [{ user_id: 1 }, { user_id: 2 }], asOf },
    )
    return onlineFeatures.map(({ views }) => views[0]?.status)
  }
  expect(await statuses('2026-01-01T00:00:00Z')).toEqual(['FRESH', 'NOT_FOUND'])
  expect(await statuses(null)).toEqual(['FRESH', 'NOT_FOUND'])
})

test('an ETL on top goes over what was then', async () => {
  const entities = [
    { user_id: 1, more: 5 },
    { user_id: 2, more: 'x' },
  ]
  const [then, failed] = await ask({ service: 'through', asOf: '2026-01-02T00:00:00Z', entities })
  expect(then?.features).toEqual({ sum: 15, word: 'a' })
  expect(failed?.error?.message).toMatch(/more of type INT64 is the text "x"/)
  expect((await ask({ service: 'through', entities }))[0]?.features).toEqual({ sum: 25, word: null })
})

const visits = [{ view: 'visits', features: ['n'], keys: [{ key: 'shop', column: 'where' }] }]

test('REST answers the same, whether or not the body is plain', async () => {
  const entities = [{ user_id: 1 }, { user_id: 'ü' }, { user_id: '2' }]
  const [once, again] = [
    await gateway.rest('POST', '/online-features', { service: 'plain', entities }),
    await gateway.rest('POST', '/online-features', {
      service: 'plain',
      entities,
      as_of: undefined,
      features: undefined,
      full_names: false,
      more: 1,
    }),
  ]
  expect(once.status).toBe(200)
  // The moment that each was chosen for is its own.
  const timeless = (body: unknown) => JSON.stringify(body).replaceAll(/"as_of":"[^"]*"/g, '')
  expect(timeless(again.body)).toBe(timeless(once.body))
  const results = once.body.results as {
    features: unknown
    views: Record<string, unknown>[]
    error?: { code: string }
  }[]
  expect(results.map(({ features }) => features)).toEqual(
    (await ask({ service: 'plain', entities })).map(({ features }) => features),
  )
  expect(results[0]?.views[0]).toMatchObject({
    view: 'history',
    status: 'FRESH',
    event_time: '2026-01-02T12:00:00.000001Z',
  })
  expect(results[1]?.error?.code).toBe('BAD_USER_INPUT')
  const named = await gateway.rest('POST', '/online-features', {
    features: visits,
    entities: [{ customer: 'u1', where: 2 }],
    full_names: true,
  })
  expect(named.body).toMatchObject({ results: [{ features: { visits__n: 200 } }] })
  const then = await gateway.rest('POST', '/online-features', {
    service: 'plain',
    entities: [{ user_id: 1 }],
    as_of: '2026-01-01T01:00:00+01:00',
  })
  expect(then.body).toMatchObject({ results: [{ features: { n: 10, word: 'a', e_n: 10 } }] })
  expect(
    await gateway.rest('POST', '/online-features', { service: 'plain', entities, as_of: 'soon' }),
  ).toMatchObject({ status: 400 })
  expect(await gateway.rest('POST', '/online-features', { service: 'nowhere', entities })).toMatchObject({
    status: 404,
  })
})

test('REST takes features as texts, and says what is wrong with one', async () => {
  const of = (features: unknown) =>
    gateway.rest('POST', '/online-features', {
      features,
      entities: [{ customer: 'u1', shop: 2, user_id: 1 }],
    })
  const inFull = await of([
    { view: 'history', features: ['word', 'n'] },
    { view: 'visits', prefix: 'v_' },
  ])
  const asTexts = await of(['history:word', { view: 'visits', prefix: 'v_' }, 'history:n'])
  expect(inFull.status).toBe(200)
  const featuresOf = ({ body }: typeof inFull) => (body.results as { features: object }[])[0]?.features
  expect(featuresOf(asTexts)).toEqual(featuresOf(inFull))
  expect(Object.keys(featuresOf(await of(['visits'])) ?? {})).toEqual(['n'])

  const reasonOf = async (features: unknown) => {
    const { status, body } = await of(features)
    expect(status).toBe(400)
    return body.reason as string
  }
  expect(await reasonOf(['history:words'])).toContain('has no feature "words"')
  expect(await reasonOf([7])).toMatch(/^body\.features\.0: expected a text, "view" or "view:feature", or an/)
  expect(await reasonOf([{ view: 'history', keys: [{ key: 'a' }] }])).toMatch(
    /keys\.0\.column: Invalid input/,
  )
})

test('Feast’s clients are answered column by column', async () => {
  const asked = { feature_service: 'plain', entities: { user_id: [1, 3] } }
  const { status, body } = await gateway.rest('POST', '/get-online-features', asked)
  expect(status).toBe(200)
  const none = '1970-01-01T00:00:00Z'
  expect(body).toEqual({
    metadata: { feature_names: ['user_id', 'n', 'word', 'e_n'] },
    results: [
      { values: [1, 3], statuses: ['PRESENT', 'PRESENT'], event_timestamps: [none, none] },
      {
        values: [20, null],
        statuses: ['PRESENT', 'NOT_FOUND'],
        event_timestamps: ['2026-01-02T12:00:00.000001Z', none],
      },
      {
        values: [null, null],
        statuses: ['NULL_VALUE', 'NOT_FOUND'],
        event_timestamps: ['2026-01-02T12:00:00.000001Z', none],
      },
      {
        values: [null, null],
        statuses: ['OUTSIDE_MAX_AGE', 'NOT_FOUND'],
        event_timestamps: [expect.any(String), none],
      },
    ],
  })
  const named = await gateway.rest('POST', '/get-online-features', {
    features: ['visits:n', 'history:n'],
    entities: { customer: ['u2'], shop: [1], user_id: [2] },
    full_feature_names: true,
  })
  expect(named.body.metadata).toEqual({
    feature_names: ['customer', 'shop', 'user_id', 'visits__n', 'history__n'],
  })
  expect((named.body.results as { values: unknown[] }[]).map(({ values }) => values[0])).toEqual([
    'u2',
    1,
    2,
    300,
    40,
  ])
  for (const [wrong, message] of [
    [{ ...asked, entities: { user_id: [1], more: [] } }, /1 values of user_id, and 0 of more/],
    [{ features: ['n'], entities: {} }, /view:feature/],
    [{ ...asked, entities: { user_id: ['x'] } }, /does not fit the key user_id/],
  ] as const) {
    const refused = await gateway.rest('POST', '/get-online-features', wrong)
    expect(refused.status).toBe(400)
    expect(refused.body.reason).toMatch(message)
  }
})

test('rows that Feast’s clients push are written and served', async () => {
  await gateway.data(
    'mutation { createTable(name: "trips", columns: [{ name: "driver", type: INT64 }, { name: "seen", type: TIMESTAMP }, { name: "n", type: INT64 }]) { name } }',
  )
  const queryId = await gateway.saveQuery('trips', 'SELECT driver, seen, n FROM feature_store.trips')
  await gateway.data(
    'mutation ($id: ID!) { createFeatureView(name: "trips", queryId: $id, indexKey: "driver", timestampColumn: "seen") { id } }',
    { id: queryId },
  )
  const df = {
    driver: [1, 2, 1],
    seen: ['2026-01-01T00:00:00', '2026-01-01T00:00:00.5', '2026-01-03 00:00:00'],
    n: [1, 2, 3],
  }
  const pushed = await gateway.rest('POST', '/push', {
    push_source_name: 'trips',
    df,
    to: 'online_and_offline',
  })
  expect(pushed).toMatchObject({ status: 200, body: { job_id: expect.stringMatching(/^job_/) } })
  const { body } = await gateway.rest('POST', '/get-online-features', {
    features: ['trips:n'],
    entities: { driver: [1, 2] },
  })
  expect((body.results as { values: unknown[] }[])[1]?.values).toEqual([3, 2])
  expect(await gateway.rest('POST', '/push', { push_source_name: 'nowhere', df })).toMatchObject({
    status: 400,
  })
})
