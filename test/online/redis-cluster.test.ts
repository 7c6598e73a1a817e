// Redis Cluster as an online store: the contract, its round trips, and what it does when slots move.

import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createOnlineStore } from '../../src/online/index.ts'
import type { OnlineStore } from '../../src/online/port.ts'
import { createRedisClusterStore } from '../../src/online/redis/cluster.ts'
import { slotOf } from '../../src/online/redis/slot.ts'
import { onAdapter } from '../adapters.ts'
import { describeOnlineStore } from '../contract/online.ts'
import { createCertificates } from '../servers/certificates.ts'
import { runProgram } from '../servers/child.ts'
import { programPath } from '../servers/programs.ts'
import { type ClusterServer, type RedisCluster, startRedisCluster } from '../servers/redis-cluster.ts'
import { boundMs, commandCounts, entry, everyCall } from './redis-calls.ts'

const log = pino({ level: 'silent' })

onAdapter('redis-cluster', () =>
  describeOnlineStore('Redis Cluster', async () => {
    const cluster = await startRedisCluster()
    return { store: await createOnlineStore({ url: cluster.url, folder: '', log }), stop: cluster.stop }
  }),
)

let cluster: RedisCluster
let store: OnlineStore
let masters: readonly ClusterServer[]

beforeAll(async () => {
  cluster = await startRedisCluster()
  store = await createOnlineStore({ url: cluster.url, folder: '', log })
  masters = (await cluster.masters()).map(({ node }) => node)
})
afterAll(async () => {
  await store?.close()
  await cluster?.stop()
})

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i}`)
const onMasters = <T>(look: (master: ClusterServer) => Promise<T>) => Promise.all(masters.map(look))
const counts = () => onMasters(({ client }) => commandCounts(client))

/** How often the server has read from its clients' sockets. */
const socketReads = ({ client }: ClusterServer) =>
  client.info('stats').then((info) => Number(/total_reads_processed:(\d+)/.exec(info)?.[1]))

async function writeViews(views: readonly string[], values: readonly string[]) {
  for (const view of views) {
    await store.write(
      view,
      values.map((value) => entry(value)),
    )
  }
}

test('slots are those that the server computes', async () => {
  const keys = [
    '',
    'a',
    'fg:e:v:v1',
    'é',
    '😀',
    '{a}b',
    'x{a}b',
    '{}a',
    '{a',
    'a}{b}',
    'a{{b}}c',
    'é{ü}',
    '\0',
  ]
  for (const key of keys) {
    expect(slotOf(key), key).toBe(await masters[0]?.client.cluster('KEYSLOT', key))
  }
})

test('entries, watermarks and load are spread over all masters', async () => {
  await writeViews(['spread'], numbers(3000))
  for (const i of numbers(50)) await store.raiseWatermark(`spread${i}`, 1)
  const [entries, watermarks] = await Promise.all([
    onMasters(async ({ client }) => (await client.keys('fg:e:spread:*')).length),
    onMasters(async ({ client }) => (await client.keys('fg:f:spread*')).length),
  ])
  expect(entries.reduce((sum, count) => sum + count)).toBe(3000)
  for (const count of entries) expect(count).toBeGreaterThan(800)
  for (const count of watermarks) expect(count).toBeGreaterThan(3)
})

test('a read of many values of many views, watermarks included, is one round trip to each master', async () => {
  const views = numbers(10).map((i) => `trip${i}`)
  await writeViews(views, numbers(40))
  const requests = views.map((view) => ({ view, values: numbers(40) }))
  await onMasters(({ client }) => client.config('RESETSTAT'))
  const answers = await store.read(requests)
  expect(answers.flatMap(({ entries }) => entries).every((found) => found !== null)).toBe(true)
  const asked = (await counts()).reduce((sum, { get = 0 }) => sum + get, 0)
  // The mark of each master comes with what is asked for.
  expect(asked).toBe(10 * 41 + 3)

  const tripsOnce = async () => {
    const before = await onMasters(socketReads)
    await store.read(requests)
    const after = await onMasters(socketReads)
    // One of them is the question itself.
    return after.map((count, i) => count - (before[i] ?? 0) - 1)
  }
  // Now and then a replica or a look at the slots comes between.
  await expect.poll(tripsOnce, { timeout: 10_000, interval: 20 }).toEqual([1, 1, 1])
})

test('a read whose keys one master holds leaves the others alone', async () => {
  const [alone] = masters
  const holds = async (key: string) => (await cluster.masterOf(key)) === alone
  let view = 'lone'
  while (!(await holds(`fg:f:${view}`))) view += 'x'
  const values: string[] = []
  for (let i = 0; values.length < 20; i++) if (await holds(`fg:e:${view}:v${i}`)) values.push(`${i}`)
  await writeViews([view], values)
  await onMasters(({ client }) => client.config('RESETSTAT'))
  const [answer] = await store.read([{ view, values }])
  expect(answer?.entries.every((found) => found !== null)).toBe(true)
  expect((await counts()).map(({ get = 0 }) => get > 0)).toEqual([true, false, false])
})

test('a write sends its script to each master once, and is held by a replica before it resolves', async () => {
  const fresh = await createOnlineStore({ url: cluster.url, folder: '', log })
  onTestFinished(() => fresh.close())
  await onMasters(({ client }) => client.config('RESETSTAT'))
  await fresh.write(
    'scripts',
    numbers(2000).map((value) => entry(value)),
  )
  for (const { eval: whole = 0, evalsha = 0, wait = 0 } of await counts()) {
    expect(whole).toBe(1)
    expect(evalsha).toBeGreaterThan(400)
    expect(wait).toBeGreaterThan(0)
  }
})

test('scripts that the servers have forgotten are sent again', async () => {
  await writeViews(['forgotten'], numbers(100))
  await onMasters(({ client }) => client.script('FLUSH'))
  const again = numbers(100).map((value) => entry(value, 2))
  expect((await store.write('forgotten', again)).every(Boolean)).toBe(true)
})

test('while slots are on their way to another master, nothing is missing, refused or lost', async () => {
  const values = numbers(2000)
  await writeViews(['moving'], values)
  const [from, to] = await onMasters(async ({ client, port }) => ({
    port,
    id: String(await client.cluster('MYID')),
  }))
  let moving = true
  const reshard = runProgram(programPath('redis-cli'), [
    ...['--cluster', 'reshard', `127.0.0.1:${from?.port}`, '--cluster-yes', '--cluster-slots', '600'],
    ...['--cluster-from', from?.id ?? '', '--cluster-to', to?.id ?? '', '--cluster-pipeline', '3'],
  ]).finally(() => {
    moving = false
  })
  let version = 1
  for (; moving || version < 4; version++) {
    const [answer] = await store.read([{ view: 'moving', values }])
    expect(answer?.entries.every((found) => found?.version === version)).toBe(true)
    const next = values.map((value) => entry(value, version + 1))
    expect((await store.write('moving', next)).every(Boolean)).toBe(true)
    await store.raiseWatermark('moving', version)
  }
  await reshard
  const [answer] = await store.read([{ view: 'moving', values }])
  expect(answer?.watermark).toBe(version - 1)
  expect(answer?.entries.every((found) => found?.version === version)).toBe(true)
  expect(await store.removeBelow('moving', version + 1)).toBe(values.length)
})

test('a slot that is half moved is read and written on both of its sides', async () => {
  const [from, to] = masters
  if (!from || !to) throw new Error('two masters are needed')
  let value = 'half'
  while ((await cluster.masterOf(`fg:e:half:v{${value}}1`)) !== from) value += 'x'
  const [moved, unmoved, unwritten] = [1, 2, 3].map((i) => `{${value}}${i}`)
  const values = [moved ?? '', unmoved ?? '', unwritten ?? '']
  const slot = slotOf(`fg:e:half:v${moved}`)
  const [fromId, toId] = [String(await from.client.cluster('MYID')), String(await to.client.cluster('MYID'))]
  await writeViews(['half'], values.slice(0, 2))
  await to.client.cluster('SETSLOT', slot, 'IMPORTING', fromId)
  await from.client.cluster('SETSLOT', slot, 'MIGRATING', toId)
  await from.client.migrate('127.0.0.1', to.port, `fg:e:half:v${moved}`, 0, 1000)
  const versions = async () =>
    (await store.read([{ view: 'half', values }]))[0]?.entries.map((found) => found?.version ?? null)

  expect(await versions()).toEqual([1, 1, null])
  const again = values.map((each) => entry(each, 2))
  expect(await store.write('half', again)).toEqual([true, true, true])
  expect(await versions()).toEqual([2, 2, 2])

  await from.client.migrate('127.0.0.1', to.port, `fg:e:half:v${unmoved}`, 0, 1000)
  for (const node of [to, from, ...masters.slice(2)]) await node.client.cluster('SETSLOT', slot, 'NODE', toId)
  expect(await versions()).toEqual([2, 2, 2])
  await store.dropView('half')
  expect(await versions()).toEqual([null, null, null])
})

test('closing leaves no connection behind', async () => {
  const other = await createOnlineStore({ url: cluster.url, folder: '', log })
  await Promise.allSettled(Object.values(everyCall(other)).map((call) => call()))
  const connections = async () => {
    const lists = await onMasters(({ client }) => client.client('LIST'))
    return [...lists.join('').matchAll(/name=\S*feature-gateway/g)].length
  }
  const before = await connections()
  await other.close()
  await expect.poll(connections).toBeLessThanOrEqual(before - 6)
})

test('the URL’s password is used, and a wrong one or dead servers show at the start, in time and without a secret', async () => {
  const guarded = await startRedisCluster({
    replicas: 0,
    args: ['--requirepass', 's3cret word', '--masterauth', 's3cret word'],
  })
  onTestFinished(guarded.stop)
  const hosts = guarded.url.replace('redis-cluster://', '')
  const open = (credentials: string) =>
    createRedisClusterStore({
      url: `redis-cluster://${credentials}${hosts}/0`,
      log,
      commandTimeoutMs: 1000,
    })
  const opened = await open(':s3cret%20word@')
  onTestFinished(() => opened.close())
  await opened.write('v', [entry('1')])
  expect((await opened.read([{ view: 'v', values: ['1'] }]))[0]?.entries[0]?.version).toBe(1)

  const refusal = async (credentials: string) => {
    const startedMs = performance.now()
    const failure = await open(credentials).then(
      () => null,
      (error: Error & { code?: string }) => error,
    )
    expect(performance.now() - startedMs).toBeLessThan(boundMs)
    expect(failure?.code).toBe('ONLINE_STORE_UNAVAILABLE')
    expect(failure?.message).not.toContain('wr0ng')
    return failure?.message
  }
  expect(await refusal(':wr0ng@')).toContain('WRONGPASS')
  expect(await refusal('')).toContain('NOAUTH')
  for (const node of guarded.nodes) await node.kill()
  expect(await refusal(':wr0ng@')).toContain('cannot be reached')
})

test('TLS is spoken with every server of a cluster whose certificates come from ONLINE_TLS_CA', async () => {
  const certificates = await createCertificates()
  onTestFinished(certificates.remove)
  const guarded = await startRedisCluster({ certificates })
  onTestFinished(guarded.stop)
  const open = (tlsCa: string) => createOnlineStore({ url: guarded.url, folder: '', tlsCa, log })
  const opened = await open(certificates.authority)
  onTestFinished(() => opened.close())
  const entries = numbers(300).map((value) => entry(value))
  expect((await opened.write('v', entries)).every(Boolean)).toBe(true)
  const [answer] = await opened.read([{ view: 'v', values: numbers(300) }])
  expect(answer?.entries.every((found) => found?.version === 1)).toBe(true)
  await expect(open(certificates.stranger)).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
})

test('what a cluster has none of is refused in the words of the settings', async () => {
  const open = (url: string) => createOnlineStore({ url, folder: '', log })
  await expect(open(`${cluster.url}/1`)).rejects.toThrow(/^ONLINE_URL: .*database 0/)
  await expect(open('redis-cluster://:s3cret@h:port')).rejects.toThrow(/^ONLINE_URL: (?!.*s3cret)/)
})
