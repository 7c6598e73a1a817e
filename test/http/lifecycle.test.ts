// The server's beginning and end: ports that cannot be had, answers under way, streams and sockets that are open.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { ConfigError } from '../../src/config/config-error.ts'
import { type Gateway, openGateway } from './gateway.ts'

let gateway: Gateway

beforeAll(async () => {
  gateway = await openGateway()
})

afterAll(() => gateway.close())

test('a port that is in use is one clear sentence', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const failure = await gateway
    .serve({ config: { ...gateway.config, port } })
    .catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(ConfigError)
  expect(String(failure)).toContain(`Port ${port} on 127.0.0.1 is in use`)
  expect(String(failure)).toContain('set PORT')
  other.close()
})

test('an address that is not of this machine is one clear sentence', async () => {
  const failure = await gateway
    .serve({ config: { ...gateway.config, host: '192.0.2.1' } })
    .catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(ConfigError)
  expect(String(failure)).toContain('HOST=192.0.2.1')
})

test('closing ends open streams and sockets, and the answers under way come whole', async () => {
  const slow = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const server = await gateway.serve({
    services: {
      ...gateway.services,
      realtime: {
        ...gateway.services.realtime,
        async parity() {
          asked.resolve()
          await slow.promise
          return { sampled: 1, mismatched: 0, missing: 0, extra: 0, undetermined: 0, examples: [] }
        },
      },
    },
  })
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT i AS n FROM range(3) r(i)", queryName: "n") { query { id } } }',
  )
  const query = `subscription { featureUpdates(queryId: "${queryTrain.query.id}", indexKey: "n", indexValue: "1") { rows } }`

  const stream = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query }),
  })
  const streamed = stream.text()
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
  const closed = new Promise((resolve) =>
    client.on('closed', (event) => resolve((event as { code: number }).code)),
  )
  const following = client.iterate({ query })
  await following.next()
  const answer = server.data('{ parity(featureViewId: "fv_0") { sampled } }')
  await asked.promise

  const closing = server.close()
  expect(await closed).toBe(1001)
  expect(await streamed).toContain('event: next')
  slow.resolve()
  expect(await answer).toEqual({ parity: { sampled: 1 } })
  await closing
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow()
})

test('closing before listening, and closing twice, do no harm', async () => {
  const server = await gateway.serve()
  await Promise.all([server.close(), server.close()])
})
