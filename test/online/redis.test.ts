// Redis as an online store: the contract, its round trips, and what a server that dies, hangs or refuses does to it.

import { Redis } from 'ioredis'
import { type DestinationStream, pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createOnlineStore } from '../../src/online/index.ts'
import { createRedisStore } from '../../src/online/redis/redis.ts'
import { onAdapter } from '../adapters.ts'
import { describeOnlineStore } from '../contract/online.ts'
import { createCertificates } from '../servers/certificates.ts'
import { type RedisOptions, type RedisServer, startRedis } from '../servers/redis.ts'
import {
  becomesUsable,
  boundMs,
  commandCounts,
  entry,
  everyCall,
  expectUnavailableInTime,
  works,
} from './redis-calls.ts'

const log = pino({ level: 'silent' })
/** For tests in which the server does not answer. */
const commandTimeoutMs = 400

onAdapter('redis', () =>
  describeOnlineStore('Redis', async () => {
    const server = await startRedis()
    return { store: await createOnlineStore({ url: server.url, folder: '', log }), stop: server.stop }
  }),
)

async function openStore(options: RedisOptions = {}) {
  const server = await startRedis(options)
  onTestFinished(server.stop)
  const store = await createOnlineStore({ url: server.url, folder: '', log })
  onTestFinished(() => store.close())
  return { server, store }
}

async function openImpatientStore() {
  const server = await startRedis()
  onTestFinished(server.stop)
  const store = await createRedisStore({ url: server.url, log, commandTimeoutMs })
  onTestFinished(() => store.close())
  return { server, store }
}

/** A connection of the test's own, to look at the server from beside. */
async function openClient(server: RedisServer) {
  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  await client.ping()
  return client
}

test('a read of many values of many views, watermarks included, is one MGET', async () => {
  const { server, store } = await openStore()
  const client = await openClient(server)
  const values = Array.from({ length: 100 }, (_, i) => `${i}`)
  for (let i = 0; i < 10; i++) {
    await store.write(
      `v${i}`,
      values.map((value) => entry(value)),
    )
  }
  await client.config('RESETSTAT')
  const answers = await store.read(Array.from({ length: 10 }, (_, i) => ({ view: `v${i}`, values })))
  expect(answers.flatMap(({ entries }) => entries).every((found) => found !== null)).toBe(true)
  const { info: _, 'config|resetstat': __, ...counts } = await commandCounts(client)
  expect(counts).toEqual({ mget: 1 })
})

test('a write is one script call for every 250 entries, and the script is sent only once', async () => {
  const { server, store } = await openStore()
  const client = await openClient(server)
  await client.config('RESETSTAT')
  await store.write(
    'v',
    Array.from({ length: 1000 }, (_, i) => entry(`${i}`)),
  )
  const counts = await commandCounts(client)
  expect(counts.eval).toBe(1)
  expect(counts.evalsha).toBe(3)
})

test('a write of a hundred thousand entries neither keeps the server busy nor other lookups waiting', async () => {
  const { server, store } = await openStore()
  const client = await openClient(server)
  await client.config('RESETSTAT')
  let writing = true
  const written = store
    .write(
      'v',
      Array.from({ length: 100_000 }, (_, i) => entry(`${i}`)),
    )
    .finally(() => {
      writing = false
    })
  let lookups = 0
  for (; writing; lookups++) await client.get('fg:e:v:v1')
  expect((await written).every(Boolean)).toBe(true)
  expect(lookups).toBeGreaterThan(20)
  const { eval: first = 0, evalsha = 0 } = await commandCounts(client)
  expect(first + evalsha).toBe(400)
})

test('a large entry and many of them go through in commands of bounded size', async () => {
  const { store } = await openStore({ args: ['--client-query-buffer-limit', '8mb'] })
  const rows = Buffer.alloc(400_000, 'x')
  const entries = Array.from({ length: 40 }, (_, i) => ({ ...entry(`${i}`), rows }))
  expect(await store.write('v', entries)).toEqual(entries.map(() => true))
})

test('expired entries are gone from the server', async () => {
  const { server, store } = await openStore()
  const client = await openClient(server)
  await store.write('v', [{ ...entry('1'), expiresInMs: 30 }, entry('2')])
  await expect.poll(() => client.keys('fg:e:*'), { interval: 10 }).toEqual(['fg:e:v:v2'])
})

test('nothing but a view’s own keys is ever removed', async () => {
  const { server, store } = await openStore()
  const client = await openClient(server)
  await client.set('of another application', '1')
  await store.write('v', [entry('1')])
  await store.write('v2', [entry('1')])
  await store.raiseWatermark('v', 3)
  await store.dropView('v')
  expect((await client.keys('*')).sort()).toEqual(['fg:e:v2:v1', 'fg:m:0', 'of another application'])
})

test('when the server is killed every call is ONLINE_STORE_UNAVAILABLE in time, and all works again once it is back', async () => {
  const { server, store } = await openImpatientStore()
  expect(await works(store)).toBe(true)
  const underWay = Array.from({ length: 50 }, () => store.read([{ view: 'works', values: ['1'] }]))
  await server.kill()
  for (const result of await Promise.allSettled(underWay)) {
    if (result.status === 'rejected') {
      expect(result.reason).toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
    }
  }
  await expectUnavailableInTime(store)
  await expectUnavailableInTime(store)
  await server.restart()
  await becomesUsable(store)
  for (const [name, call] of Object.entries(everyCall(store)))
    await expect(call(), name).resolves.not.toThrow()
})

test('what a persistent server held before it was killed is there after its restart', async () => {
  const { server, store } = await openStore({ persistent: true })
  await store.write('v', [entry('1', 7)])
  await store.raiseWatermark('v', 6)
  await server.restart()
  await becomesUsable(store)
  const [answer] = await store.read([{ view: 'v', values: ['1'] }])
  expect(answer?.watermark).toBe(6)
  expect(answer?.entries[0]).toEqual({ version: 7, computedAtMs: 5, rows: '["1"]' })
  expect(await store.write('v', [entry('1', 6)])).toEqual([false])
})

test('when the server hangs every call is ONLINE_STORE_UNAVAILABLE in time, and all works again once it goes on', async () => {
  const { server, store } = await openImpatientStore()
  expect(await works(store)).toBe(true)
  server.pause()
  await expectUnavailableInTime(store)
  // By now the connection is given up, and new ones find a server that accepts but does not answer.
  await expectUnavailableInTime(store)
  await expectUnavailableInTime(store)
  server.resume()
  await becomesUsable(store)
})

test('a store whose server hangs closes in time', async () => {
  const { server, store } = await openImpatientStore()
  server.pause()
  const startedMs = performance.now()
  await store.close()
  expect(performance.now() - startedMs).toBeLessThan(boundMs)
  await expectUnavailableInTime(store)
})

test('closing leaves no connection behind', async () => {
  const { server, store } = await openStore()
  const client = await openClient(server)
  await store.close()
  const names = async () => String(await client.client('LIST')).includes('name=feature-gateway')
  await expect.poll(names).toBe(false)
})

test('scripts that the server has forgotten are sent again', async () => {
  const { server, store } = await openStore()
  expect(await works(store)).toBe(true)
  const client = await openClient(server)
  await client.script('FLUSH')
  const taken = await store.write(
    'v',
    Array.from({ length: 2000 }, (_, i) => entry(`${i}`, 2)),
  )
  expect(taken.every(Boolean)).toBe(true)
  await store.raiseWatermark('v', 2)
})

test('a server out of memory refuses writes with ONLINE_STORE_UNAVAILABLE, and still reads and removes', async () => {
  const { server, store } = await openStore({ args: ['--maxmemory-policy', 'noeviction'] })
  const client = await openClient(server)
  await store.write('v', [entry('1')])
  await client.config('SET', 'maxmemory', '1mb')
  await expect(store.write('v', [entry('2')])).rejects.toMatchObject({
    code: 'ONLINE_STORE_UNAVAILABLE',
    message: expect.stringContaining('OOM'),
  })
  const [answer] = await store.read([{ view: 'v', values: ['1'] }])
  expect(answer?.entries[0]?.version).toBe(1)
  expect(await store.removeBelow('v', 9)).toBe(1)
})

test('a URL’s password and database are used, and two databases do not see each other', async () => {
  const server = await startRedis({ args: ['--requirepass', 's3cret word'] })
  onTestFinished(server.stop)
  const url = (db: number) => `redis://:s3cret%20word@127.0.0.1:${server.port}/${db}`
  const first = await createOnlineStore({ url: url(1), folder: '', log })
  onTestFinished(() => first.close())
  const second = await createOnlineStore({ url: url(2), folder: '', log })
  onTestFinished(() => second.close())
  await first.write('v', [entry('1')])
  const request = [{ view: 'v', values: ['1'] }]
  expect((await first.read(request))[0]?.entries[0]?.version).toBe(1)
  expect((await second.read(request))[0]?.entries[0]).toBeNull()
})

test('at the start a server that is not there, hangs or refuses the password is ONLINE_STORE_UNAVAILABLE, without a secret', async () => {
  const lines: string[] = []
  const stream: DestinationStream = { write: (line) => void lines.push(line) }
  const open = async (url: string) => {
    const startedMs = performance.now()
    const failure = await createRedisStore({ url, log: pino({}, stream), commandTimeoutMs }).then(
      () => null,
      (error: Error & { code?: string }) => error,
    )
    expect(performance.now() - startedMs).toBeLessThan(boundMs)
    expect(failure?.code).toBe('ONLINE_STORE_UNAVAILABLE')
    return failure?.message ?? ''
  }
  const server = await startRedis({ args: ['--requirepass', 'right'] })
  onTestFinished(server.stop)
  const address = `127.0.0.1:${server.port}`
  expect(await open(`redis://:wr0ng@${address}`)).toContain('WRONGPASS')
  expect(await open(`redis://${address}`)).toContain('NOAUTH')
  expect(await open(`rediss://:right@${address}`)).toMatch(/cannot be reached|did not answer/)
  server.pause()
  expect(await open(`redis://:wr0ng@${address}`)).toContain('did not answer')
  await server.kill()
  expect(await open(`redis://:wr0ng@${address}`)).toContain('cannot be reached')
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.join('')).not.toMatch(/wr0ng|right/)
})

test('a URL that is none is refused in the words of the settings, without showing it', async () => {
  const opening = createOnlineStore({ url: 'redis://:s3cret@h:port', folder: '', log })
  await expect(opening).rejects.toThrow(/^ONLINE_URL: (?!.*s3cret)/)
})

test('TLS is spoken with a server whose certificate comes from ONLINE_TLS_CA, and with no other', async () => {
  const certificates = await createCertificates()
  onTestFinished(certificates.remove)
  const server = await startRedis({
    certificates,
    args: ['--user', 'gateway', 'on', '>s3cret', '~fg:*', '+@all'],
  })
  onTestFinished(server.stop)
  const url = (host: string) => `rediss://gateway:s3cret@${host}:${server.port}/2`
  const open = (host: string, tlsCa: string | null) =>
    createRedisStore({ url: url(host), tlsCa, log, commandTimeoutMs: 2000 })
  for (const host of ['127.0.0.1', 'localhost']) {
    const store = await open(host, certificates.authority)
    onTestFinished(() => store.close())
    await store.write('v', [entry('1')])
    expect((await store.read([{ view: 'v', values: ['1'] }]))[0]?.entries[0]?.version).toBe(1)
  }
  for (const tlsCa of [certificates.stranger, null]) {
    await expect(open('127.0.0.1', tlsCa)).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
  }
  await expect(
    createRedisStore({ url: server.url.replace('rediss', 'redis'), log, commandTimeoutMs }),
  ).rejects.toMatchObject({
    code: 'ONLINE_STORE_UNAVAILABLE',
  })
  await expect(open('127.0.0.1', '/nowhere/authority.pem')).rejects.toThrow(
    /^ONLINE_TLS_CA: .*\/nowhere\/authority.pem/,
  )
})

test('a server that would evict watermarks is warned of at the start, one that would not, or does not tell, is not', async () => {
  const warnings = async (settings: readonly string[]) => {
    const lines: string[] = []
    const stream: DestinationStream = { write: (line) => void lines.push(line) }
    const server = await startRedis({ args: settings })
    onTestFinished(server.stop)
    const store = await createRedisStore({ url: server.url, log: pino({}, stream), commandTimeoutMs })
    await store.close()
    return lines.join('')
  }
  expect(await warnings(['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'])).toContain('noeviction')
  expect(await warnings(['--maxmemory', '50mb', '--maxmemory-policy', 'volatile-lru'])).toBe('')
  expect(await warnings(['--maxmemory-policy', 'allkeys-lru'])).toBe('')
  expect(
    await warnings([
      ...['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'],
      ...['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', '-config'],
    ]),
  ).toBe('')
})

test('URLs that name several servers, or a Sentinel without its master, are refused with the right form', async () => {
  const open = (url: string) => createOnlineStore({ url, folder: '', log })
  await expect(open('redis://a:1,b:2')).rejects.toThrow(/^ONLINE_URL: .*redis-cluster:.*redis-sentinel:/)
  await expect(open('redis-sentinel://a:1,b:2')).rejects.toThrow(/^ONLINE_URL: .*mymaster/)
  await expect(open('redis://a:1/first')).rejects.toThrow(/^ONLINE_URL: /)
  await expect(open('redis://:%zz@a:1')).rejects.toThrow(/^ONLINE_URL: /)
})
