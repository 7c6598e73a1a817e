// What one caller may ask of one gateway and of several, and what it may hold open; others are served meanwhile.

import { once } from 'node:events'
import { connect } from 'node:net'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { networkOf } from '../../src/http/guards/callers.ts'
import { createRateLimiter } from '../../src/http/guards/rate-limit.ts'
import { httpLimits } from '../../src/http/server/limits.ts'
import type { HttpServerOptions } from '../../src/http/server/server.ts'
import type { SharedCounters } from '../../src/online/counters.ts'
import { createSharedCounters } from '../../src/online/index.ts'
import { heldMemory } from '../held-memory.ts'
import { type RedisServer, startRedis } from '../servers/redis.ts'
import { startRedisCluster } from '../servers/redis-cluster.ts'
import { type Gateway, openGateway } from './gateway.ts'

const log = pino({ level: 'silent' })
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis()
})

afterAll(() => redis.stop())

const openCounters = async (url = redis.url): Promise<SharedCounters> => {
  const counters = await createSharedCounters({ url, folder: '', log })
  if (counters === null) throw new Error('Redis has counters')
  return counters
}

/** Longer than vi.waitFor waits by itself, for a busy machine. */
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000 })

/** How many of a caller's requests are let through. */
function takeMany(
  limiter: { take(caller: string): { allowed: boolean } },
  caller: string,
  count: number,
): number {
  return Array.from({ length: count }, () => limiter.take(caller).allowed).filter(Boolean).length
}

describe('in one process', () => {
  const limit = { requests: 10, windowMs: 60_000 }
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 120_000 }))
  afterEach(() => void vi.useRealTimers())

  test('a caller is let through as often as the limit says, and again in the next window', () => {
    const limiter = createRateLimiter({ limit, counters: null, log })
    expect(takeMany(limiter, 'ada', 15)).toBe(10)
    expect(takeMany(limiter, 'grace', 1)).toBe(1)
    vi.setSystemTime(165_500)
    expect(limiter.take('ada')).toEqual({
      allowed: false,
      retryAfterSeconds: 15,
      headers: {
        'ratelimit-policy': '"default";q=10;w=60',
        ratelimit: '"default";r=0;t=15',
        'retry-after': '15',
      },
    })
    vi.setSystemTime(180_000)
    expect(limiter.take('ada')).toMatchObject({ allowed: true, headers: { ratelimit: '"default";r=9;t=60' } })
  })

  test('a hundred index values count as one more request', () => {
    const limiter = createRateLimiter({ limit, counters: null, log })
    limiter.take('ada')
    limiter.charge('ada', 500)
    expect(takeMany(limiter, 'ada', 15)).toBe(4)
  })

  test('ever new callers are forgotten one after the other', () => {
    const limiter = createRateLimiter({ limit, counters: null, log })
    const before = heldMemory()
    for (let i = 0; i < 60_000; i++) limiter.take(`caller ${i}`)
    expect(heldMemory() - before).toBeLessThan(20e6)
  })
})

describe('across processes', () => {
  const limit = { requests: 100, windowMs: 86_400_000 }

  test.each(['Redis', 'a Redis Cluster'])(
    'what one has let through the others count, in %s',
    async (kind) => {
      const cluster = kind === 'Redis' ? null : await startRedisCluster()
      const counters = [await openCounters(cluster?.url), await openCounters(cluster?.url)] as const
      const [first, second] = counters.map((own) => createRateLimiter({ limit, counters: own, log }))
      if (!first || !second) throw new Error('two limiters')
      const caller = `ada of ${kind}`
      expect(takeMany(first, caller, 60)).toBe(60)
      // Its own count shows with the next sharing.
      await eventually(() => {
        second.take(`${caller}, later`)
        second.charge(caller, 1)
        expect(second.take(caller).headers.ratelimit).toMatch(/r=(3\d|2\d|1\d|\d);/)
      })
      takeMany(second, caller, 60)
      await eventually(() => {
        first.charge(caller, 1)
        expect(first.take(caller).allowed).toBe(false)
      })
      for (const limiter of [first, second]) limiter.close()
      await Promise.all(counters.map((own) => own.close()))
      await cluster?.stop()
    },
  )

  test('a Redis that hangs or is gone holds nobody up, and each counts for itself until it is back', async () => {
    const own = await startRedis()
    const counters = await openCounters(own.url)
    const lines: string[] = []
    const telling = pino({ level: 'info' }, { write: (line) => lines.push(line) })
    const limiter = createRateLimiter({ limit, counters, log: telling })
    own.pause()
    expect(takeMany(limiter, 'ada', 150)).toBe(100)
    await eventually(() => expect(lines.join()).toContain('for this gateway alone'))
    expect(limiter.take('ada').allowed).toBe(false)
    own.resume()
    await own.restart()
    await eventually(() => {
      takeMany(limiter, 'grace', 1)
      expect(lines.join()).toContain('across gateways again')
    })
    expect(limiter.take('ada').allowed).toBe(false)
    limiter.close()
    await counters.close()
    await own.stop()
  })
})

describe('the gateway', () => {
  let gateway: Gateway
  let server: Awaited<ReturnType<Gateway['serve']>>
  const closing: (() => Promise<void> | void)[] = []

  beforeAll(async () => {
    gateway = await openGateway({ TRUST_PROXY: 'true' })
    server = await gateway.serve()
  })

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  afterAll(async () => {
    await server.close()
    await gateway.close()
  })

  async function serve(settings: Partial<Gateway['config']>, options: Partial<HttpServerOptions> = {}) {
    const limited = await gateway.serve({ config: { ...gateway.config, ...settings }, ...options })
    closing.push(limited.close)
    return limited
  }

  const daily = (requests: number) => ({ rateLimit: { requests, windowMs: 86_400_000 } })

  function ask(url: string, path: string, body: unknown, from: string) {
    return fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
      body: JSON.stringify(body),
    })
  }

  test('refuses with 429, when to come again, and in the shape of what was asked; others are served', async () => {
    const { url } = await serve(daily(4))
    const typename = (from: string) => ask(url, '/graphql', { query: '{ __typename }' }, from)
    for (let i = 0; i < 4; i++) expect((await typename('192.0.2.1')).status).toBe(200)
    const refused = await typename('198.51.100.7, 192.0.2.1')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(refused.headers.get('ratelimit')).toMatch(/^"default";r=0;t=\d+$/)
    expect(refused.headers.get('ratelimit-policy')).toBe('"default";q=4;w=86400')
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'RATE_LIMITED' } }] })
    const rest = await ask(url, '/query/realtime', {}, '192.0.2.1')
    expect([rest.status, (await rest.json()).code]).toEqual([429, 'RATE_LIMITED'])
    expect((await typename('192.0.2.2')).headers.get('ratelimit')).toMatch(/r=3;/)
    const probe = await fetch(`${url}/healthz`, { headers: { 'x-forwarded-for': '192.0.2.1' } })
    expect(probe.status).toBe(200)
  })

  test('counts index values on both paths', async () => {
    const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
      'mutation { queryTrain(query: "SELECT i AS n FROM range(1000) r(i)", queryName: "numbers") { query { id } } }',
    )
    const { url } = await serve(daily(100))
    const body = {
      query:
        'query ($id: ID!, $n: [String!]!) { queryRealtimeMany(queryId: $id, indexKey: "n", indexValues: $n) { rows } }',
      variables: { id: queryTrain.query.id, n: Array.from({ length: 1_000 }, (_, i) => String(i)) },
    }
    const left: number[] = []
    for (let i = 0; i < 4; i++) {
      const response = await ask(url, '/graphql', body, '192.0.2.9')
      expect(((await response.json()) as { errors?: unknown }).errors).toBeUndefined()
      left.push(Number(/r=(\d+);/.exec(response.headers.get('ratelimit') ?? '')?.[1]))
    }
    expect(left).toEqual([99, 88, 77, 66])
  })

  test('counts operations on a WebSocket, and the opening of one', async () => {
    const { url } = await serve(daily(3))
    const socket = await openSocket(url)
    const answers: string[] = []
    for (let i = 0; i < 3; i++) answers.push(await socket.ask('{ __typename }'))
    expect(answers[1]).toContain('"data"')
    expect(answers[2]).toMatch(/"type":"error".*RATE_LIMITED/)
    const refused = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const [, response] = await once(refused, 'unexpected-response')
    expect([response.statusCode, Number(response.headers['retry-after']) > 0]).toEqual([429, true])
    refused.on('error', () => undefined).terminate()
  })

  test('a caller holds as many connections as it may, of both kinds, and more once some are closed', async () => {
    const { url } = await serve({ maxConnectionsPerCaller: 2 })
    const first = await openSocket(url)
    const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
      'mutation { queryTrain(query: "SELECT 1 AS n", queryName: "one") { query { id } } }',
    )
    const follow = `subscription { featureUpdates(queryId: "${queryTrain.query.id}", indexKey: "n", indexValue: "1") { rows } }`
    const stream = (signal: AbortSignal) =>
      fetch(`${url}/graphql`, {
        method: 'POST',
        signal,
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({
          query: follow,
        }),
      })
    const leaving = new AbortController()
    expect((await stream(leaving.signal)).status).toBe(200)
    const refused = await stream(new AbortController().signal)
    expect([refused.status, (await refused.json()).errors[0].extensions.code]).toEqual([429, 'RATE_LIMITED'])
    leaving.abort()
    first.close()
    await eventually(async () => {
      const again = await openSocket(url)
      const more = await openSocket(url)
      expect(await more.ask('{ __typename }')).toContain('"data"')
      again.close()
    })
  })

  test('a WebSocket holds as many operations as it may', async () => {
    const { url } = await serve({ maxSubscriptions: 2 })
    const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
      'mutation { queryTrain(query: "SELECT 1 AS n", queryName: "one") { query { id } } }',
    )
    const follow = `subscription { featureUpdates(queryId: "${queryTrain.query.id}", indexKey: "n", indexValue: "1") { rows } }`
    const socket = await openSocket(url)
    expect(await socket.ask(follow)).toContain('"next"')
    expect(await socket.ask(follow)).toContain('"next"')
    expect(await socket.ask(follow)).toMatch(/"type":"error".*RATE_LIMITED.*/)
  })

  test.each([
    ['nothing', ''],
    ['headers that never end', 'POST /graphql HTTP/1.1\r\nHost: localhost\r\nX-A: '],
    [
      'a body that never ends',
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
    ],
    [
      'a body in chunks that never end, beside the hot path',
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n',
    ],
  ])('lets go of a client that sends %s', async (_what, sent) => {
    const { url } = await serve({}, { limits: { ...httpLimits, headersMs: 400, requestMs: 800 } })
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(sent)
    const trickle = setInterval(() => sent !== '' && socket.writable && socket.write('a'), 50)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    await closed
    clearInterval(trickle)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })

  async function openSocket(url: string) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    closing.push(() => socket.terminate())
    await once(socket, 'open')
    const next = async () => String((await once(socket, 'message'))[0])
    socket.send(JSON.stringify({ type: 'connection_init' }))
    await next()
    let id = 0
    return {
      /** The first message that an operation gives. */
      async ask(query: string) {
        const own = String(id++)
        socket.send(JSON.stringify({ id: own, type: 'subscribe', payload: { query } }))
        for (;;) {
          const message = await next()
          if (message.includes(`"id":"${own}"`)) return message
        }
      },
      close: () => socket.terminate(),
    }
  }
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts for %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
