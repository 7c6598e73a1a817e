// Node's HTTP server with the wire before it and without, and a client that writes to its socket whatever it likes.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { everyone } from '../../src/access/identity.ts'
import { createHeldBytes } from '../../src/http/guards/held-bytes.ts'
import { createHotPathRouter, type HotPathRoute } from '../../src/http/hot-path/router.ts'
import { receiveConnections } from '../../src/http/server/connections.ts'
import { createLeaving } from '../../src/http/server/leaving.ts'
import { httpLimits } from '../../src/http/server/limits.ts'
import { endStalled } from '../../src/http/server/stalled.ts'
import { addWire } from '../../src/http/wire/wire.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { toByteText } from '../../src/values/byte-text.ts'
import { testLog } from '../parts.ts'

const json = 'application/json; charset=utf-8'
const closers: (() => Promise<unknown>)[] = []

/** Of all servers that were started. */
export async function closeServers() {
  await Promise.all(closers.splice(0).map((close) => close()))
}

interface Asked {
  waitMs?: number
  decline?: boolean
  filler?: number
  id?: unknown
}

const answerTo = (body: Asked) => JSON.stringify({ id: body.id, filler: 'x'.repeat(body.filler ?? 0) })

/** What the router does not take, and all where there is none. Answers to /look are as the router writes them. */
function handle(request: IncomingMessage, response: ServerResponse) {
  if (request.url === '/mistake') throw new Error('A mistake in the handler')
  if (request.url === '/early') {
    response.end('early')
    return
  }
  void handleBody(request, response)
}

function readAsked(body: string): Asked | null {
  try {
    return JSON.parse(body) as Asked
  } catch {
    return null
  }
}

async function handleBody(request: IncomingMessage, response: ServerResponse) {
  const body = await textOf(request).catch(() => null)
  if (body === null) return
  const asked = request.url === '/look' && request.method === 'POST' ? readAsked(body) : null
  if (asked === null) {
    response.end(JSON.stringify([request.method, request.url, request.rawHeaders, body]))
    return
  }
  if (asked.waitMs) await sleep(asked.waitMs)
  const answer = answerTo(asked)
  response.writeHead(200, {
    'x-request-id': '?',
    'x-content-type-options': 'nosniff',
    'content-type': json,
    'content-length': Buffer.byteLength(answer),
  })
  response.end(answer)
}

interface Options {
  withWire: boolean
  receiveWithin?: { headersMs: number; requestMs: number }
  keepAliveMs?: number
  stallMs?: number
  maxOfAddress?: number
  /** Takes upgrades: what comes then is sent back. */
  upgrades?: boolean
}

export async function start({
  withWire,
  receiveWithin,
  keepAliveMs = 2_000,
  stallMs,
  maxOfAddress,
  upgrades,
}: Options) {
  const { headersMs, requestMs } = receiveWithin ?? { headersMs: 30_000, requestMs: 60_000 }
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: 50,
      keepAliveTimeout: keepAliveMs,
    },
    handle,
  )
  if (stallMs !== undefined) endStalled(server, stallMs)
  if (upgrades) server.on('upgrade', echo)
  const counts = { taken: 0 }
  if (withWire) {
    const [metrics, log] = [createMetrics(), testLog()]
    const held = createHeldBytes({ maxBytes: httpLimits.heldBytes, metrics, log })
    addWire(server, { router: routerOf(counts), held, isStopping: () => leaving.isBegun(), log })
    const { refused } = metrics
    receiveConnections(server, { maxOfAddress: maxOfAddress ?? null, refused, held, log })
  }
  const leaving = createLeaving(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  closers.push(close)
  return { server, counts, leaving, port: (server.address() as AddressInfo).port }
}

function echo(request: IncomingMessage, socket: Socket, head: Buffer) {
  socket.on('error', () => undefined)
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nX-Target: ${request.url}\r\n\r\n`)
  socket.write(head)
  socket.pipe(socket)
}

function routerOf(counts: { taken: number }) {
  const route: HotPathRoute = {
    answer(body) {
      const asked = body as Asked
      if (asked.decline) return null
      if (asked.id === 'mistake') throw new Error('A mistake in the router')
      if (asked.id === 'rejected') return Promise.reject(new Error('A mistake in a lookup'))
      counts.taken++
      const given = { status: 200, contentType: json, text: toByteText(answerTo(asked)) }
      return asked.waitMs ? sleep(asked.waitMs, given) : Promise.resolve(given)
    },
    describe: ({ message }) => ({ message }),
  }
  return createHotPathRouter({
    routes: new Map([['/look', route]]),
    identities: { recall: () => everyone },
    admission: { take: () => null, passOn: () => undefined },
    isRightName: () => true,
    crossOriginHeaders: null,
    traced: null,
    overload: {
      isOver: () => false,
      refusal: () => {
        throw new Error('Nothing is too much here')
      },
      entered: () => undefined,
      left: () => undefined,
    },
    log: testLog(),
  })
}

export function post(path: string, body: string, headers: readonly string[] = []): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
    '',
    body,
  ].join('\r\n')
}

export const look = (asked: Asked, headers?: readonly string[]) =>
  post('/look', JSON.stringify(asked), headers)
export const last = 'GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

export async function open(port: number) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true)
  let received = ''
  socket.on('data', (piece) => {
    received += String(piece)
  })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return { socket, closed, received: () => received }
}

/** Everything that comes back until the server closes, without what differs by nature. */
export async function exchange(port: number, pieces: readonly (string | Buffer)[]): Promise<string> {
  const { socket, closed, received } = await open(port)
  for (const piece of pieces) {
    if (socket.destroyed) break
    socket.write(piece)
    // Each piece is to be read by itself.
    await new Promise((resolve) => setImmediate(resolve))
  }
  await closed
  return withoutAccidents(received())
}

/** Without what differs by nature. */
export function withoutAccidents(received: string): string {
  return received
    .replaceAll(/^x-request-id: .*\r$/gm, 'x-request-id: ?\r')
    .replaceAll(/^Date: .*\r$/gm, 'Date: ?\r')
}

export function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text)
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length))
}
