// Connections made to hurt: bodies that swell, requests that drip, floods; each costs bounded memory and an end, and others are served meanwhile.

import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { httpLimits } from '../../src/http/server/limits.ts'
import { crowding } from '../crowding.ts'
import { heldMemory, usedMemory } from '../held-memory.ts'
import { type Gateway, openGateway } from '../http/gateway.ts'

const headersMs = 600
const requestMs = 1_200
const stallMs = 1_500
let gateway: Gateway
let server: Awaited<ReturnType<Gateway['serve']>>
let lookup: string

beforeAll(async () => {
  gateway = await openGateway()
  const config = {
    ...gateway.config,
    stallTimeoutMs: stallMs,
    maxSubscriptions: 20,
    maxConnectionsPerCaller: 3_000,
  }
  server = await gateway.serve({
    config,
    // A ping is answered by this process too, which may be busy for a while with what a test sends.
    limits: { ...httpLimits, headersMs, requestMs, connectionInitMs: 800, pingEveryMs: 2_000 },
  })
  const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT i AS n FROM range(9) r(i)", queryName: "n") { query { id } } }',
  )
  lookup = JSON.stringify({ query_id: queryTrain.query.id, index_key: 'n', index_value: '1' })
  await server.rest('POST', '/query/realtime', lookup)
})

afterAll(async () => {
  await server.close()
  await gateway.close()
})

/** Whoever else is there is answered, also while the last of an attack is being ended. */
afterEach(async () => {
  await vi.waitFor(
    async () => expect((await server.rest('POST', '/query/realtime', lookup)).body.data).toEqual([{ n: 1 }]),
    { timeout: 20_000 },
  )
})

const head = (path: string, more: readonly string[] = []) =>
  [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', ...more, '', ''].join('\r\n')

async function open(url = server.url) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).setNoDelay(true)
  socket.on('error', () => undefined)
  let received = ''
  socket.on('data', (piece) => {
    received += String(piece)
  })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'connect')
  return { socket, closed, received: () => received }
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

const memoryMb = () => process.memoryUsage().rss / 2 ** 20

/** The most that is held from here on beyond what was, garbage not counted: a collection is made where all would be too much. */
function watchMemory(bound: number, waiting: () => number) {
  const before = heldMemory()
  let mostHeld = 0
  let mostWaiting = 0
  const look = () => {
    mostWaiting = Math.max(mostWaiting, waiting())
    if (usedMemory() - before >= bound) mostHeld = Math.max(mostHeld, heldMemory() - before)
  }
  const timer = setInterval(look, 1_000)
  return {
    end() {
      clearInterval(timer)
      look()
      return { mostHeld: Math.max(mostHeld, heldMemory() - before), mostWaiting }
    },
  }
}

describe('a body that swells when it is unpacked is not unpacked', () => {
  const swollen = Buffer.alloc(200 * 2 ** 20, ' ')
  test.each([
    ['gzip', gzipSync(swollen)],
    ['deflate', deflateSync(swollen)],
    ['br', brotliCompressSync(swollen, { params: { 1: 1 } })],
  ])('%s', async (encoding, body) => {
    for (const path of ['/graphql', '/query/realtime', '/query/train', '/ingest']) {
      const before = memoryMb()
      const response = await fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': encoding },
        body: new Uint8Array(body),
      })
      await response.text()
      expect(`${path} ${response.status}`).toMatch(/ 4\d\d$/)
      expect(memoryMb() - before).toBeLessThan(100)
    }
  })
})

describe('what drips is not waited for, however long it goes on dripping:', () => {
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  const body = '{"query":"{ __typename }"}'
  test.concurrent.each([
    ['a head for GraphQL', '', head('/graphql', ['Content-Length: 2'])],
    ['a head for REST', '', head('/query/train', ['Content-Length: 2'])],
    ['a head with the same header again and again', 'POST /graphql HTTP/1.1\r\n', 'X-A: 1\r\n'.repeat(200)],
    ['the upgrade to a WebSocket', 'GET /graphql HTTP/1.1\r\n', `${upgrade.join('\r\n')}\r\n`],
    ['a body for GraphQL', head('/graphql', ['Content-Length: 900']), ' '.repeat(900)],
    ['a body for a lookup', head('/query/realtime', ['Content-Length: 900']), ' '.repeat(900)],
    ['a body for training', head('/query/train', ['Content-Length: 900']), ' '.repeat(900)],
    ['a body in chunks', head('/graphql', ['Transfer-Encoding: chunked']), '1\r\n \r\n'.repeat(200)],
    ['a second request', `${head('/graphql', [`Content-Length: ${body.length}`])}${body}`, head('/graphql')],
  ])('%s', async (_name, first, dripping) => {
    const { socket, closed, received } = await open()
    const beganAtMs = performance.now()
    socket.write(first)
    let at = 0
    const dripper = setInterval(() => socket.write(dripping.charAt(at++ % dripping.length)), 40)
    await closed
    clearInterval(dripper)
    expect(performance.now() - beganAtMs).toBeLessThan(requestMs + 8_000)
    expect(received()).toContain('HTTP/1.1 408')
  })
})

describe('a refused body is answered where its client can read why, and the next request on its connection too:', () => {
  test.each([
    ['too long for GraphQL', '/graphql', 33, 'HTTP/1.1 413'],
    ['too long for REST', '/query/train', 5, 'HTTP/1.1 413'],
    ['more than there is room for', '/graphql', 3, 'HTTP/1.1 503'],
  ])('%s', async (_name, path, megabytes, refusal) => {
    const cramped = await gateway.serve({ limits: { ...httpLimits, heldBytes: 2 ** 20 } })
    const { socket, closed, received } = await open(cramped.url)
    const body = Buffer.alloc(megabytes * 2 ** 20, ' ')
    socket.write(head(path, [`Content-Length: ${body.length}`]))
    socket.write(body.subarray(0, 2 ** 21))
    await expect.poll(received).toContain(refusal)
    socket.write(body.subarray(2 ** 21))
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await closed
    expect(received().match(/HTTP\/1\.1 \d+/g)).toEqual([refusal, 'HTTP/1.1 200'])
    await cramped.close()
  })
})

test('a body without end is refused once it is too long', async () => {
  // However long its sending takes.
  const patient = await gateway.serve()
  const { socket, closed, received } = await open(patient.url)
  let sent = 0
  const piece = Buffer.from(`100000\r\n${'x'.repeat(2 ** 20)}\r\n`)
  socket.write(head('/graphql', ['Transfer-Encoding: chunked']))
  while (!socket.destroyed && sent < 200 && !received().includes('HTTP/1.1')) {
    sent++
    const isFull = !socket.write(piece)
    if (isFull)
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed, sleep(200)])
  }
  // An answer can be lost on a connection that is closed while its client still sends.
  const isRefused = () => socket.destroyed || received().startsWith('HTTP/1.1 413')
  await expect.poll(isRefused).toBe(true)
  expect(received()).toMatch(/^(HTTP\/1\.1 413|$)/)
  expect(sent).toBeLessThan(150)
  socket.destroy()
  await patient.close()
})

describe('a client that sends on and on and reads nothing', () => {
  /** Of 12 MB that it sends. */
  const mostMb = 8
  test.each([
    ['of lookups', '/query/realtime', () => lookup],
    ['of operations', '/graphql', () => '{"query":"{ __typename }"}'],
    ['of failing requests', '/query/train', () => '{}'],
  ])('is read no further: a pipeline %s', async (_name, path, body) => {
    const request = `${head(path, [`Content-Length: ${Buffer.byteLength(body())}`])}${body()}`
    const accepted = nextServerSide()
    const { socket } = await open()
    socket.pause()
    const flood = Buffer.from(request.repeat(Math.ceil((12 * 2 ** 20) / request.length)))
    const serverSide = await accepted
    const memory = watchMemory(mostMb * 2 ** 20, () => serverSide.writableLength)
    socket.write(flood)
    const waited = await Promise.race([once(serverSide, 'close'), sleep(4_000)])
    // It is dropped, or the system's own buffers held all that was answered.
    const { mostHeld, mostWaiting } = memory.end()
    expect(mostHeld).toBeLessThan(mostMb * 2 ** 20)
    expect(mostWaiting).toBeLessThan(4 * 2 ** 20)
    if (waited !== undefined) expect(serverSide.bytesRead).toBeLessThan(flood.length)
    socket.destroy()
  })

  // The socket's own timer would not end it: it is set anew by whatever is read.
  test('is dropped: pings on a WebSocket', async () => {
    const accepted = nextServerSide()
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    socket.on('error', () => undefined)
    await once(socket, 'open')
    const serverSide = await accepted
    socket.send('{"type":"connection_init"}')
    await once(socket, 'message')
    socket.pause()
    let most = 0
    const data = Buffer.alloc(125, 'p')
    const untilMs = performance.now() + 10_000
    while (!serverSide.destroyed && performance.now() < untilMs) {
      // Pongs that nobody asked for make it look alive.
      socket.pong()
      for (let k = 0; k < 1_000; k++) socket.ping(data)
      most = Math.max(most, serverSide.writableLength)
      await new Promise((resolve) => setImmediate(resolve))
      if (socket.bufferedAmount > 32 * 2 ** 20) await sleep(20)
    }
    expect(serverSide.destroyed).toBe(true)
    expect(most).toBeLessThan(4 * 2 ** 20)
    socket.terminate()
  })
})

describe('a WebSocket', () => {
  const url = () => `${server.url.replace('http', 'ws')}/graphql`

  test('may follow so much and no more, however often it asks', async () => {
    const socket = new WebSocket(url(), 'graphql-transport-ws')
    await once(socket, 'open')
    socket.send('{"type":"connection_init"}')
    await once(socket, 'message')
    const kinds: Record<string, number> = {}
    socket.on('message', (data) => {
      const { type } = JSON.parse(String(data)) as { type: string }
      kinds[type] = (kinds[type] ?? 0) + 1
    })
    const { query_id: queryId } = JSON.parse(lookup) as { query_id: string }
    const query = `subscription { featureUpdates(queryId: "${queryId}", indexKey: "n", indexValue: "2") { status } }`
    for (let i = 0; i < 2_000; i++)
      socket.send(JSON.stringify({ id: String(i), type: 'subscribe', payload: { query } }))
    await expect.poll(() => kinds.error, { timeout: 60_000 }).toBe(1_980)
    await expect.poll(() => kinds.next).toBe(20)
    socket.close()
    await once(socket, 'close')
  })

  test('whose client is gone without a word is closed', async () => {
    const accepted = nextServerSide()
    const { socket } = await open()
    socket.write(
      'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    )
    const serverSide = await accepted
    // Never again a word, and no pong: neither before nor after connection_init.
    await once(serverSide, 'close')
  })

  test('a frame that says it has 2^62 bytes is refused before they come', async () => {
    const { socket, closed } = await open()
    socket.write(
      'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    )
    await once(socket, 'data')
    const frame = Buffer.alloc(14)
    frame.writeUInt8(0x81, 0)
    frame.writeUInt8(0xff, 1)
    frame.writeBigUInt64BE(2n ** 62n, 2)
    const before = memoryMb()
    socket.write(frame)
    await closed
    expect(memoryMb() - before).toBeLessThan(50)
  })

  test('messages in very many fragments are refused or read, and cost little', async () => {
    const socket = new WebSocket(url(), 'graphql-transport-ws')
    socket.on('error', () => undefined)
    await once(socket, 'open')
    const before = heldMemory()
    for (let i = 0; i < 200_000 && socket.readyState === socket.OPEN; i++) {
      socket.send('', { fin: false })
      if (i % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const held = heldMemory() - before
    socket.terminate()
    expect(held).toBeLessThan(20 * 2 ** 20)
  })
})

test('a thousand connections that say nothing, or half of something, are closed; lookups go on', async () => {
  const sockets = await Promise.all(
    Array.from({ length: 1_000 }, async (_, i) => {
      const opened = await open()
      opened.socket.write(i % 2 === 0 ? '' : head('/query/realtime', ['Content-Length: 100000']))
      return opened
    }),
  )
  const beganAtMs = performance.now()
  for (let i = 0; i < 20; i++) await server.rest('POST', '/query/realtime', lookup)
  expect(performance.now() - beganAtMs).toBeLessThan(5_000 * crowding())
  await Promise.all(sockets.map(({ closed }) => closed))
})

describe('what costs too much costs too much however its answer is asked for:', () => {
  const values = JSON.stringify(Array.from({ length: 20_000 }, (_, i) => String(i)))
  const dear = (i: number) =>
    `a${i}: queryRealtimeMany(queryId: "q", indexKey: "n", indexValues: ${values}) { rows status source indexKey }`
  const fields = [0, 1, 2, 3].map(dear).join(' ')
  test.each([
    ['at once', `{ ${fields} }`, 'application/json'],
    ['as a stream of events', `{ ${fields} }`, 'text/event-stream'],
    ['deferred', `{ ... @defer { ${fields} } }`, 'multipart/mixed'],
    ['deferred, as events', `{ __typename ... @defer(label: "x") { ${fields} } }`, 'text/event-stream'],
  ])('%s', async (_name, query, accept) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ query }),
    })
    const text = await response.text()
    expect(text).toMatch(/"code":"(TOO_LARGE|BAD_USER_INPUT)"/)
    expect(text).not.toContain('"rows"')
  })

  test.each([
    ['deep', `{ ... @defer { ${'... on Query { '.repeat(40)} __typename ${'} '.repeat(40)} } }`],
    ['broad', `{ ${Array.from({ length: 2_000 }, (_, i) => `... @defer { a${i}: __typename }`).join(' ')} }`],
  ])('a deferred document that is too %s', async (_name, query) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'multipart/mixed' },
      body: JSON.stringify({ query }),
    })
    const text = await response.text()
    expect(text).toContain('"errors"')
    expect(text).not.toContain('"data":{')
  })
})
