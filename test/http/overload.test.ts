// More than the gateway can do: it says so at once, to whoever is too many, and answers the others as ever.

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type Gateway, openGateway, type Services } from './gateway.ts'

const patience = { timeout: 60_000, interval: 20 }
let gateway: Gateway

beforeAll(async () => {
  gateway = await openGateway({ TRAIN_CONCURRENCY: '1', TRAIN_QUEUE: '1', PUBLISH_QUEUE: '1' })
})

afterAll(() => gateway.close())

/** The gateway's services with lookups and parity that wait until `release` is called, and how many do. */
function holdBack(services: Services) {
  const released = Promise.withResolvers<void>()
  const held = { lookups: 0, parity: 0 }
  const realtime: Services['realtime'] = {
    ...services.realtime,
    createLoader: (caller) => ({
      async load(target, values) {
        held.lookups++
        await released.promise
        return services.realtime.createLoader(caller).load(target, values)
      },
    }),
    async parity() {
      held.parity++
      await released.promise
      return { sampled: 0, mismatched: 0, missing: 0, extra: 0, undetermined: 0, examples: [] }
    },
  }
  return { services: { ...services, realtime }, held, release: released.resolve }
}

async function post(url: string, body: unknown) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const { status } = response
  const retryAfter = response.headers.get('retry-after')
  return { status, retryAfter, body: (await response.json()) as Record<string, unknown> }
}

const parity = { query: '{ parity(featureViewId: "fv_0") { sampled } }' }
const overloaded = { code: 'RATE_LIMITED', details: { reason: 'OVERLOADED', retryAfterSeconds: 1 } }

describe('beyond MAX_REQUESTS', () => {
  test('a request is 503 with Retry-After, on GraphQL, REST and WebSocket alike, while health is told', async () => {
    const { services, held, release } = holdBack(gateway.services)
    const server = await gateway.serve({ services, config: { ...gateway.config, maxRequests: 2 } })
    const first = [post(`${server.url}/graphql`, parity), post(`${server.url}/graphql`, parity)]
    await vi.waitFor(() => expect(held.parity).toBe(2), patience)

    const refused = await post(`${server.url}/graphql`, parity)
    expect(refused).toMatchObject({ status: 503, retryAfter: '1' })
    expect(refused.body).toMatchObject({ errors: [{ extensions: overloaded }] })
    expect(
      await post(`${server.url}/query/train`, { query: 'SELECT 1 AS a', query_name: 'a' }),
    ).toMatchObject({
      status: 503,
      retryAfter: '1',
      body: { code: 'RATE_LIMITED' },
    })
    const socket = createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
    })
    await expect(socket.iterate({ query: '{ __typename }' }).next()).rejects.toMatchObject([
      { extensions: overloaded },
    ])
    await socket.dispose()
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)

    release()
    for (const answered of await Promise.all(first)) expect(answered.status).toBe(200)
    expect((await post(`${server.url}/graphql`, parity)).status).toBe(200)
    await server.close()
  })

  test('lookups are counted apart: others leave them their room, and they each other theirs', async () => {
    const { queryTrain } = await (await gateway.serve()).data<{ queryTrain: { query: { id: string } } }>(
      'mutation { queryTrain(query: "SELECT i AS n FROM range(3) r(i)", queryName: "n") { query { id } } }',
    )
    const lookup = { query_id: queryTrain.query.id, index_key: 'n', index_value: '1' }
    const { services, held, release } = holdBack(gateway.services)
    const server = await gateway.serve({ services, config: { ...gateway.config, maxRequests: 1 } })
    const other = post(`${server.url}/graphql`, parity)
    await vi.waitFor(() => expect(held.parity).toBe(1), patience)
    const first = post(`${server.url}/query/realtime`, lookup)
    await vi.waitFor(() => expect(held.lookups).toBe(1), patience)
    expect(await post(`${server.url}/query/realtime`, lookup)).toMatchObject({
      status: 503,
      retryAfter: '1',
      body: { code: 'RATE_LIMITED' },
    })
    const byGraphQL = await post(`${server.url}/graphql`, parity)
    expect(byGraphQL.body).toMatchObject({ errors: [{ extensions: overloaded }] })
    release()
    expect(await first).toMatchObject({ status: 200, body: { data: [{ n: 1 }] } })
    expect((await other).status).toBe(200)
    expect((await post(`${server.url}/query/realtime`, lookup)).status).toBe(200)
    await server.close()
  })
})

test('a process that cannot keep up turns requests away until it has caught up', async () => {
  const server = await gateway.serve({ config: { ...gateway.config, maxEventLoopDelayMs: 50 } })
  const busy = setInterval(() => {
    const until = performance.now() + 300
    while (performance.now() < until);
  }, 1)
  try {
    await vi.waitFor(async () => {
      const { status, retryAfter } = await post(`${server.url}/graphql`, { query: '{ __typename }' })
      expect([status, retryAfter]).toEqual([503, '1'])
    }, patience)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  } finally {
    clearInterval(busy)
  }
  await vi.waitFor(async () => {
    expect((await post(`${server.url}/graphql`, { query: '{ __typename }' })).status).toBe(200)
  }, patience)
  await server.close()
})

describe('a queue that is full', () => {
  test('of datasets refuses more of them, over REST with 503 and Retry-After', async () => {
    const server = await gateway.serve()
    const slow =
      'WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 10000000) SELECT count(*) AS n FROM t'
    const start = (name: string) =>
      server.graphql(
        'mutation ($query: String!, $name: String!) { queryTrain(query: $query, queryName: $name, waitMs: 0) { dataset { id } } }',
        { query: slow, name },
      )
    const begun = [await start('one'), await start('two')]
    const third = await start('three')
    expect(third.errors?.[0]).toMatchObject({
      message: expect.stringContaining('TRAIN_QUEUE'),
      extensions: { code: 'RATE_LIMITED', details: { reason: 'OVERLOADED', retryAfterSeconds: 10 } },
    })
    expect(
      await post(`${server.url}/query/train`, { query: 'SELECT 1 AS a', query_name: 'a' }),
    ).toMatchObject({
      status: 503,
      retryAfter: '10',
      body: { reason: expect.stringContaining('TRAIN_QUEUE') },
    })
    for (const { data } of begun) {
      const started = data?.queryTrain as { dataset: { id: string } } | undefined
      await gateway.services.training.cancel(started?.dataset.id ?? '')
    }
    expect(
      (await post(`${server.url}/query/train`, { query: 'SELECT 1 AS a', query_name: 'a' })).status,
    ).toBe(200)
    await server.close()
  })

  test('of publish jobs refuses more of them until one has ended', async () => {
    const server = await gateway.serve()
    const { publish } = await server.data<{ publish: { id: string } }>(
      'mutation { publish(nFlows: 1000000, seed: 1) { id } }',
    )
    const second = await fetch(`${server.url}/publish?n_flows=1`, { method: 'PUT' })
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '10'])
    const ingest = await server.graphql('mutation { ingest(table: "users", rows: [{user_id: "u"}]) { id } }')
    expect(ingest.errors?.[0]?.message).toContain('PUBLISH_QUEUE')
    await gateway.services.publishing.cancel(publish.id)
    expect((await fetch(`${server.url}/publish?n_flows=1`, { method: 'PUT' })).status).toBe(200)
    await server.close()
  })
})

test('a burst of lookups, training and publishes leaves the gateway answering', async () => {
  const server = await gateway.serve({ config: { ...gateway.config, maxRequests: 20 } })
  const bursts = Array.from({ length: 300 }, (_, i) =>
    i % 3 === 0
      ? post(`${server.url}/query/train`, { query: `SELECT ${i} AS a`, query_name: 'a' })
      : post(`${server.url}/graphql`, { query: `{ q${i}: __typename }` }),
  )
  const statuses = (await Promise.all(bursts)).map(({ status }) => status)
  expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([])
  expect(statuses).toContain(200)
  await sleep(0)
  expect((await post(`${server.url}/graphql`, { query: '{ __typename }' })).status).toBe(200)
  await server.close()
})
