// Clients that stop reading, on real sockets: they cost bounded memory, and their connections end by a timeout.

import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { httpLimits } from '../../src/http/server/limits.ts'
import type { RealtimeResult } from '../../src/realtime/service.ts'
import { toByteText } from '../../src/values/byte-text.ts'
import { type Gateway, openGateway, type Services } from './gateway.ts'

const patience = { timeout: 60_000, interval: 50 }
const maxAhead = 40
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let told = 0
let asked = 0

beforeAll(async () => {
  gateway = await openGateway()
  const services = { ...gateway.services, realtime: createTalkative(gateway.services.realtime) }
  const config = { ...gateway.config, stallTimeoutMs: 1_000 }
  server = await gateway.serve({ services, config, limits: { ...httpLimits, pingEveryMs: 500 } })
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

/** Half a megabyte for every update, as fast as they are taken, and for every parity. */
function createTalkative(realtime: Services['realtime']): Services['realtime'] {
  const text = 'x'.repeat(512 * 1024)
  const result: RealtimeResult = {
    indexKey: 'n',
    indexValue: '1',
    status: 'FRESH',
    source: 'ONLINE',
    rows: toByteText(JSON.stringify([{ text }])),
    asOfMs: 0,
    eventTime: null,
    changesAt: null,
    error: null,
  }
  return {
    ...realtime,
    async *updates() {
      for (;;) {
        told++
        yield result
      }
    },
    async parity() {
      asked++
      return { sampled: 1, mismatched: 0, missing: 0, extra: 0, undetermined: 0, examples: [text] }
    },
  }
}

/** The server's end of the next connection. */
function nextServerSide(): Promise<Socket> {
  return new Promise((resolve) => {
    const take = (message: unknown) => {
      diagnostics.unsubscribe('net.server.socket', take)
      resolve((message as { socket: Socket }).socket)
    }
    diagnostics.subscribe('net.server.socket', take)
  })
}

/** Sends a request and reads nothing of the answer; resolves to the server's end once that is closed. */
async function askAndStopReading(head: string, body = ''): Promise<Socket> {
  const accepted = nextServerSide()
  const { hostname, port } = new URL(server.url)
  const client = connect({ host: hostname, port: Number(port) })
  client.on('error', () => undefined)
  client.pause()
  client.write(`${head}\r\nhost: localhost\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  const serverSide = await accepted
  if (!serverSide.closed) await once(serverSide, 'close')
  client.destroy()
  return serverSide
}

test.each(['parquet', 'ndjson'])('a stalled download of %s ends, long before it is whole', async (format) => {
  const { dataset } = await gateway.services.training.queryTrain({
    sql: 'SELECT random() AS a, random() AS b, random() AS c FROM range(1500000)',
    name: 'large',
    save: false,
    waitMs: 60_000,
  })
  const bytes = Number(
    (await fetch(`${server.url}/datasets/${dataset.id}.parquet`, { method: 'HEAD' })).headers.get(
      'content-length',
    ),
  )
  expect(bytes).toBeGreaterThan(30_000_000)
  const { bytesWritten } = await askAndStopReading(`GET /datasets/${dataset.id}.${format} HTTP/1.1`)
  expect(bytesWritten).toBeGreaterThan(0)
  expect(bytesWritten).toBeLessThan(bytes / 2)
})

const subscription = 'subscription { featureUpdates(queryId: "q", indexKey: "n", indexValue: "1") { rows } }'

test('a stream of events that nobody reads is paced, and ends', async () => {
  told = 0
  await askAndStopReading(
    'POST /graphql HTTP/1.1\r\ncontent-type: application/json\r\naccept: text/event-stream',
    JSON.stringify({ query: subscription }),
  )
  expect(told).toBeGreaterThan(1)
  expect(told).toBeLessThan(maxAhead)
})

async function openSocket() {
  const accepted = nextServerSide()
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  socket.on('error', () => undefined)
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init' }))
  await once(socket, 'message')
  socket.pause()
  return { socket, serverSide: await accepted }
}

test('a WebSocket that is not read is paced, and ends', async () => {
  told = 0
  const { socket, serverSide } = await openSocket()
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: subscription } }))
  if (!serverSide.closed) await once(serverSide, 'close')
  expect(told).toBeGreaterThan(1)
  expect(told).toBeLessThan(maxAhead)
  socket.terminate()
})

test('of a WebSocket that asks on and on without reading, no more is answered than it has room for', async () => {
  asked = 0
  const { socket, serverSide } = await openSocket()
  for (let i = 0; i < 500; i++) {
    const query = '{ parity(featureViewId: "fv_0") { examples } }'
    socket.send(JSON.stringify({ id: `${i}`, type: 'subscribe', payload: { query } }))
  }
  await vi.waitFor(() => expect(asked).toBeGreaterThan(1), patience)
  if (!serverSide.closed) await once(serverSide, 'close')
  expect(asked).toBeLessThan(200)
  socket.terminate()
})

test('who reads slowly, but reads, gets all of it', async () => {
  const { dataset } = await gateway.services.training.queryTrain({
    sql: 'SELECT random() AS a, random() AS b FROM range(700000)',
    name: 'less',
    save: false,
    waitMs: 60_000,
  })
  const response = await fetch(`${server.url}/datasets/${dataset.id}.parquet`)
  const reader = response.body?.getReader()
  let read = 0
  let slowUntil = performance.now() + 2_500
  for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
    read += chunk.value.length
    if (performance.now() < slowUntil) await new Promise((resolve) => setTimeout(resolve, 50))
    else slowUntil = 0
  }
  expect(read).toBe(Number(response.headers.get('content-length')))
})
