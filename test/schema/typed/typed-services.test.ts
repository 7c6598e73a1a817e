// Feature services as fields: the newest version of each name, out of several views and through an ETL.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
