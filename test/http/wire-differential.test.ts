// Random requests to the wire and to a plain Node server: they agree on what is a request, what answers it and when the connection ends.

import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import {
  closeServers,
  cut,
  exchange,
  last,
  look,
  open,
  post,
  start,
  withoutAccidents,
} from './wire-servers.ts'

/** `.ci/run` and whoever looks for a fault ask for more. */
const exchanges = Number(process.env.WIRE_EXCHANGES ?? 250)

afterEach(closeServers)

const usual = <Value>(value: Value, weight = 12) => ({ weight, arbitrary: fc.constant(value) })

const method = fc.oneof(
  usual('POST'),
  fc.constantFrom('GET', 'PUT', 'HEAD', 'OPTIONS', 'post', 'LOOK', 'CONNECT', 'PRI', ''),
)
const target = fc.oneof(
  usual('/look', 8),
  fc.constantFrom(
    '/body',
    '/early',
    '/look?a=1',
    '/other',
    '*',
    'http://h/look',
    '/lo ok',
    '/l\u00f6ok',
    '',
    '//look',
    '/look#a',
  ),
)
const version = fc.oneof(
  usual('HTTP/1.1', 30),
  fc.constantFrom('HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/11', ''),
)
const lineEnd = fc.oneof(usual('\r\n', 60), fc.constantFrom('\n', '\r', '\r\r\n', '\n\r', ' \r\n'))
const oddByte = fc.constantFrom('\0', '\x01', '\x7f', '\x80', '\xa0', '\xff', '\t', '"', '(', '\v', '\x85')
const json = 'Content-Type: application/json'

const header = fc.oneof(
  usual('Host: localhost', 6),
  usual(json, 6),
  fc.constantFrom(
    'Connection: close',
    'Connection: keep-alive',
    'connection: Close',
    'Connection: close, x',
    'Connection: upgrade',
    'Keep-Alive: timeout=9',
  ),
  fc.constantFrom(
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: Chunked',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, x',
    'Transfer-Encoding:',
    'Transfer-Encoding : chunked',
  ),
  fc.constantFrom(
    'Content-Length: 8',
    'Content-Length: 0',
    'Content-Length: 08',
    'Content-Length:8 ',
    'Content-Length: 8,8',
    'Content-Length: -1',
    'Content-Length: +8',
    'Content-Length:',
    'Content-Length: 0x8',
    'Content-Length: 8 8',
  ),
  fc.constantFrom(
    'Expect: 100-continue',
    'Expect: 100-Continue',
    'Expect: x',
    'Upgrade: websocket',
    'Upgrade: h2c',
    'HTTP2-Settings: AA',
    'Proxy-Connection: close',
  ),
  fc.constantFrom(
    ' folded',
    '\tfolded',
    ': none',
    'none',
    'X-A : 1',
    'X-A:',
    'X-A: 1',
    'X-a: 2',
    '__proto__: 1',
    'constructor: 1',
    'Cookie: a',
    'Cookie: b',
    'Host: other',
    'Host:',
  ),
  fc.tuple(oddByte, fc.boolean()).map(([byte, inName]) => (inName ? `X${byte}: 1` : `X-Odd: a${byte}b`)),
)

const bodies = [
  '',
  '{"id":1}',
  '{"id":1}',
  '{"id":"\u00e9"}',
  'x',
  '3\r\nabc\r\n0\r\n\r\n',
  '8\r\n{"id":1}\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '1\nx\n0\n\n',
  'ffffffffffffffffff\r\n',
  '\r\n\r\n',
]

/** Mostly a request, its length mostly the body's. */
const odd = fc
  .record({
    method,
    target,
    version,
    lineEnds: fc.array(lineEnd, { minLength: 9, maxLength: 9 }),
    headers: fc.array(header, { maxLength: 4 }),
    body: fc.constantFrom(...bodies),
    hasLength: fc.oneof(usual(true, 4), fc.constant(false)),
    hasHost: fc.oneof(usual(true, 9), fc.constant(false)),
  })
  .map(({ method, target, version, lineEnds, headers, body, hasLength, hasHost }) => {
    const lines = [
      `${method} ${target} ${version}`.trimEnd(),
      ...(hasHost ? ['Host: localhost', json] : []),
      ...headers,
      ...(hasLength ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
      '',
    ]
    return lines.map((line, i) => `${line}${lineEnds[i] ?? '\r\n'}`).join('') + body
  })

const plain = fc.oneof(
  fc.string({ maxLength: 5 }).map((id) => look({ id })),
  fc.constantFrom(
    look({ decline: true, id: 'declined' }),
    post('/body', 'y'.repeat(3_000)),
    post('/early', 'z'.repeat(200)),
  ),
  fc.constantFrom(
    'GET /other HTTP/1.1\r\nHost: h\r\n\r\n',
    'GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  ),
)
const noise = fc.constantFrom(
  '\r\n',
  '\n',
  '\0',
  'GET',
  'POST /look HTTP/1.1\r\nHost: h\r\nContent-Length: 9',
  '\x16\x03\x01',
)

const conversation = fc.record({
  texts: fc.array(fc.oneof({ weight: 3, arbitrary: plain }, { weight: 4, arbitrary: odd }, noise), {
    minLength: 1,
    maxLength: 5,
  }),
  places: fc.array(fc.nat(4_000), { maxLength: 6 }),
  isByteWise: fc.oneof(usual(false, 15), fc.constant(true)),
  /** Whether the last that is sent asks for the end, before the client closes its side. */
  endsByRequest: fc.boolean(),
})

/** Two exchanges, in which whatever was on its way has been answered: nobody waits for a timer here. */
async function settle(port: number) {
  for (let i = 0; i < 2; i++) await exchange(port, [last])
}

interface Said {
  received: string
  isClosed: boolean
  /** Something lay unread at the server as it closed: the end of what it had said may be lost. */
  wasReset: boolean
}

const refusal = /HTTP\/1\.1 4\d\d [^\n]*\nConnection: close\r\n\r\n$/

/**
 * Null where both said the same. At what is no request, or comes after the last one, Node's parser refuses at once, if it
 * is not amid an answer, and forgets whom it has not answered yet: how many those are depends on what has come together,
 * and the wire answers its lookups first. Then whatever one of them said is how the other began, and both have closed.
 */
function differenceOf(wire: Said, node: Said) {
  if (wire.isClosed === node.isClosed && wire.received === node.received) return null
  const both = [wire, node]
  const isRefused = both.some(({ received, wasReset }) => wasReset || refusal.test(received))
  const [short = '', long = ''] = both
    .map(({ received }) => received.replace(refusal, ''))
    .sort((a, b) => a.length - b.length)
  return isRefused && wire.isClosed && node.isClosed && long.startsWith(short) ? null : { wire, node }
}

async function openConversation(port: number) {
  const { socket, closed, received } = await open(port)
  let [isClosed, wasReset] = [false, false]
  socket.once('error', ({ message }) => {
    wasReset = /ECONNRESET|EPIPE/.test(message)
  })
  void closed.then(() => {
    isClosed = true
  })
  const state = (): Said => ({
    received: withoutAccidents(received()),
    isClosed: isClosed || socket.readableEnded,
    wasReset,
  })
  return {
    async say(pieces: readonly Buffer[]) {
      for (const piece of pieces) {
        if (socket.destroyed) break
        socket.write(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await settle(port)
    },
    state,
    async end() {
      socket.end()
      await closed
      return state()
    },
  }
}

/** Node upgrades a connection, or closes it upon CONNECT, before it has answered what came earlier: so that is waited for. */
function stepsOf(texts: readonly string[]): string[] {
  const steps: string[] = []
  for (const text of texts) {
    const latest = steps.pop()
    if (latest === undefined) steps.push(text)
    else if (/upgrade|^CONNECT /i.test(text)) steps.push(latest, text)
    else steps.push(latest + text)
  }
  return steps
}

test('whatever is sent, both answer alike, and end the connection alike', async () => {
  const [wire, node] = await Promise.all([
    start({ withWire: true, upgrades: true }),
    start({ withWire: false, upgrades: true }),
  ])
  const statuses = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(conversation, async ({ texts, places, isByteWise, endsByRequest }) => {
      const [ours, nodes] = await Promise.all([openConversation(wire.port), openConversation(node.port)])
      for (const step of stepsOf(endsByRequest ? [...texts, last] : texts)) {
        const pieces = cut(step, isByteWise ? Array.from(step, (_, i) => i) : places)
        await Promise.all([ours.say(pieces), nodes.say(pieces)])
        // What only comes with the client's end, or its time, is not waited for here.
        await expect
          .poll(() => differenceOf(ours.state(), nodes.state()), { timeout: 5_000, interval: 5 })
          .toBeNull()
      }
      const [ourEnd, nodesEnd] = await Promise.all([ours.end(), nodes.end()])
      expect(differenceOf(ourEnd, nodesEnd)).toBeNull()
      for (const [status] of nodesEnd.received.matchAll(/HTTP\/1\.1 \d+/g))
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }),
    { numRuns: exchanges },
  )
  // Of all kinds there was something.
  for (const status of ['100', '101', '200', '400'])
    expect(statuses.get(`HTTP/1.1 ${status}`)).toBeGreaterThan(0)
  expect(wire.counts.taken).toBeGreaterThan(exchanges / 10)
}, 600_000)
