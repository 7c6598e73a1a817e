// Bodies that the hot path takes from the parser, however they come: in pieces, several on one connection, broken off.

import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from './gateway.ts'

let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let queryId: string

beforeAll(async () => {
  gateway = await openGateway()
  server = await gateway.serve()
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT i AS n FROM range(9) r(i)", queryName: "n") { query { id } } }',
  )
  queryId = queryTrain.query.id
  // From here on it is answered beside Fastify.
  for (let i = 0; i < 9; i++) await server.rest('POST', '/query/realtime', lookup(i))
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

const lookup = (value: number | string) => ({ query_id: queryId, index_key: 'n', index_value: String(value) })

function request(body: string, length = Buffer.byteLength(body)): string {
  return `POST /query/realtime HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`
}

async function openSocket() {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1').setNoDelay(true)
  let text = ''
  socket.on('data', (piece) => {
    text += String(piece)
  })
  await once(socket, 'connect')
  return { socket, text: () => text }
}

/** The rows of each answer that has come. */
const rowsIn = (text: string) => [...text.matchAll(/\{"data":(\[.*?\]),/g)].map(([, rows]) => rows)

test('a body that comes byte by byte is read whole', async () => {
  const { socket, text } = await openSocket()
  for (const byte of request(JSON.stringify(lookup(3)))) {
    if (!socket.write(byte)) await once(socket, 'drain')
  }
  await expect.poll(() => rowsIn(text())).toEqual(['[{"n":3}]'])
  socket.destroy()
})

test('requests sent at once on one connection are answered in order, those that are declined among them', async () => {
  const { socket, text } = await openSocket()
  const bodies = [lookup(1), { ...lookup(2), index_key: 7 }, lookup(3)].map((body) => JSON.stringify(body))
  socket.write(bodies.map((body) => request(body)).join(''))
  await expect
    .poll(() => text().match(/HTTP\/1\.1 \d+/g))
    .toEqual(['HTTP/1.1 200', 'HTTP/1.1 400', 'HTTP/1.1 200'])
  await expect.poll(() => rowsIn(text())).toEqual(['[{"n":1}]', '[{"n":3}]'])
  socket.destroy()
})

test('a body that breaks off leaves the others answered', async () => {
  const broken = await openSocket()
  broken.socket.write(request('{"query_id":', 500))
  const before = await server.rest('POST', '/query/realtime', lookup(4))
  broken.socket.destroy()
  await once(broken.socket, 'close')
  const after = await server.rest('POST', '/query/realtime', lookup(5))
  expect([before.body.data, after.body.data]).toEqual([[{ n: 4 }], [{ n: 5 }]])
})

test('an empty body and one that is not JSON are refused as elsewhere', async () => {
  const { socket, text } = await openSocket()
  socket.write(request('') + request('{"query_id": nonsense}'))
  await expect.poll(() => text().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 400'])
  socket.destroy()
})
