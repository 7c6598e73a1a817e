// Features in a federated graph: the gateway's schema composed with another service's, and asked through a router.

import { getStitchedSchemaFromSupergraphSdl } from '@graphql-tools/federation'
import { composeServices } from '@theguild/federation-composition'
import { buildSchema, parse } from 'graphql'
import { createSchema, createYoga } from 'graphql-yoga'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServicesGateway, startGateway } from '../../features/gateway.ts'

const maxIndexValues = 1_000
let gateway: ServicesGateway
/** Of the whole graph; requests to our gateway are counted. */
let router: Router

type Router = Awaited<ReturnType<typeof startRouter>>

const history = `SELECT * FROM (VALUES
  (7, TIMESTAMP '2026-01-01 00:00:00', 10), (7, TIMESTAMP '2026-01-02 00:00:00', 20), (8, TIMESTAMP '2026-01-01 00:00:00', 40)) t(driver_id, ts, trips)`

beforeAll(async () => {
  gateway = await startGateway({ MAX_INDEX_VALUES: String(maxIndexValues) })
  await gateway.view('drivers', ['driver_id'])
  await gateway.view('visits', ['customer', 'shop'])
  await gateway.data(
    'mutation ($id: ID!) { createFeatureView(name: "driver_trips", queryId: $id, indexKey: "driver_id", timestampColumn: "ts") { id } }',
    { id: await gateway.saveQuery('history', history) },
  )
  const etlPath = await gateway.writeEtl(
    'fare.ts',
    "export const columns = { fare: 'FLOAT64' }\nexport const transform = (row: { rate: number | null; amount: number }) => ({ fare: row.rate === null ? null : row.rate * row.amount })",
  )
  await gateway.createService({
    name: 'fare',
    features: [{ view: 'drivers', features: ['rate'] }],
    etlPath,
    requestColumns: [{ name: 'amount', type: 'FLOAT64' }],
  })
  router = await startRouter()
})

afterAll(() => gateway?.close())

/** Another team's service: its people have features of ours, which it knows by their keys alone. */
const people = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
  scalar BigInt
  type Query { people: [Person!]! }
  type Person { name: String! trips: DriverTrips driver: DriversAnswer visits: VisitsAnswer fare: FareAnswer }
  type DriverTrips @key(fields: "driverId", resolvable: false) { driverId: Int }
  type DriversAnswer @key(fields: "driverId", resolvable: false) { driverId: BigInt! }
  type VisitsAnswer @key(fields: "customer shop", resolvable: false) { customer: String! shop: Int! }
  type FareAnswer @key(fields: "driverId amount", resolvable: false) { driverId: BigInt! amount: Float }
`
const everybody = [
  ['Zoë', 7, 'u1', 2],
  ['nobody', 1, 'u2', 1],
] as const

const peopleServer = createYoga({
  schema: createSchema({
    typeDefs: people.replace(/extend schema .*/, '').replaceAll(/@key\([^)]*\)/g, ''),
    resolvers: {
      Query: {
        people: () =>
          everybody.map(([name, driverId, customer, shop]) => ({
            name,
            trips: { driverId },
            driver: { driverId },
            visits: { customer, shop },
            fare: { driverId, amount: 10 },
          })),
      },
    },
  }),
})

const subgraph = async (query = '') =>
  (await fetch(`${gateway.url}/schema.graphql?federation=true${query}`)).text()

async function startRouter() {
  const { supergraphSdl, errors } = composeServices([
    { name: 'features', typeDefs: parse(await subgraph()), url: `${gateway.url}/graphql` },
    { name: 'people', typeDefs: parse(people), url: 'http://people/graphql' },
  ])
  if (supergraphSdl === undefined) throw new Error(JSON.stringify(errors))
  const asked: string[] = []
  const schema = getStitchedSchemaFromSupergraphSdl({
    supergraphSdl,
    batch: true,
    httpExecutorOpts: {
      fetch: (async (url: string, init: RequestInit) => {
        if (url.startsWith('http://people')) return peopleServer.fetch(url, init)
        asked.push(String(init.body))
        return fetch(url, init)
      }) as typeof fetch,
    },
  })
  const yoga = createYoga({ schema, maskedErrors: false })
  return {
    asked,
    async ask(query: string) {
      const response = await yoga.fetch('http://router/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      })
      return (await response.json()) as { data?: unknown; errors?: unknown[] }
    },
  }
}

test('through a router people of another service have features of ours, by one request and one read', async () => {
  const query =
    '{ people { name trips { trips } driver { status rows { name big } } visits { rows { n } } fare { row { fare } } } }'
  // What a service reads is planned when it is first asked for.
  await router.ask(query)
  router.asked.length = 0
  const readsBefore = await gateway.onlineReads()
  const answer = await router.ask(query)
  expect(answer).toEqual({
    data: {
      people: [
        {
          name: 'Zoë',
          trips: { trips: 20 },
          driver: { status: 'FRESH', rows: [{ name: 'Zoë "Z", }', big: '9007199254740993' }] },
          visits: { rows: [{ n: 200 }] },
          fare: { row: { fare: 5 } },
        },
        {
          name: 'nobody',
          // The router keeps what the other service said of it.
          trips: { trips: null },
          driver: { status: 'NOT_FOUND', rows: [] },
          visits: { rows: [{ n: 300 }] },
          fare: { row: { fare: null } },
        },
      ],
    },
  })
  expect(router.asked).toHaveLength(1)
  expect((await gateway.onlineReads()) - readsBefore).toBe(1)
  expect(await router.ask('{ features { driverTrips(driverId: 8) { trips } } }')).toEqual({
    data: { features: { driverTrips: { trips: 40 } } },
  })
})

test('what a graph composes is the file, what `_service` gives, and of a tag its entries alone; clients have nothing of it', async () => {
  const text = await subgraph()
  expect(await gateway.data('{ _service { sdl } }')).toEqual({ _service: { sdl: text } })
  expect(text).toContain('type DriverTrips @key(fields: "driverId") {')
  expect(text).toContain('type VisitsAnswer @key(fields: "customer shop") {')
  expect(text).not.toMatch(/SavedQuery|Mutation|_entities/)
  expect(await subgraph('&tag=none')).not.toContain('type ')
  const clients = buildSchema(await (await fetch(`${gateway.url}/schema.graphql`)).text())
  expect(clients.getType('_Entity')).toBeUndefined()
  expect(clients.getQueryType()?.getFields()).not.toHaveProperty('_entities')
})

const entities = `query ($representations: [_Any!]!) { _entities(representations: $representations) {
  ... on DriverTrips { driverId trips } ... on DriversAnswer { big: driverId rows { rate } } ... on FareAnswer { error { code } row { fare } } } }`

describe('representations', () => {
  const ask = (representations: readonly unknown[]) =>
    gateway.graphql(entities, { representations: [...representations] })

  test('in literals and in variables are the same, and others’ fields are left alone', async () => {
    const expected = {
      _entities: [
        { big: 8, rows: [{ rate: null }] },
        { driverId: 7, trips: 20 },
      ],
    }
    const given = [
      { __typename: 'DriversAnswer', driverId: '8', name: 'another service’s' },
      { __typename: 'DriverTrips', driverId: 7 },
    ]
    expect(await ask(given)).toEqual({ data: expected })
    const literal =
      '[{ __typename: "DriversAnswer", driverId: 8 }, { __typename: "DriverTrips", driverId: 7 }]'
    expect(
      await gateway.graphql(
        entities.replace(/query \([^)]*\)/, 'query').replace('$representations', literal),
      ),
    ).toEqual({ data: expected })
  })

  test('that are wrong are errors of their own, and take none of the others', async () => {
    const wrong: [unknown, string][] = [
      [{ __typename: 'SavedQuery', id: 'x' }, 'not "SavedQuery"'],
      [{ __typename: 'Drivers', driverId: 7 }, 'not "Drivers"'],
      [{ __typename: ['DriverTrips'], driverId: 7 }, 'not ["DriverTrips"]'],
      [{ driverId: 7 }, 'not undefined'],
      [{ __typename: 'DriverTrips' }, 'driverId of a representation of DriverTrips is missing: it is a Int'],
      [{ __typename: 'DriverTrips', driverId: null }, 'is missing'],
      [{ __typename: 'DriverTrips', driverId: { $gt: 0 } }, 'Int cannot represent'],
      [{ __typename: 'DriverTrips', driverId: 'x'.repeat(100_000) }, '…'],
      [{ __typename: 'constructor', driverId: 7 }, 'not "constructor"'],
      ['DriverTrips', 'not "DriverTrips"'],
      [[], 'not []'],
    ]
    const good = { __typename: 'DriverTrips', driverId: 7 }
    const { data, errors = [] } = await ask([...wrong.map(([each]) => each), good])
    expect(data?._entities).toEqual([...wrong.map(() => null), { driverId: 7, trips: 20 }])
    expect(errors.map(({ path }) => path)).toEqual(wrong.map((_, i) => ['_entities', i]))
    for (const [i, [, message]] of wrong.entries()) {
      expect(errors[i]?.extensions.code).toBe('BAD_USER_INPUT')
      expect(errors[i]?.message).toContain(message)
      expect(errors[i]?.message.length).toBeLessThan(300)
    }
  })

  test('of a request column are judged with it', async () => {
    const { data } = await ask([
      { __typename: 'FareAnswer', driverId: 7, amount: 4 },
      { __typename: 'FareAnswer', driverId: '99999999999999999999', amount: 4 },
    ])
    expect(data?._entities).toEqual([
      { error: null, row: { fare: 2 } },
      { error: { code: 'BAD_USER_INPUT' }, row: null },
    ])
  })

  test('are as many as index values may be: more, or more than an operation may cost, are refused whole', async () => {
    const many = (length: number) =>
      Array.from({ length }, (_, i) => ({ __typename: 'DriverTrips', driverId: i }))
    const { data } = await ask(many(maxIndexValues))
    expect(data?._entities).toHaveLength(maxIndexValues)
    const readsBefore = await gateway.onlineReads()
    for (const length of [maxIndexValues + 1, 100_000]) {
      const { data: none, errors } = await ask(many(length))
      expect(none).toBeNull()
      expect(errors).toHaveLength(1)
      expect(errors?.[0]?.extensions.code).toBe('TOO_LARGE')
    }
    expect(await gateway.onlineReads()).toBe(readsBefore)
  })
})
