// Replies that are read where they lie: whatever pieces the socket brings them in, and whatever comes between them.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pack } from '../../src/online/packed.ts'
import { readValues, withSplitReplies } from '../../src/online/redis/replies.ts'
import { byteTextOf, toByteText, toText } from '../../src/values/byte-text.ts'
import { type RedisServer, startRedis } from '../servers/redis.ts'

let server: RedisServer
let redis: Redis

const texts = ['[]', '[{"name":"Ada"}]', '[{"name":"é😀"}]', `[${'"x",'.repeat(30_000)}1]`, '']
const entries = texts.map((text, i) => ({ version: i + 0.5, computedAtMs: 1_700_000_000_000 + i, text }))
const keys = ['0', '1', 'none', '2', 'é', '3', '4', 'plain', 'a list', '1']
const expected = ['0', '1', null, '2', '1', '3', '4', '12345', null, '1'].map((name) => {
  const entry = name === null ? undefined : entries[Number(name)]
  if (entry === undefined) return name
  const { text, ...rest } = entry
  return { ...rest, rows: toByteText(text) }
})

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
  const packed = entries.map(({ text, ...rest }) => pack({ ...rest, rows: Buffer.from(text) }, {}))
  for (const [i, value] of packed.entries()) await redis.set(`e:${i}`, value)
  await redis.set('e:é', packed[1] ?? '')
  await redis.set('e:plain', '12345')
  await redis.rpush('e:a list', 'x')
})

afterAll(async () => {
  redis?.disconnect()
  await server?.stop()
})

/** A way to the server whose replies come in pieces of so many bytes. */
async function startRelay(pieceBytes: number) {
  const sockets = new Set<Socket>()
  const relay = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1')
    for (const socket of [client.setNoDelay(), upstream]) sockets.add(socket.on('error', () => undefined))
    client.pipe(upstream)
    upstream.on('data', (bytes) => {
      for (let at = 0; at < bytes.length; at += pieceBytes) client.write(bytes.subarray(at, at + pieceBytes))
    })
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const address = relay.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    stop() {
      for (const socket of sockets) socket.destroy()
      relay.close()
    },
  }
}

const group = [{ prefix: 'e:', rests: keys }]

for (const protocol of [2, 3] as const) {
  for (const pieceBytes of [1, 2, 3, 7, 64, 1_000, 65_536, 1_000_000]) {
    test(`RESP${protocol}: replies in pieces of ${pieceBytes} bytes give every value, and every other command its own reply`, async () => {
      const relay = await startRelay(pieceBytes)
      const split = withSplitReplies(new Redis(relay.port, '127.0.0.1', { protocol }))
      try {
        const wrong = split.call('get', 'e:a list').catch((error: Error) => error.message)
        const answers = await Promise.all([
          readValues(split, group),
          split.get('e:plain'),
          readValues(split, []).catch((error: Error) => error.message.includes('wrong number')),
          readValues(split, [{ prefix: 'e:plain', rests: [''] }, ...group]),
          split.lrange('e:a list', 0, -1),
          split.config('GET', 'maxmemory-policy'),
          split.mget('e:plain', 'none'),
          readValues(split, [{ prefix: 'none', rests: [''] }]),
        ])
        expect(answers).toEqual([
          expected,
          '12345',
          true,
          ['12345', ...expected],
          ['x'],
          ['maxmemory-policy', 'noeviction'],
          ['12345', null],
          [null],
        ])
        expect(await wrong).toContain('WRONGTYPE')
      } finally {
        split.disconnect()
        relay.stop()
      }
    })
  }
}

test('without the splitter ioredis reads the same values', async () => {
  expect(await readValues(redis, group)).toEqual(expected)
})

test('text is the same after it was bytes, whatever it holds', () => {
  for (const text of [...texts, '\u0000\u007f', '\u0080\u00ff', '漢字', '\ufeff']) {
    expect(toText(toByteText(text))).toBe(text)
    expect(toByteText(text)).toBe(byteTextOf(Buffer.from(text)))
  }
})
