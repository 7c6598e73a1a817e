// The Redis Cluster online store (redis-cluster:// or rediss-cluster://): keys over all slots, one round trip to each master.

import { type ChainableCommander, Cluster, type Redis } from 'ioredis'
import type { Logger } from 'pino'
import { ConfigError } from '../../config/config-error.ts'
import type { OnlineStore } from '../port.ts'
import { type Guards, type OpeningConnection, openStoreOnRedis, type RedisStoreOptions } from './open.ts'
import { connectionOptions, pauseBeforeAttempt } from './options.ts'
import { readStored } from './replies.ts'
import { callScript, defineScripts, type RedisScripts, type ScriptName } from './scripts.ts'
import { slotOf } from './slot.ts'
import {
  allMasters,
  byNode,
  masterOf,
  type SendToNode,
  type SlotCommand,
  sendBySlot,
  withinTime,
} from './slots.ts'
import { parseRedisUrl } from './url.ts'

const example = 'redis-cluster://user:password@host1:6379,host2:6379'
/** How often the slots are asked for while nothing says that they have moved. */
const slotsRefreshMs = 5000

export async function createRedisClusterStore(options: RedisStoreOptions): Promise<OnlineStore> {
  const { log, tlsCa = null, commandTimeoutMs } = options
  const cluster = createCluster(options.url, { tlsCa, commandTimeoutMs })
  return openStoreOnRedis({
    name: 'redis-cluster',
    log,
    commandTimeoutMs,
    connect: (guards) => connectionTo({ cluster, guards, commandTimeoutMs, log }),
  })
}

export function createCluster(
  url: string,
  limits: { tlsCa: string | null; commandTimeoutMs: number },
): Cluster {
  const address = parseRedisUrl(url, { example, port: 6379 })
  if (address.path.some((part) => part !== '0')) {
    throw new ConfigError('ONLINE_URL: a Redis Cluster has only database 0')
  }
  return new Cluster([...address.hosts], {
    redisOptions: connectionOptions(address, limits),
    // What cannot be sent at once is sent by slots.ts when it can be.
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseBeforeAttempt,
    slotsRefreshTimeout: Math.min(1000, limits.commandTimeoutMs),
    slotsRefreshInterval: slotsRefreshMs,
    // A certificate is for a name; looked up beforehand, it would be compared with an address.
    ...(address.tls ? { dnsLookup: (name, found) => found(null, name) } : {}),
  })
}

function connectionTo(options: {
  cluster: Cluster
  guards: Guards
  commandTimeoutMs: number
  log: Logger
}): OpeningConnection {
  const { cluster, guards, commandTimeoutMs: timeoutMs, log } = options
  const { marks } = guards
  const errors = watchCluster(cluster, guards, log)
  const writers = createWriters(cluster)
  defineScripts(cluster)
  const ready = () => withinTime(untilReady(cluster), timeoutMs, () => errors.last)

  /** Each command's result, or null if a server that answered has lost writes. */
  async function readBySlot(commands: readonly SlotCommand[]): Promise<unknown[] | null> {
    let intact = true
    const send: SendToNode = async (node, own) => {
      const mark = markOf(cluster, node)
      const expected = mark === null ? 0 : marks.seen(mark)
      const pipeline = node.pipeline()
      for (const command of own) command.add(pipeline)
      if (mark !== null) pipeline.get(mark)
      const replies = (await pipeline.exec()) ?? []
      const [error, count] = (mark === null ? undefined : replies[own.length]) ?? [null, 0]
      // A mark that is on its way to another server says nothing of this one.
      if (mark !== null && !error && !marks.check(mark, Number(count ?? 0), expected)) intact = false
      return replies
    }
    const results = await sendBySlot({ cluster, commands, send, timeoutMs })
    return intact ? results : null
  }

  async function lookAtMarks() {
    await readBySlot(
      cluster.nodes('master').flatMap((node) => {
        const mark = markOf(cluster, node)
        return mark === null ? [] : [readOf(cluster, mark)]
      }),
    )
  }

  return {
    async getMany(keys) {
      if (keys.length === 0) {
        await lookAtMarks()
        return []
      }
      const results = await readBySlot(keys.map((key) => readOf(cluster, key)))
      return results?.map((value) => (value instanceof Buffer ? value : null)) ?? null
    },
    async readMany(groups) {
      const keys = groups.flatMap(({ prefix, rests }) => rests.map((rest) => prefix + rest))
      const results = await readBySlot(keys.map((key) => readOf(cluster, key)))
      return results?.map((value) => (value instanceof Buffer ? readStored(value) : null)) ?? null
    },
    parts: (keys) => [
      ...byNode(
        cluster,
        keys.map((key) => slotOf(key)),
      ).values(),
    ],
    remove: (key) => withinTime(cluster.unlink(key), timeoutMs, () => errors.last),
    scripts: scriptsOn({ cluster, writers, guards, timeoutMs }),
    nodes: () => allMasters(cluster, timeoutMs),
    async ping() {
      await ready()
      const masters = await allMasters(cluster, timeoutMs)
      await withinTime(Promise.all(masters.map((node) => node.ping())), timeoutMs, () => errors.last)
    },
    async close() {
      await withinTime(cluster.quit(), timeoutMs, () => null).catch(() => undefined)
      cluster.disconnect()
      writers.close()
    },
    lastError: () => errors.last,
  }
}

/** The smallest number whose mark lies on this server, so that all gateways choose the same. */
function markOf(cluster: Cluster, node: Redis): string | null {
  const find = masterOf(cluster)
  for (let number = 0; number < 1000; number++) {
    const key = `fg:m:${number}`
    if (find(slotOf(key)) === node) return key
  }
  return null
}

// One key a command: keys of one slot are few, and while it moves a command that names several may have no server to run it.
function readOf(cluster: Cluster, key: string): SlotCommand {
  return {
    slot: slotOf(key),
    add: (pipeline) => void pipeline.getBuffer(key),
    redirected: () => cluster.getBuffer(key),
  }
}

function scriptsOn(options: {
  cluster: Cluster
  writers: Writers
  guards: Guards
  timeoutMs: number
}): RedisScripts {
  const { cluster, writers, guards, timeoutMs } = options

  const hold: SendToNode = (node, own) =>
    guards.held.send(writers.of(node), markOf(cluster, node), (pipeline) => {
      for (const command of own) command.add(pipeline)
    })

  const plain: SendToNode = async (node, own) => {
    const pipeline: ChainableCommander = writers.of(node).pipeline()
    for (const command of own) command.add(pipeline)
    return (await pipeline.exec()) ?? []
  }

  function call(name: ScriptName, key: string, args: readonly (Buffer | string)[]): SlotCommand {
    return {
      slot: slotOf(key),
      add: (pipeline) => void callScript(pipeline, name, [key], args),
      redirected: async () => callScript(cluster, name, [key], args),
    }
  }

  return {
    async writeEntries(keys, args) {
      const commands = keys.map((key, i) => call('gatewayWriteEntries', key, args.slice(2 * i, 2 * i + 2)))
      const taken = await sendBySlot({ cluster, commands, send: hold, timeoutMs })
      return taken.map(String).join('')
    },
    async removeEntries(keys, version) {
      const commands = keys.map((key) => call('gatewayRemoveEntries', key, [version]))
      const removed = await sendBySlot({ cluster, commands, send: plain, timeoutMs })
      return removed.reduce<number>((sum, count) => sum + Number(count), 0)
    },
    removeDroppable(keys) {
      const commands = keys.map((key) => call('gatewayRemoveDroppable', key, []))
      return sendBySlot({ cluster, commands, send: plain, timeoutMs })
    },
    raiseWatermark: (key, version) =>
      sendBySlot({
        cluster,
        commands: [call('gatewayRaiseWatermark', key, [version])],
        send: hold,
        timeoutMs,
      }),
  }
}

interface Writers {
  /** A second connection to the same server, for writes: they wait for replicas, and reads do not wait for them. */
  of(node: Redis): Redis
  close(): void
}

function createWriters(cluster: Cluster): Writers {
  const writers = new Map<Redis, Redis>()

  function end(node: Redis) {
    writers.get(node)?.disconnect()
    writers.delete(node)
  }

  cluster.on('-node', end)
  return {
    of(node) {
      const known = writers.get(node)
      if (known) return known
      // It ends with its connection, and so never speaks to another server than the one that it began with.
      const writer = defineScripts(node.duplicate({ lazyConnect: true, retryStrategy: () => null }))
      writer.on('error', () => undefined)
      writer.once('end', () => {
        if (writers.get(node) === writer) writers.delete(node)
      })
      writers.set(node, writer)
      return writer
    },
    close() {
      for (const node of [...writers.keys()]) end(node)
    },
  }
}

function untilReady(cluster: Cluster): Promise<void> {
  if (cluster.status === 'ready') return Promise.resolve()
  return new Promise((resolve) => cluster.once('ready', resolve))
}

/** One line when the cluster is lost and one when it is back; the marks are looked at whenever the slots are learnt anew. */
function watchCluster(cluster: Cluster, guards: Guards, log: Logger): { last: Error | null } {
  const errors: { last: Error | null } = { last: null }
  let lost = false
  cluster.on('node error', (error: Error) => {
    errors.last = error
  })
  cluster.on('error', (error: Error) => {
    errors.last ??= error
    if (!lost)
      log.warn({ reason: errors.last.message }, 'There is no connection to the online store (Redis Cluster)')
    lost = true
  })
  cluster.on('ready', () => {
    if (lost) log.info('The connection to the online store (Redis Cluster) is back')
    lost = false
    errors.last = null
    guards.changed()
  })
  cluster.on('refresh', () => {
    if (cluster.status === 'ready') guards.changed()
  })
  return errors
}
