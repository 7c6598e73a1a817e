// Feature services: versions, what they are pinned to, who may not be deleted before them, and ETLs on top of them.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServicesGateway, startGateway } from './gateway.ts'

interface Service {
  id: string
  name: string
  version: number
  description: string | null
  tags: string[]
  features: { name: string; prefix: string | null; view: { name: string } }[]
  indexKeys: { name: string; type: string }[]
  requestColumns: { name: string; type: string; nullable: boolean }[]
  columns: { name: string; type: string }[]
  etl: { id: string } | null
}

let gateway: ServicesGateway
let names = 0
const newName = () => `service_${++names}`

beforeAll(async () => {
  gateway = await startGateway()
  await gateway.view('drivers', ['driver_id'])
  await gateway.view('cars', ['driver_id'])
  await gateway.view('visits', ['customer', 'shop'])
})

afterAll(() => gateway?.close())

async function create(variables: Record<string, unknown>): Promise<Service> {
  const answer = await gateway.createService(variables)
  if (answer.errors !== undefined) throw new Error(answer.errors[0]?.message)
  return answer.data?.createFeatureService as Service
}

async function refusal(document: string, variables: Record<string, unknown> = {}) {
  const { errors } = await gateway.graphql(document, variables)
  return { code: errors?.[0]?.extensions.code, message: errors?.[0]?.message ?? '' }
}

const remove = (field: string, id: string) =>
  gateway.graphql(`mutation ($id: ID!) { ${field}(id: $id) }`, { id })

test('the same content under the same name is the same entry, other content the next version', async () => {
  const name = newName()
  const features = [
    { view: 'drivers', features: ['trips'] },
    { view: 'visits', prefix: 'v_' },
  ]
  const first = await create({ name, features, description: 'for pricing', tags: ['a'] })
  expect(first).toMatchObject({ name, version: 1, description: 'for pricing', tags: ['a'], etl: null })
  expect(first.id).toMatch(/^svc_/)
  expect(first.features).toEqual([
    { name: 'trips', prefix: null, view: { name: 'drivers' } },
    { name: 'v_n', prefix: 'v_', view: { name: 'visits' } },
  ])
  expect(first.indexKeys).toEqual([
    { name: 'driver_id', type: 'INT64' },
    { name: 'customer', type: 'STRING' },
    { name: 'shop', type: 'INT32' },
  ])
  expect(first.columns).toEqual([
    { name: 'trips', type: 'INT32' },
    { name: 'v_n', type: 'INT32' },
  ])
  expect(await create({ name, features })).toEqual(first)
  const second = await create({ name, features: [...features].reverse() })
  expect([second.version, second.features.map((feature) => feature.name)]).toEqual([2, ['v_n', 'trips']])

  const { data } = await gateway.graphql(
    `query ($name: String!, $id: ID!) {
      newest: featureService(name: $name) { id }  first: featureService(name: $name, version: 1) { id }
      none: featureService(name: $name, version: 3) { id }  node(id: $id) { __typename id }
      featureServices(search: "for PRICING") { totalCount edges { node { id } } }
    }`,
    { name, id: first.id },
  )
  expect(data).toEqual({
    newest: { id: second.id },
    first: { id: first.id },
    none: null,
    node: { __typename: 'FeatureService', id: first.id },
    featureServices: { totalCount: 1, edges: [{ node: { id: first.id } }] },
  })
})

test('no name holds what stands before a version', async () => {
  const features = [{ view: 'drivers', features: ['trips'] }]
  await expect(create({ name: 'pricing@1', features })).rejects.toThrow(/holds @/)
})

test('a deleted version is gone, and its number is not given again', async () => {
  const name = newName()
  const features = [{ view: 'drivers', features: ['trips'] }]
  const { id } = await create({ name, features })
  expect((await remove('deleteFeatureService', id)).data).toEqual({ deleteFeatureService: id })
  expect((await gateway.askVectors({ service: name, entities: [] })).errors?.[0]?.extensions.code).toBe(
    'NOT_FOUND',
  )
  expect((await remove('deleteFeatureService', id)).errors?.[0]?.extensions.code).toBe('NOT_FOUND')
  expect((await create({ name, features })).version).toBe(2)
})

test('is asked by its name, a version or its id', async () => {
  const name = newName()
  const entities = [{ driver_id: 7 }]
  const first = await create({ name, features: [{ view: 'drivers', features: ['trips'] }] })
  const ask = async (service: string) => (await gateway.vectors({ service, entities }))[0]?.features
  expect(await ask(name)).toEqual({ trips: 10 })
  await create({ name, features: [{ view: 'drivers', features: ['rate'] }] })
  // Known it was already; from the answer on it is the new one.
  expect(await ask(name)).toEqual({ rate: 0.5 })
  expect(await ask(`${name}@1`)).toEqual({ trips: 10 })
  expect(await ask(first.id)).toEqual({ trips: 10 })
  expect((await gateway.vectors({ service: name, entities, fullNames: true }))[0]?.features).toEqual({
    drivers__rate: 0.5,
  })
})

test('nothing that a service uses goes before it', async () => {
  const queryId = await gateway.saveQuery('used', "SELECT 1 AS k, 'a' AS v")
  const viewId = await gateway.createView('used', queryId, ['k'])
  const etlPath = await gateway.writeEtl(
    'used.ts',
    'export const transform = ({ v }: { v: string }) => ({ v })',
  )
  const name = newName()
  const service = await create({ name, features: [{ view: 'used' }], etlPath })
  const users = new RegExp(`the feature service ${name}, version 1 \\(${service.id}\\)`)
  for (const [field, id] of [
    ['deleteFeatureView', viewId],
    ['deleteSavedQuery', queryId],
    ['deleteEtl', service.etl?.id ?? ''],
  ] as const) {
    const { errors } = await remove(field, id)
    expect(errors?.[0]?.extensions.code).toBe('CONFLICT')
    expect(errors?.[0]?.message).toMatch(users)
  }
  expect((await gateway.vectors({ service: name, entities: [{ k: 1 }] }))[0]?.features).toEqual({ v: 'a' })
  await remove('deleteFeatureService', service.id)
  for (const [field, id] of [
    ['deleteFeatureView', viewId],
    ['deleteSavedQuery', queryId],
    ['deleteEtl', service.etl?.id ?? ''],
  ] as const)
    expect((await remove(field, id)).data).toEqual({ [field]: id })
})

test('a later version of a query changes no service', async () => {
  const first = await gateway.saveQuery('evolving', "SELECT 1 AS k, 'old' AS v")
  await gateway.createView('evolving', first, ['k'])
  const name = newName()
  await create({ name, features: [{ view: 'evolving' }] })
  const second = await gateway.saveQuery('evolving', "SELECT 1 AS k, 'new' AS v, 2 AS w")
  await gateway.createView('evolving 2', second, ['k'])
  expect((await gateway.vectors({ service: name, entities: [{ k: 1 }] }))[0]?.features).toEqual({ v: 'old' })
})

test('a view that a lookup has made stays once a service uses it', async () => {
  const queryId = await gateway.saveQuery('looked', "SELECT 1 AS k, 'a' AS v")
  await gateway.data(
    'query ($id: ID!) { queryRealtime(queryId: $id, indexKey: "k", indexValue: "1") { status } }',
    { id: queryId },
  )
  const listing = '{ featureViews(first: 100) { edges { node { name implicit query { name } } } } }'
  const find = async () => {
    const { featureViews } = await gateway.data<{
      featureViews: { edges: { node: { name: string; implicit: boolean; query: { name: string } } }[] }
    }>(listing)
    return featureViews.edges.find(({ node }) => node.query.name === 'looked')?.node
  }
  const made = await find()
  expect(made?.implicit).toBe(true)
  await create({ name: newName(), features: [{ view: made?.name }] })
  expect((await find())?.implicit).toBe(false)
})

test.each([
  [
    'features of one name',
    { features: [{ view: 'visits' }, { view: 'visits', keys: [{ key: 'shop', column: 'other' }] }] },
    /Two columns would be named "n"/,
  ],
  [
    'a key of two types',
    { features: [{ view: 'drivers' }, { view: 'visits', keys: [{ key: 'customer', column: 'driver_id' }] }] },
    /"driver_id" would have to be of type INT64 for the feature view drivers, and of type STRING for visits/,
  ],
  [
    'request columns that nothing reads',
    { features: [{ view: 'cars' }], requestColumns: [{ name: 'amount', type: 'FLOAT64' }] },
    /amount are read by nothing/,
  ],
  [
    'a request column twice',
    {
      features: [{ view: 'cars' }],
      etlPath: 'x',
      requestColumns: [
        { name: 'a', type: 'JSON' },
        { name: 'A', type: 'JSON' },
      ],
    },
    /"A" is given twice/,
  ],
  [
    'a request column of no size',
    { features: [{ view: 'cars' }], etlPath: 'x', requestColumns: [{ name: 'a', type: 'DECIMAL' }] },
    /of type DECIMAL needs a storage/,
  ],
  [
    'a request column held as another type',
    {
      features: [{ view: 'cars' }],
      etlPath: 'x',
      requestColumns: [{ name: 'a', type: 'INT32', storage: 'VARCHAR' }],
    },
    /cannot be held as "VARCHAR"/,
  ],
  [
    'a request column named as a feature',
    { features: [{ view: 'cars' }], etlPath: 'x', requestColumns: [{ name: 'model', type: 'STRING' }] },
    /"model": a request column, and the feature model/,
  ],
  [
    'a request column named as a key',
    { features: [{ view: 'cars' }], etlPath: 'x', requestColumns: [{ name: 'driver_id', type: 'INT64' }] },
    /is a column that entities are found by/,
  ],
  ['an empty name', { name: ' ', features: [{ view: 'cars' }] }, /name of a feature service/],
])('%s: no service', async (_what, variables, message) => {
  const { errors } = await gateway.createService({ name: newName(), ...variables })
  expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  expect(errors?.[0]?.message).toMatch(message)
})

const etls = {
  'over.ts': `export function transform(row: { amount: number; rate: number | null; trips: number; driver_id: number }) {
    return { id: row.driver_id, ratio: row.rate === null ? null : row.amount / row.rate, many: row.trips > 15 }
  }`,
  'over.js':
    'export const extract = (rows) => rows.map(({ amount, rate, trips, driver_id }) => ({ id: driver_id, ratio: rate === null ? null : amount / rate, many: trips > 15 }))',
  'over.sql': 'SELECT driver_id AS id, amount / rate AS ratio, trips > 15 AS many FROM input',
}
const requestColumns = [{ name: 'amount', type: 'FLOAT64', nullable: false }]

test.each(Object.entries(etls))(
  'an ETL on top answers for each entity by itself: %s',
  async (file, source) => {
    const etlPath = await gateway.writeEtl(file, source)
    const name = newName()
    const service = await create({
      name,
      features: [{ view: 'drivers', features: ['rate', 'trips'] }],
      etlPath,
      requestColumns,
    })
    expect(service.columns.map((column) => column.name)).toEqual(['id', 'ratio', 'many'])
    expect(service.requestColumns).toEqual([{ name: 'amount', type: 'FLOAT64', nullable: false }])
    const vectors = await gateway.vectors({
      service: name,
      entities: [
        { driver_id: 7, amount: 3 },
        { driver_id: 9, amount: 'much' },
        { driver_id: 8, amount: 1 },
        { driver_id: 9 },
        { driver_id: 9, amount: 2.5 },
      ],
    })
    expect(vectors.map(({ features }) => features)).toEqual([
      { id: 7, ratio: 6, many: false },
      { id: null, ratio: null, many: null },
      { id: 8, ratio: null, many: true },
      { id: null, ratio: null, many: null },
      { id: 9, ratio: 2, many: true },
    ])
    expect(vectors.map(({ error }) => error?.message ?? null)).toEqual([
      null,
      expect.stringMatching(/amount of type FLOAT64 is the text "much"; it must be a finite number/),
      null,
      expect.stringMatching(/amount of type FLOAT64 is nothing; it must be a value/),
      null,
    ])
  },
)

test('requests that go through an ETL together are answered each by its own', async () => {
  const etlPath = await gateway.writeEtl(
    'together.js',
    `export function transform({ n, trips }) {
      if (n % 7 === 0) throw new Error('no ' + n)
      return { n, trips }
    }`,
  )
  const name = newName()
  await create({
    name,
    features: [{ view: 'drivers', features: ['trips'] }],
    etlPath,
    requestColumns: [{ name: 'n', type: 'INT64' }],
  })
  const asked = Array.from({ length: 60 }, (_, i) => i)
  const answers = await Promise.all(
    asked.map((n) =>
      gateway.vectors({
        service: name,
        entities: [
          { driver_id: 7, n },
          { driver_id: 8, n: n + 1000 },
        ],
      }),
    ),
  )
  for (const [n, [first, second]] of answers.entries()) {
    expect([first?.features, second?.features]).toEqual([
      { n: n % 7 === 0 ? null : n, trips: n % 7 === 0 ? null : 10 },
      { n: (n + 1000) % 7 === 0 ? null : n + 1000, trips: (n + 1000) % 7 === 0 ? null : 20 },
    ])
    expect(first?.error?.message ?? '').toMatch(n % 7 === 0 ? new RegExp(`no ${n}\\b`) : /^$/)
  }
})

test('an ETL that fails for one entity fails for it alone, one that drops a row gives nulls', async () => {
  const etlPath = await gateway.writeEtl(
    'failing.js',
    `export function transform({ n, trips, model }) {
      if (n === 30) throw new Error('thirty is too much')
      return model === null && trips === null ? null : { trips, wheels: 4 }
    }`,
  )
  const name = newName()
  await create({
    name,
    features: [
      { view: 'drivers', features: ['trips'] },
      { view: 'cars', features: ['model'] },
    ],
    etlPath,
    requestColumns: [{ name: 'n', type: 'INT64' }],
  })
  const vectors = await gateway.vectors({
    service: name,
    entities: [9, 7, 404, 8].map((driver_id) => ({ driver_id, n: driver_id === 9 ? 30 : 0 })),
  })
  expect(vectors.map(({ features }) => features)).toEqual([
    { trips: null, wheels: null },
    { trips: 10, wheels: 4 },
    { trips: null, wheels: null },
    { trips: null, wheels: null },
  ])
  expect(vectors[0]?.error).toMatchObject({
    code: 'ETL_FAILED',
    message: expect.stringMatching(/thirty is too much/),
  })
  expect(vectors[0]?.views.map(({ status }) => status)).toEqual(['FRESH', 'NOT_FOUND'])
  expect([vectors[1]?.error, vectors[2]?.error]).toEqual([null, null])
  // What is not known of a view is no null that the ETL may be given.
  expect(vectors[3]?.error?.message).toMatch(/cars has more rows than one/)
})

test.each([
  ['does not run', 'export const transform = (row) => ({ x: row.nowhere.y })', /nowhere/],
  ['does not parse', 'export const transform = (row => ', /ETL/],
  [
    'gives many rows for one',
    'export const extract = (rows) => [...rows, ...rows]',
    /gave 2 rows for one entity/,
  ],
])('an ETL that %s is of no service', async (_what, source, message) => {
  const etlPath = await gateway.writeEtl(`bad-${names}.js`, source)
  const name = newName()
  const { errors } = await gateway.createService({ name, features: [{ view: 'drivers' }], etlPath })
  expect(errors?.[0]?.message).toMatch(message)
  expect(
    await refusal('query ($name: String!) { onlineFeatures(service: $name, entities: []) { features } }', {
      name,
    }),
  ).toMatchObject({ code: 'NOT_FOUND' })
  const kept = await gateway.data<{ etls: { totalCount: number } }>('{ etls(search: "bad-") { totalCount } }')
  expect(kept.etls.totalCount).toBe(0)
})

test('an ETL is given values as training is', async () => {
  const etlPath = await gateway.writeEtl(
    'types.js',
    `export function transform(row) {
      return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value]))
    }`,
  )
  const name = newName()
  const columns = [
    { name: 'when', type: 'TIMESTAMP' },
    { name: 'long', type: 'INT64' },
    { name: 'bytes', type: 'BYTES' },
    { name: 'price', type: 'DECIMAL', storage: 'DECIMAL(38,2)' },
  ]
  await create({
    name,
    features: [{ view: 'drivers' }, { view: 'cars', features: ['seats', 'info'] }],
    etlPath,
    requestColumns: columns,
  })
  const entity = {
    driver_id: 7,
    when: '2026-01-31T12:00:00+01:00',
    long: '9007199254740993',
    bytes: 'AAE=',
    price: '123456789012345678901.25',
  }
  expect((await gateway.vectors({ service: name, entities: [entity] }))[0]?.features).toEqual({
    driver_id: 'number',
    when: 'string',
    long: 'bigint',
    bytes: 'object',
    price: 'string',
    name: 'string',
    rate: 'number',
    trips: 'number',
    big: 'bigint',
    paid: 'number',
    seats: 'list',
    info: 'object',
  })
})

test.each(['\0', '\ud800'])('a prefix or a column that no text can be is refused: %j', async (text) => {
  for (const reference of [{ prefix: text }, { keys: [{ key: 'driver_id', column: text }] }]) {
    const { errors } = await gateway.createService({
      name: newName(),
      features: [{ view: 'drivers', ...reference }],
    })
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  }
})
