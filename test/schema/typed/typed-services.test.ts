// Feature services as fields: the newest version of each name, out of several views and through an ETL.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { everyone, type Identity } from '../../../src/access/identity.ts'
import { type Gateway, openGateway } from '../../http/gateway.ts'
import { createFolder } from '../../servers/child.ts'

const folder = await createFolder('typed-services')
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>

beforeAll(async () => {
  gateway = await openGateway({ ETL_SOURCES: folder.path })
  server = await gateway.serve()
  await createView(
    'users',
    'SELECT i AS user_id, 9007199254740993 + i AS big, i * 2 AS twice FROM range(5) r(i)',
    'user_id',
  )
  await createView('devices', "SELECT 'd' || i AS device, i / 2.0 AS risk FROM range(3) r(i)", 'device')
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
  await folder.remove()
})

async function createView(name: string, sql: string, indexKey: string) {
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
    { sql, name },
  )
  await server.data(
    'mutation ($name: String!, $queryId: ID!, $indexKey: String!) { createFeatureView(name: $name, queryId: $queryId, indexKey: $indexKey) { id } }',
    { name, queryId: queryTrain.query.id, indexKey },
  )
}

const create = (args: string) =>
  server.data<{ createFeatureService: { id: string; version: number; graphqlName: string | null } }>(
    `mutation { createFeatureService(name: "fraud_model", ${args}) { id version graphqlName } }`,
  )

test('a service is a field, its entity the keys of its views; the next version takes its place', async () => {
  const { createFeatureService: first } = await create(
    'features: [{ view: "users", features: ["big", "twice"] }, { view: "devices", prefix: "device_" }]',
  )
  expect(first).toMatchObject({ version: 1, graphqlName: 'fraudModel' })
  const answer = await server.data(
    `{ features {
       fraudModel(userId: 3, device: "d1") { big twice deviceRisk: device_risk }
       fraudModelMany(keys: [{ userId: 1, device: "nobody" }, { userId: "99999999999999999999", device: "d0" }]) { error { code } views { view status } row { twice } }
     } }`.replace('device_risk', 'deviceRisk'),
  )
  expect(answer).toEqual({
    features: {
      fraudModel: { big: '9007199254740996', twice: 6, deviceRisk: 0.5 },
      fraudModelMany: [
        {
          error: null,
          views: [
            { view: 'users', status: 'FRESH' },
            { view: 'devices', status: 'NOT_FOUND' },
          ],
          row: { twice: 2 },
        },
        { error: { code: 'BAD_USER_INPUT' }, views: [], row: null },
      ],
    },
  })
  await writeFile(
    join(folder.path, 'score.js'),
    'export const columns = { score: "FLOAT64", amount: "DECIMAL(18, 2)" }\nexport function transform(row) { return { score: (row.twice ?? 0) + 0.5, amount: row.amount } }',
  )
  const { createFeatureService: second } = await create(
    `features: [{ view: "users", features: ["twice"] }], etlPath: "file:${folder.path}/score.js",
     requestColumns: [{ name: "amount", type: DECIMAL, storage: "DECIMAL(18,2)" }]`,
  )
  expect(second).toMatchObject({ version: 2, graphqlName: 'fraudModel' })
  expect(
    await server.data('{ features { fraudModel(userId: 3, amount: "12.50") { score amount } } }'),
  ).toEqual({
    features: { fraudModel: { score: 6.5, amount: 12.5 } },
  })
  await server.data('mutation ($id: ID!) { deleteFeatureService(id: $id) }', { id: second.id })
  expect(await server.data('{ features { fraudModel(userId: 4, device: "d0") { twice } } }')).toEqual({
    features: { fraudModel: { twice: 8 } },
  })
  await server.data('mutation ($id: ID!) { deleteFeatureService(id: $id) }', { id: first.id })
  expect(
    (await server.graphql('{ features { fraudModel(userId: 4) { twice } } }')).errors?.[0]?.message,
  ).toContain('Cannot query field "fraudModel"')
})

test('a service is followed: its row now, and again at every change of one of its views, until another version takes its place', async () => {
  await server.data(
    'mutation { createTable(name: "scores", columns: [{ name: "user_id", type: INT64, nullable: false }, { name: "score", type: INT64 }]) { name } }',
  )
  const write = (rows: object[]) => server.rest('POST', '/tables/scores/rows?wait=true', rows)
  await write([{ user_id: 3, score: 1 }])
  await createView(
    'scores',
    'SELECT user_id, sum(score) AS score FROM feature_store.scores GROUP BY user_id',
    'user_id',
  )
  const make = (features: string) =>
    server.data(`mutation { createFeatureService(name: "followed", features: ${features}) { id } }`)
  await make('[{ view: "users", features: ["twice"] }, { view: "scores" }]')
  const codes: number[] = []
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    on: { closed: (event) => void codes.push((event as CloseEvent).code) },
  })
  const answers = client.iterate<{ followed: unknown }>({
    query:
      'subscription { followed(userId: 3) { userId error { code } views { view status } row { twice score } } }',
  })
  const next = async () => (await answers.next()).value?.data?.followed
  const views = ['users', 'scores'].map((view) => ({ view, status: 'FRESH' }))
  const answer = (score: number) => ({ userId: 3, error: null, views, row: { twice: 6, score } })
  expect(await next()).toEqual(answer(1))
  await write([{ user_id: 4, score: 1 }])
  await write([{ user_id: 3, score: 5 }])
  expect(await next()).toEqual(answer(6))
  const ended = next()
  await make('[{ view: "scores" }]')
  await expect(ended).rejects.toMatchObject({ code: 4205 })
  expect(codes).toEqual([4205])
  await client.dispose()
  const unknown = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
  })
  for await (const { data } of unknown.iterate({
    query: 'subscription { followed(userId: "99999999999999999999") { error { code } row { score } } }',
  })) {
    expect(data).toEqual({ followed: { error: { code: 'BAD_USER_INPUT' }, row: null } })
    break
  }
  await unknown.dispose()
})

test('a router of a federated graph needs the scope realtime, and is told no schema where that is closed', async () => {
  const { config, services, serve } = gateway
  const trainer: Identity = { ...everyone, scopes: ['train'], grants: (scope) => scope === 'train' }
  const authentication = { recall: () => trainer, identify: async () => trainer }
  const guarded = await serve({
    config: { ...config, graphql: { ...config.graphql, introspection: false } },
    services: { ...services, access: { ...services.access, isRequired: true, authentication } },
  })
  const refusal = async (query: string) =>
    (await guarded.graphql(query)).errors?.map(({ message }) => message)
  expect(await refusal('{ _entities(representations: []) { __typename } }')).toEqual([
    'Query._entities needs the scope realtime; this caller has train',
  ])
  expect(await refusal('{ ... on Query { _service { sdl } } }')).toEqual([
    expect.stringContaining('INTROSPECTION=false'),
  ])
  expect((await guarded.rest('GET', '/schema.graphql?federation=true')).status).toBe(404)
  await guarded.close()
})
