// What connections hold, all together: who leaves answers unread or requests unfinished gives way, others are answered, and nothing stays counted.

import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { httpLimits } from '../../src/http/server/limits.ts'
import { type Gateway, openGateway } from './gateway.ts'

const maxHeldBytes = 16_500_000
/** More than a socket of the system's takes at once. */
const answerBytes = 6_000_000
const attackerAddress = '127.0.0.2'
const opened: { destroy(): void }[] = []
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let queryId: string

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve({ limits: { ...httpLimits, heldBytes: maxHeldBytes } })
  const { query } = await gateway.services.training.queryTrain({
    sql: `SELECT i AS n, repeat('x', CASE i WHEN 2 THEN ${answerBytes} WHEN 3 THEN ${answerBytes / 2} ELSE 5 END) AS text
      FROM range(4) r(i)`,
    name: 'q',
    save: true,
    waitMs: 60_000,
  })
  queryId = query?.id ?? ''
  for (const value of ['1', '2', '3']) expect(await lookUp(value)).toBe(200)
})

afterEach(async () => {
  for (const each of opened.splice(0)) each.destroy()
  await expect.poll(() => metric('gateway_held_bytes')).toBe(0)
})

afterAll(async () => {
  await server?.close()
  await gateway?.close()
})

async function metric(name: string): Promise<number> {
  const text = await gateway.services.metrics.registry.metrics()
  const line = text
    .split('\n')
    .find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{reason="memory"}`))
  return Number(line?.split(' ').at(-1) ?? 0)
}

const lookupBody = (value: string) =>
  JSON.stringify({ query_id: queryId, index_key: 'n', index_value: value })

async function lookUp(value: string): Promise<number> {
  const { status } = await server.rest('POST', '/query/realtime', lookupBody(value))
  return status
}

const headOf = (path: string, length: number, more = '') =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`
/** Written so that Node's server has to read it. */
const odd = 'X-A: 1\r\nX-A: 2\r\n'
const graphQL = () =>
  JSON.stringify({
    query: `{ queryRealtime(queryId: "${queryId}", indexKey: "n", indexValue: "2") { rows } }`,
  })

async function overHttp(sent: string) {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port), localAddress: attackerAddress })
  opened.push(socket.on('error', () => undefined).pause())
  await once(socket, 'connect')
  socket.write(sent)
}

async function overWebSocket(send: (socket: WebSocket) => void) {
  const url = `${server.url.replace('http', 'ws')}/graphql`
  const socket = new WebSocket(url, 'graphql-transport-ws', { localAddress: attackerAddress })
  opened.push({ destroy: () => socket.terminate() })
  socket.on('error', () => undefined)
  await once(socket, 'open')
  socket.send('{"type":"connection_init"}')
  await once(socket, 'message')
  send(socket)
}

const filler = (bytes: number) => ' '.repeat(bytes)
const subscribe = () => `{"id":"1","type":"subscribe","payload":${graphQL()}}`

test.each<[name: string, attack: () => Promise<void>, eachBytes: number]>([
  [
    'lookups that are never read',
    () => overHttp(headOf('/query/realtime', lookupBody('2').length) + lookupBody('2')),
    answerBytes,
  ],
  [
    'answers of GraphQL that are never read',
    () => overHttp(headOf('/graphql', graphQL().length, odd) + graphQL()),
    answerBytes,
  ],
  [
    'answers on WebSockets that are never read',
    () =>
      overWebSocket((socket) => {
        socket.pause()
        socket.send(subscribe())
      }),
    answerBytes,
  ],
  ['requests that do not end', () => overHttp(headOf('/graphql', 6_000_001) + filler(6_000_000)), 6_000_000],
  [
    'requests of REST that do not end',
    () => overHttp(headOf('/query/train', 4_000_001) + filler(4_000_000)),
    4_000_000,
  ],
  [
    'lookups that do not end',
    () => overHttp(headOf('/query/realtime', 1_000_001) + filler(1_000_000)),
    1_000_000,
  ],
  [
    'messages that do not end',
    () => overWebSocket((socket) => socket.send(filler(6_000_000), { fin: false })),
    6_000_000,
  ],
])('%s are held up to a bound, beyond it they give way', async (_name, attack, eachBytes) => {
  const refusedBefore = await metric('gateway_refused_total')
  const room = Math.floor(maxHeldBytes / eachBytes)
  for (let i = 1; i <= room + 3; i++) {
    await attack()
    const refused = Math.max(0, i - room)
    await expect
      .poll(async () => ({
        isHeld: (await metric('gateway_held_bytes')) >= Math.min(i, room) * eachBytes,
        isRefused: (await metric('gateway_refused_total')) - refusedBefore >= refused,
      }))
      .toEqual({ isHeld: true, isRefused: true })
    await expect.poll(() => metric('gateway_held_bytes')).toBeLessThanOrEqual(maxHeldBytes)
    expect(await lookUp('1')).toBe(200)
  }
  // Who leaves nothing has room for much, too: the others make it.
  expect(await lookUp('3')).toBe(200)
})
