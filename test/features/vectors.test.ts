// Vectors of several views, on both online stores: what they hold, what fails of them alone, and what they cost.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis } from '../servers/redis.ts'
import { type ServicesGateway, startGateway } from './gateway.ts'

const stores = [
  ['LMDB', async () => ({ settings: {}, stop: async () => {} })],
  [
    'Redis',
    async () => {
      const redis = await startRedis()
      return { settings: { ONLINE_URL: redis.url }, stop: redis.stop }
    },
  ],
] as const

describe.each(stores)('on %s', (_store, open) => {
  let gateway: ServicesGateway
  let stop: () => Promise<void>

  beforeAll(async () => {
    const store = await open()
    stop = store.stop
    gateway = await startGateway(store.settings)
    await gateway.view('drivers', ['driver_id'])
    await gateway.view('cars', ['driver_id'])
    await gateway.view('visits', ['customer', 'shop'])
  })

  afterAll(async () => {
    await gateway?.close()
    await stop?.()
  })

  const all = [{ view: 'drivers' }, { view: 'cars' }, { view: 'visits' }]

  test('one vector an entity, in order, its values as rows are written', async () => {
    const [first, second] = await gateway.vectors({
      features: [{ view: 'drivers' }, { view: 'visits', features: ['n'], prefix: 'v_' }],
      entities: [
        { driver_id: 7, customer: 'u1', shop: 2 },
        { driver_id: '8', customer: 'u2', shop: '1' },
      ],
    })
    expect(first?.features).toEqual({
      name: 'Zoë "Z", }',
      rate: 0.5,
      trips: 10,
      big: '9007199254740993',
      paid: 12.5,
      v_n: 200,
    })
    expect(second?.features).toEqual({ name: null, rate: null, trips: 20, big: 1, paid: null, v_n: 300 })
    expect(first?.entity).toEqual({ driver_id: 7, customer: 'u1', shop: 2 })
    expect(second?.views.map(({ view, status, error }) => [view, status, error])).toEqual([
      ['drivers', 'FRESH', null],
      ['visits', 'FRESH', null],
    ])
    expect([first?.error, second?.error]).toEqual([null, null])
  })

  test('chosen features come in their order, lists and structs whole', async () => {
    const [vector] = await gateway.vectors({
      features: [
        { view: 'cars', features: ['info', 'model'] },
        { view: 'drivers', features: ['trips', 'name'] },
        { view: 'cars', features: ['seats'] },
      ],
      entities: [{ driver_id: 7 }],
    })
    expect(JSON.stringify(vector?.features)).toBe(
      JSON.stringify({
        info: { a: 1, model: 'inner' },
        model: 'Ä',
        trips: 10,
        name: 'Zoë "Z", }',
        seats: [1, 2],
      }),
    )
  })

  test('what one view lacks leaves the others: not found, and more rows than one', async () => {
    const [gone, many] = await gateway.vectors({
      features: [
        { view: 'drivers', features: ['trips'] },
        { view: 'cars', features: ['model'] },
      ],
      entities: [{ driver_id: 9 }, { driver_id: 8 }],
    })
    expect(gone?.features).toEqual({ trips: 30, model: null })
    expect(gone?.views.map(({ status }) => status)).toEqual(['FRESH', 'NOT_FOUND'])
    expect(many?.features).toEqual({ trips: 20, model: null })
    expect(many?.views[1]?.status).toBe('FAILED')
    expect(many?.views[1]?.error?.message).toMatch(/cars has more rows than one where driver_id is "8"/)
    expect(many?.error).toBeNull()
  })

  test.each([
    ['no object', 'u1', /An entity is the text "u1"; it must be an object of driver_id, customer, shop/],
    ['a key that is missing', { driver_id: 7, customer: 'u1' }, /has no shop, by which it is found/],
    ['a key that is null', { driver_id: null, customer: 'u1', shop: 1 }, /has no driver_id/],
    [
      'a key of another type',
      { driver_id: 'seven', customer: 'u1', shop: 1 },
      /"seven" does not fit the key driver_id of type INT64/,
    ],
    ['a number that arrives rounded', { driver_id: 1e30, customer: 'u1', shop: 1 }, /beyond ±2\^53/],
    ['a list as a key', { driver_id: [7], customer: 'u1', shop: 1 }, /has a list as driver_id/],
    [
      'a column that nothing reads',
      { driver_id: 7, customer: 'u1', shop: 1, label: 0 },
      /has "label", which nothing reads/,
    ],
  ])('%s is that entity’s error alone', async (_what, entity, message) => {
    const good = { driver_id: 7, customer: 'u1', shop: 1 }
    const vectors = await gateway.vectors({ features: all, entities: [good, entity, good] })
    expect(vectors[1]?.error).toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(message),
    })
    expect(vectors[1]?.views).toEqual([])
    expect(new Set(Object.values(vectors[1]?.features ?? {}))).toEqual(new Set([null]))
    expect(Object.keys(vectors[1]?.features ?? {})).toEqual(Object.keys(vectors[0]?.features ?? {}))
    for (const vector of [vectors[0], vectors[2]]) {
      expect(vector?.error).toBeNull()
      expect(vector?.features).toMatchObject({ trips: 10, model: 'Ä', n: 100 })
    }
  })

  test('views and entities of a request cost one read of the online store', async () => {
    const entities = Array.from({ length: 600 }, (_, i) => ({
      driver_id: i,
      customer: `u${i % 3}`,
      shop: i % 3,
    }))
    await gateway.vectors({ features: all, entities })
    const before = await gateway.onlineReads()
    const vectors = await gateway.vectors({ features: all, entities })
    expect((await gateway.onlineReads()) - before).toBe(1)
    expect(vectors).toHaveLength(600)
    expect(vectors[7]?.features).toMatchObject({ trips: 10, n: 100 })
    expect(vectors[7]?.views.map(({ source }) => source)).toEqual(['ONLINE', 'ONLINE', 'ONLINE'])
  })

  test('views and services of a typed operation, and of a mixed one, cost one read of the online store', async () => {
    const { errors } = await gateway.createService({
      name: 'riding',
      features: [{ view: 'drivers', features: ['trips'] }, { view: 'visits' }],
    })
    expect(errors).toBeUndefined()
    const operation = `query ($keys: [DriversKey!]!, $entities: [JSON!]!) {
      features {
        drivers(driverId: 7) { trips }
        driversMany(keys: $keys) { rows { name } }
        riding(driverId: 7, customer: "u1", shop: 2) { trips n }
        ridingMany(keys: [{ driverId: 8, customer: "u2", shop: 1 }]) { row { trips n } }
      }
      onlineFeatures(features: [{ view: "cars", features: ["model"] }], entities: $entities) { features }
    }`
    const variables = {
      keys: Array.from({ length: 300 }, (_, i) => ({ driverId: i })),
      entities: Array.from({ length: 300 }, (_, i) => ({ driver_id: i % 8 })),
    }
    // By the whole pipeline first, then by the hot path.
    await gateway.graphql(operation, variables)
    for (const path of ['/graphql?by=yoga', '/graphql']) {
      const before = await gateway.onlineReads()
      const { body } = await gateway.rest('POST', path, { query: operation, variables })
      expect((await gateway.onlineReads()) - before).toBe(1)
      expect(body).toMatchObject({
        data: {
          features: {
            drivers: [{ trips: 10 }],
            riding: { trips: 10, n: 200 },
            ridingMany: [{ row: { trips: 20, n: 300 } }],
          },
        },
      })
    }
  })

  test('no entities are no vectors, and more than there may be are refused', async () => {
    expect(await gateway.vectors({ features: all, entities: [] })).toEqual([])
    const many = Array.from({ length: 4_000 }, (_, i) => ({ driver_id: i, customer: 'u1', shop: 1 }))
    const { errors } = await gateway.askVectors({ features: all, entities: many })
    expect(errors?.[0]?.message).toMatch(
      /4000 entities of 3 views were asked for at once, 12000 index values; at most 10000/,
    )
  })

  test.each([
    ['neither a service nor features', {}, /either by a service/],
    ['both', { service: 's', features: all }, /either by a service/],
    ['a view that is not there', { features: [{ view: 'riders' }] }, /no feature view "riders"/],
    [
      'a view of a near name',
      { features: [{ view: 'Driver' }] },
      /"Driver" in the catalog; did you mean drivers\?/,
    ],
    [
      'a feature of a near name',
      { features: [{ view: 'cars', features: ['modell'] }] },
      /no feature "modell"; did you mean model\? Its features are model/,
    ],
    ['a service that is not there', { service: 'riders' }, /no feature service "riders"/],
    [
      'a feature that is not there',
      { features: [{ view: 'cars', features: ['wheels'] }] },
      /no feature "wheels"; its features are model/,
    ],
  ])('%s is an error of the request', async (_what, asked, message) => {
    const { errors } = await gateway.askVectors({ entities: [{ driver_id: 7 }], ...asked })
    expect(errors?.[0]?.message).toMatch(message)
  })

  test('full names hold the view', async () => {
    const [vector] = await gateway.vectors({
      features: [{ view: 'cars', features: ['model'] }],
      entities: [{ driver_id: 7 }],
      fullNames: true,
    })
    expect(vector?.features).toEqual({ cars__model: 'Ä' })
  })

  test('one view twice, by keys under other names', async () => {
    const visits = (prefix: string, column: string) => ({
      view: 'visits',
      prefix,
      keys: [{ key: 'shop', column }],
    })
    const [vector] = await gateway.vectors({
      features: [visits('here_', 'here'), visits('there_', 'there')],
      entities: [{ customer: 'u1', here: 1, there: 2 }],
    })
    expect(vector?.features).toEqual({ here_n: 100, there_n: 200 })
  })
})
