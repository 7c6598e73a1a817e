// The schema is swapped while the server runs: what begins then has the next one, what is under way ends on its own.

import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { createClient as createSocketClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Gateway, openGateway } from './gateway.ts'

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

/** The same with another field of Query, and without featureUpdates. */
function changed(schema: GraphQLSchema): GraphQLSchema {
  const config = schema.toConfig()
  const queries = (schema.getQueryType() as GraphQLObjectType).toConfig()
  const { featureUpdates: _, ...subscriptions } = (
    schema.getSubscriptionType() as GraphQLObjectType
  ).toConfig().fields
  const added = { type: GraphQLString, resolve: () => 'of the next schema' }
  const query = new GraphQLObjectType({ ...queries, fields: { ...queries.fields, added } })
  const subscription = new GraphQLObjectType({ name: 'Subscription', fields: subscriptions })
  const types = config.types.filter(({ name }) => name !== 'Query' && name !== 'Subscription')
  return new GraphQLSchema({ ...config, query, subscription, types })
}

test('operations and caches follow the schema in force; a subscription goes on with its own', async () => {
  const first = server.schema.current
  const { publish } = await server.data<{ publish: { id: string } }>('mutation { publish(nFlows: 1) { id } }')
  await gateway.services.publishing.wait(publish.id)
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    `mutation { queryTrain(query: "SELECT user_id, name FROM feature_store.users", queryName: "users") { query { id } } }`,
  )
  const updates = `subscription { featureUpdates(queryId: "${queryTrain.query.id}", indexKey: "user_id", indexValue: "u") { status } }`
  const sockets = createSocketClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
  })
  const following = sockets.iterate<{ featureUpdates: { status: string } }>({ query: updates })
  expect((await following.next()).value?.data?.featureUpdates).toEqual({ status: 'NOT_FOUND' })

  const added = '{ added }'
  for (let i = 0; i < 2; i++)
    expect((await server.graphql(added)).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  const versions: number[] = []
  const endListening = server.schema.onSwap(({ version }) => versions.push(version))
  server.schema.swap({ ...first, schema: changed(first.schema) })
  for (let i = 0; i < 2; i++)
    expect(await server.graphql(added)).toEqual({ data: { added: 'of the next schema' } })
  const refused = sockets.iterate({ query: updates })
  await expect(refused.next()).rejects.toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])

  await server.data('mutation { ingest(table: "users", rows: [{ user_id: "u", name: "Ada" }]) { id } }')
  expect((await following.next()).value?.data?.featureUpdates).toEqual({ status: 'FRESH' })
  await following.return?.()

  server.schema.swap(first)
  for (let i = 0; i < 2; i++)
    expect((await server.graphql(added)).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  expect(versions).toEqual([first.version + 1, first.version + 2])
  endListening()
  await sockets.dispose()
})
