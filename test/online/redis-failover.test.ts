// Redis servers that die, hang, fail over and lose what they acknowledged: nothing old is ever served for it.

import { Redis } from 'ioredis'
import { type DestinationStream, pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createOnlineStore } from '../../src/online/index.ts'
import type { OnlineStore } from '../../src/online/port.ts'
import { createRedisClusterStore } from '../../src/online/redis/cluster.ts'
import { createSentinelStore } from '../../src/online/redis/redis.ts'
import { startRedis } from '../servers/redis.ts'
import { type ClusterOptions, type ClusterServer, startRedisCluster } from '../servers/redis-cluster.ts'
import { startRedisSentinel } from '../servers/redis-sentinel.ts'
import { becomesUsable, boundMs, entry, everyCall } from './redis-calls.ts'

const log = pino({ level: 'silent' })
const values = Array.from({ length: 300 }, (_, i) => `${i}`)
/** A server that is silent for a second is taken for dead; the vote and the new slots take their time too. */
const failoverMs = 10_000

async function openCluster(options: ClusterOptions = {}) {
  const cluster = await startRedisCluster(options)
  onTestFinished(cluster.stop)
  const open = async () => {
    const store = await createRedisClusterStore({ url: cluster.url, log, commandTimeoutMs: 1000 })
    onTestFinished(() => store.close())
    return store
  }
  return { cluster, store: await open(), open }
}

const writeAll = (store: OnlineStore, version: number) =>
  store.write(
    'v',
    values.map((value) => entry(value, version)),
  )

/** What a lookup may take from an answer: the versions at the watermark or above it. */
async function served(store: OnlineStore): Promise<(number | null)[]> {
  const [answer] = await store.read([{ view: 'v', values }])
  return (answer?.entries ?? []).map((found) =>
    found && found.version >= (answer?.watermark ?? 0) ? found.version : null,
  )
}

/** Reads until the store answers again; no read may last longer than the bound, nor serve a version of `old`. */
async function readUntilAnswered(store: OnlineStore, old: number) {
  const startedMs = performance.now()
  for (;;) {
    const readMs = performance.now()
    try {
      const versions = await served(store)
      expect(versions).not.toContain(old)
      return { versions, tookMs: performance.now() - startedMs }
    } catch (error) {
      expect(error).toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
      expect(performance.now() - readMs).toBeLessThan(boundMs)
      if (performance.now() - startedMs > failoverMs) throw error
    }
  }
}

test('a Cluster master that is killed right after writes and a raised watermark takes none of them along', async () => {
  const { cluster, store, open } = await openCluster()
  await writeAll(store, 1)
  await writeAll(store, 2)
  await store.raiseWatermark('v', 2)
  await (await cluster.masterOf('fg:f:v')).kill()

  const { versions, tookMs } = await readUntilAnswered(store, 1)
  expect(tookMs).toBeLessThan(failoverMs)
  expect(versions).toEqual(values.map(() => 2))
  // A gateway that has known nothing before finds the watermark on the server itself.
  const [answer] = await (await open()).read([{ view: 'v', values: [] }])
  expect(answer?.watermark).toBe(2)
  expect((await writeAll(store, 3)).every(Boolean)).toBe(true)
  expect(await served(store)).toEqual(values.map(() => 3))
})

test('each master killed in turn, with lookups and writes going on, leaves every acknowledged write', async () => {
  const { cluster, store } = await openCluster({ persistent: true })
  let version = 1
  await writeAll(store, version)
  for (const { node } of await cluster.masters()) {
    const killed = node.kill()
    // A write that failed may have reached some; those that resolved count.
    let acknowledged = version
    for (let tries = 0; tries < 100 && acknowledged < version + 1; tries++) {
      await writeAll(store, version + 1).then(
        () => {
          acknowledged = version + 1
        },
        (error) => expect(error).toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' }),
      )
    }
    version++
    expect(acknowledged).toBe(version)
    expect(await served(store)).toEqual(values.map(() => version))
    await killed
    await node.restart()
    await untilReplica(node)
  }
})

/** The restarted server has become a replica of the one that took over, and holds what that one holds. */
const untilReplica = ({ client }: ClusterServer) =>
  expect
    .poll(() => client.info('replication').catch(() => ''), { timeout: 20_000, interval: 50 })
    .toMatch(/role:slave.*master_link_status:up/s)

test('a replica that takes over without the latest writes is found out: nothing old is served, and all works on', async () => {
  const lines: string[] = []
  const stream: DestinationStream = { write: (line) => void lines.push(line) }
  const { cluster } = await openCluster()
  const store = await createRedisClusterStore({
    url: cluster.url,
    log: pino({}, stream),
    commandTimeoutMs: 1000,
  })
  onTestFinished(() => store.close())
  await writeAll(store, 1)
  const master = await cluster.masterOf('fg:f:v')
  // From here on its replica hears nothing more of it, and will know of version 1 only.
  await master.client.acl('SETUSER', 'default', '-psync', '-sync')
  await master.client.call('CLIENT', 'KILL', 'TYPE', 'replica')
  await expect.poll(async () => (await master.client.role()).at(2)).toEqual([])
  await writeAll(store, 2)
  await store.raiseWatermark('v', 2)
  await master.kill()

  const { versions } = await readUntilAnswered(store, 1)
  expect(versions).toContain(null)
  await expect.poll(() => lines.join('')).toContain('empty and in use again')
  expect(lines.join('')).toContain('lost acknowledged writes')
  const [answer] = await store.read([{ view: 'v', values }])
  expect(answer?.watermark).toBe(2)
  expect(answer?.entries.every((found) => found === null)).toBe(true)
  expect((await writeAll(store, 3)).every(Boolean)).toBe(true)
  expect(await served(store)).toEqual(values.map(() => 3))
})

test('when a Cluster master hangs every call ends in time, and all works once its replica has taken over', async () => {
  const { cluster, store } = await openCluster()
  await writeAll(store, 1)
  const master = await cluster.masterOf('fg:f:v')
  master.pause()
  for (let i = 0; i < 2; i++) {
    const startedMs = performance.now()
    for (const result of await Promise.allSettled(Object.values(everyCall(store)).map((call) => call()))) {
      if (result.status === 'rejected') {
        expect(result.reason).toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
      }
    }
    expect(performance.now() - startedMs).toBeLessThan(boundMs)
  }
  await becomesUsable(store)
  master.resume()
  await untilReplica(master)
  await becomesUsable(store)
  for (const [name, call] of Object.entries(everyCall(store))) {
    await expect(call(), name).resolves.not.toThrow()
  }
})

test('a whole Cluster that is killed and restarted is found again, with what it kept', async () => {
  const { cluster, store } = await openCluster({ persistent: true })
  await writeAll(store, 7)
  await Promise.all(cluster.nodes.map((node) => node.kill()))
  const startedMs = performance.now()
  for (const [name, call] of Object.entries(everyCall(store))) {
    await expect(call(), name).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
  }
  expect(performance.now() - startedMs).toBeLessThan(7 * boundMs)
  for (const node of cluster.nodes) await node.restart()
  await becomesUsable(store)
  expect(await served(store)).toEqual(values.map(() => 7))
})

test('a Cluster master that comes back empty before its replica takes over serves nothing below a watermark it lost', async () => {
  const { cluster, store, open } = await openCluster({ nodeTimeoutMs: 20_000 })
  await writeAll(store, 1)
  await store.raiseWatermark('v', 2)
  const other = await open()
  expect(await served(other)).toEqual(values.map(() => null))
  await (await cluster.masterOf('fg:f:v')).restart()
  for (const each of [store, other]) {
    const { versions } = await readUntilAnswered(each, 1)
    expect(versions).toEqual(values.map(() => null))
  }
  await becomesUsable(store)
  await expect
    .poll(async () => (await (await open()).read([{ view: 'v', values: [] }]))[0]?.watermark)
    .toBe(2)
})

test('a Redis restored from an older snapshot serves nothing of it, and keeps the watermarks that were raised since', async () => {
  const server = await startRedis()
  onTestFinished(server.stop)
  const store = await createOnlineStore({ url: server.url, folder: '', log })
  onTestFinished(() => store.close())
  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  await writeAll(store, 1)
  await client.save()
  await writeAll(store, 2)
  await store.raiseWatermark('other', 5)
  await server.restart()

  const { versions } = await readUntilAnswered(store, 1)
  expect(versions).toEqual(values.map(() => null))
  await expect.poll(() => client.keys('fg:e:v:*')).toEqual([])
  await expect.poll(() => client.get('fg:f:other')).toBe('5')
  await writeAll(store, 3)
  await expect.poll(() => served(store)).toEqual(values.map(() => 3))
})

test('Sentinels name the master, and after it was killed its replica, which holds what was acknowledged', async () => {
  const sentinel = await startRedisSentinel({ password: 'se cret' })
  onTestFinished(sentinel.stop)
  const open = (master: string) =>
    createSentinelStore({
      url: `redis-sentinel://:se%20cret@${sentinel.hosts}/${master}`,
      log,
      commandTimeoutMs: 1000,
    })
  const store = await open('mymaster/3')
  onTestFinished(() => store.close())
  await writeAll(store, 1)
  await writeAll(store, 2)
  await store.raiseWatermark('v', 2)
  await sentinel.master.kill()
  const { versions } = await readUntilAnswered(store, 1)
  expect(versions).toEqual(values.map(() => 2))
  await becomesUsable(store)
  await expect(open('nobody')).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
})
