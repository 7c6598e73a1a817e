// The wire beside Node's own server: however requests come, in whatever order and pieces, both answer byte for byte alike.

import { once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { closeServers, cut, exchange, last, look, open, post, start } from './wire-servers.ts'

afterEach(closeServers)

const requests = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .record({ id: fc.string({ unit: 'grapheme', maxLength: 20 }), waitMs: fc.nat(3) })
        .map((asked) => look(asked)),
    },
    { weight: 1, arbitrary: fc.nat(3).map((waitMs) => look({ decline: true, waitMs, id: 'declined' })) },
    { weight: 1, arbitrary: fc.constant(look({ id: 1 }, ['X-More: 1', 'Authorization: Bearer\t x '])) },
    { weight: 1, arbitrary: fc.constant('GET /other?a=%20b HTTP/1.1\r\nhost:localhost\r\nX-Empty:\r\n\r\n') },
    { weight: 1, arbitrary: fc.nat(100_000).map((n) => post('/body', 'y'.repeat(n))) },
    { weight: 1, arbitrary: fc.nat(100_000).map((filler) => look({ filler })) },
    {
      weight: 1,
      arbitrary: fc
        .nat(300)
        .map((n) => `PUT /publish?n=${n} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`),
    },
  ),
  { maxLength: 12 },
)

test('whatever comes on one connection, in whatever pieces, is answered as Node answers it', async () => {
  const [wire, plain] = await Promise.all([start({ withWire: true }), start({ withWire: false })])
  await fc.assert(
    fc.asyncProperty(requests, fc.array(fc.nat(300_000), { maxLength: 12 }), async (texts, places) => {
      const pieces = cut(`${texts.join('')}${last}`, places)
      const [fromWire, fromPlain] = await Promise.all([
        exchange(wire.port, pieces),
        exchange(plain.port, pieces),
      ])
      expect(fromWire).toBe(fromPlain)
      expect(fromWire.match(/HTTP\/1\.1 200/g)).toHaveLength(texts.length + 1)
    }),
    { numRuns: 300 },
  )
  expect(wire.counts.taken).toBeGreaterThan(400)
}, 60_000)

test.each([
  ['a few bytes at once', 12, 1],
  ['byte by byte, so that Node has it', 1, 0],
])('a request that comes %s is read whole', async (_name, bytesAtOnce, taken) => {
  const { port, counts } = await start({ withWire: true })
  const bytes = Buffer.from(look({ id: 'é😀' }) + last)
  const pieces = Array.from({ length: Math.ceil(bytes.length / bytesAtOnce) }, (_, i) =>
    bytes.subarray(i * bytesAtOnce, (i + 1) * bytesAtOnce),
  )
  expect(await exchange(port, pieces)).toContain('{"id":"é😀","filler":""}')
  expect(counts.taken).toBe(taken)
})

const chunked = 'POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
const body = '{"id":1}'

describe('what is written in an unusual way is left to Node', () => {
  test.each([
    ['no host', `POST /look HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n${body}`],
    ['two hosts', look({ id: 1 }, ['Host: other'])],
    ['two lengths that differ', look({ id: 1 }, ['Content-Length: 3'])],
    ['two equal lengths', look({ id: 1 }, ['Content-Length: 8'])],
    ['a length with a sign', post('/look', body).replace('Length: 8', 'Length: +8')],
    ['a negative length', post('/look', body).replace('Length: 8', 'Length: -8')],
    ['a length in hexadecimal', post('/look', body).replace('Length: 8', 'Length: 0x8')],
    ['a list of lengths', post('/look', body).replace('Length: 8', 'Length: 8, 8')],
    ['a length that is too long', post('/look', body).replace('Length: 8', 'Length: 99999999999999999999')],
    ['both a length and chunks', look({ id: 1 }, ['Transfer-Encoding: chunked'])],
    ['chunks', chunked],
    ['an encoding that hides behind another', look({ id: 1 }, ['Transfer-Encoding: xchunked'])],
    ['a blank before the colon', look({ id: 1 }, ['X-Odd : 1'])],
    ['a folded header', look({ id: 1 }, ['X-Folded: 1', ' 2'])],
    ['a header without a name', look({ id: 1 }, [': 1'])],
    ['a header without a colon', look({ id: 1 }, ['nonsense'])],
    ['a zero byte in a value', look({ id: 1 }, ['X-Zero: a\0b'])],
    ['a line feed alone', look({ id: 1 }, ['X-Bare: a\nX-Other: b'])],
    ['a carriage return alone', look({ id: 1 }, ['X-Bare: a\rX-Other: b'])],
    ['line feeds only', look({ id: 1 }).replaceAll('\r\n', '\n')],
    ['an empty line first', `\r\n${look({ id: 1 })}`],
    ['HTTP/1.0', look({ id: 1 }).replace('HTTP/1.1', 'HTTP/1.0')],
    ['HTTP/2.0', look({ id: 1 }).replace('HTTP/1.1', 'HTTP/2.0')],
    ['HTTP/1.9', look({ id: 1 }).replace('HTTP/1.1', 'HTTP/1.9')],
    ['a target with the host', look({ id: 1 }).replace('/look', 'http://h/look')],
    ['a target of an asterisk', look({ id: 1 }).replace('/look', '*')],
    ['a target with a blank', look({ id: 1 }).replace('/look', '/lo ok')],
    ['a target with other bytes', look({ id: 1 }).replace('/look', '/löök')],
    ['a method in lower case', look({ id: 1 }).replace('POST', 'post')],
    ['a method that nobody knows', look({ id: 1 }).replace('POST', 'LOOK')],
    ['two blanks', look({ id: 1 }).replace('POST ', 'POST  ')],
    ['an expectation', look({ id: 1 }, ['Expect: 100-continue'])],
    ['an unknown expectation', look({ id: 1 }, ['Expect: nothing'])],
    ['an upgrade that nobody takes', look({ id: 1 }, ['Connection: upgrade', 'Upgrade: websocket'])],
    ['several connection options', look({ id: 1 }, ['Connection: keep-alive, x-more'])],
    ['a head that is too long', look({ id: 1 }, [`X-Long: ${'x'.repeat(20_000)}`])],
    [
      'too many headers',
      look(
        { id: 1 },
        Array.from({ length: 150 }, (_, i) => `X-${i}: ${i}`),
      ),
    ],
    ['bytes that are no request', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('%s', async (_name, text) => {
    const [wire, plain] = await Promise.all([start({ withWire: true }), start({ withWire: false })])
    const both = [exchange(wire.port, [text, last]), exchange(plain.port, [text, last])]
    const [fromWire, fromPlain] = await Promise.all(both)
    expect(fromWire).toBe(fromPlain)
    expect(wire.counts.taken).toBe(0)
  })
})

test('a client that wants its connection closed gets its answer first', async () => {
  const [wire, plain] = await Promise.all([start({ withWire: true }), start({ withWire: false })])
  const text = look({ id: 7, waitMs: 5 }, ['Connection: close'])
  const [fromWire, fromPlain] = await Promise.all([exchange(wire.port, [text]), exchange(plain.port, [text])])
  expect(fromWire).toBe(fromPlain)
  expect(await exchange(wire.port, [text + look({ id: 8 })])).toBe(fromWire)
  expect(wire.counts.taken).toBe(2)
})

test('a client that has sent its last gets the answers to all of it', async () => {
  const { port } = await start({ withWire: true })
  const { socket, closed, received } = await open(port)
  socket.end(look({ id: 1, waitMs: 20 }) + look({ id: 2 }))
  await closed
  expect(received().match(/"id":\d/g)).toEqual(['"id":1', '"id":2'])
})

test('an answer that comes before the body has is followed by the next', async () => {
  const { port } = await start({ withWire: true })
  const early = post('/early', 'z'.repeat(200_000))
  const answer = await exchange(port, [early.slice(0, 1_000), early.slice(1_000), look({ id: 3 }), last])
  expect(answer).toContain('early')
  expect(answer).toContain('"id":3')
})

describe('time', () => {
  const receiveWithin = { headersMs: 200, requestMs: 400 }
  test.each([
    ['nothing', ''],
    ['half a head', 'POST /look HTTP/1.1\r\nHost: h\r\n'],
    ['half a body', look({ id: 1 }).slice(0, -3)],
    ['half a head after an answer', `${look({ id: 1 })}POST /look HT`],
    ['half a body for Node', post('/body', 'abc').slice(0, -1)],
  ])('a client that sends %s is told so, and its connection closed', async (_name, text) => {
    const { port } = await start({ withWire: true, receiveWithin })
    expect(await exchange(port, [text])).toContain('HTTP/1.1 408 Request Timeout')
  })

  test.each([
    ['a lookup', look({ id: 'é' })],
    ['what is for Node', post('/body', 'é')],
  ])('%s that came while the process was held up is answered', async (_name, text) => {
    const { port, server } = await start({ withWire: true, receiveWithin })
    const { socket, received } = await open(port)
    await expect.poll(() => connectionsOf(server)).toBe(1)
    socket.write(text)
    const untilMs = performance.now() + 2 * receiveWithin.headersMs
    while (performance.now() < untilMs);
    await expect.poll(received).toContain('HTTP/1.1')
    expect(received()).toContain('HTTP/1.1 200')
    socket.destroy()
  })

  test('an idle connection is closed after the time that its client was told', async () => {
    const { port } = await start({ withWire: true, keepAliveMs: 1_000, receiveWithin })
    const beganAtMs = performance.now()
    expect(await exchange(port, [look({ id: 1 })])).toContain('Keep-Alive: timeout=1\r\n')
    expect(performance.now() - beganAtMs).toBeGreaterThan(1_000)
  })

  test('who does not read is read no further, and dropped after a while', async () => {
    const { port, counts, server } = await start({ withWire: true, stallMs: 500 })
    const { socket } = await open(port)
    socket.pause()
    socket.write(look({ filler: 200_000 }).repeat(1_000))
    await expect.poll(() => connectionsOf(server)).toBe(1)
    await expect.poll(() => connectionsOf(server), { timeout: 20_000 }).toBe(0)
    expect(counts.taken).toBeLessThan(300)
    socket.destroy()
  })
})

test('of answers that are large few are made before they are read', async () => {
  const { port, counts } = await start({ withWire: true })
  const { socket, received } = await open(port)
  socket.pause()
  socket.write(look({ filler: 8_000_000 }).repeat(20))
  await expect.poll(() => counts.taken).toBeGreaterThan(0)
  await sleep(300)
  expect(counts.taken).toBeLessThan(6)
  socket.resume()
  await expect.poll(() => received().length, { timeout: 60_000 }).toBeGreaterThan(20 * 8_000_000)
  expect(counts.taken).toBe(20)
})

describe('a mistake ends the connection that it was made for, and no other:', () => {
  test.each([
    ['in a handler', 'GET /mistake HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['in a handler, after an answer', `${look({ id: 1 })}GET /mistake HTTP/1.1\r\nHost: h\r\n\r\n`],
    ['in a handler of what is written oddly', 'GET /mistake HTTP/1.1\nHost: h\n\n'],
    ['in a lookup', look({ id: 'rejected' })],
  ])('%s', async (_name, text) => {
    const { port } = await start({ withWire: true })
    const other = await open(port)
    const { socket, closed } = await open(port)
    socket.write(text)
    await closed
    other.socket.write(look({ id: 'other' }))
    await expect.poll(other.received).toContain('"id":"other"')
  })
})

test('an address has as many connections as it may, and more once some are closed', async () => {
  const { port } = await start({ withWire: true, maxOfAddress: 3 })
  const held = await Promise.all([open(port), open(port), open(port)])
  const refused = await open(port)
  await refused.closed
  expect(refused.received()).toContain('HTTP/1.1 429')
  for (const { socket } of held) socket.write(look({ id: 1 }))
  await expect.poll(() => held.every(({ received }) => received().includes('"id":1'))).toBe(true)
  held[0]?.socket.destroy()
  await expect
    .poll(async () => {
      const more = await open(port)
      more.socket.write(look({ id: 2 }))
      await Promise.race([once(more.socket, 'data'), more.closed])
      return more.received()
    })
    .toContain('"id":2')
})

const connectionsOf = (server: Server) =>
  new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))

describe('leaving', () => {
  const closeOf = (server: Server) => new Promise((resolve) => server.close(resolve))

  test.each([
    ['new', ''],
    ['that Node has answered on', post('/body', 'abc')],
  ])('a lookup under way on a connection %s is answered, then told to leave', async (_name, before) => {
    const { port, server, leaving } = await start({ withWire: true })
    const { socket, closed, received } = await open(port)
    if (before) {
      socket.write(before)
      await expect.poll(received).toContain('"abc"')
    }
    socket.write(look({ id: 5, waitMs: 700 }))
    await sleep(50)
    leaving.begin()
    const closing = closeOf(server)
    await closed
    await closing
    expect(received()).toContain('"id":5')
    expect(received()).toContain('Connection: close\r\n')
  })

  test('an idle connection is closed, and one that asks on is answered once more', async () => {
    const { port, server, leaving } = await start({ withWire: true })
    const [idle, busy] = [await open(port), await open(port)]
    for (const { socket } of [idle, busy]) socket.write(look({ id: 1 }))
    await expect.poll(() => [idle, busy].every(({ received }) => received().includes('"id":1'))).toBe(true)
    leaving.begin()
    const closing = closeOf(server)
    busy.socket.write(look({ id: 2 }))
    await Promise.all([idle.closed, busy.closed, closing])
    expect(busy.received()).toContain('"id":2')
  })
})
