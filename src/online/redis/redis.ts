// The Redis online store: one server (redis:// or rediss://), or the one that Sentinels name (redis-sentinel://), through ioredis.

import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from 'pino'
import { ConfigError } from '../../config/config-error.ts'
import type { OnlineStore } from '../port.ts'
import { type Guards, type OpeningConnection, openStoreOnRedis, type RedisStoreOptions } from './open.ts'
import { connectionOptions, pauseBeforeAttempt } from './options.ts'
import { readValues, withSplitReplies } from './replies.ts'
import { callScript, defineScripts, type RedisScripts } from './scripts.ts'
import { parseDatabase, parseRedisUrl } from './url.ts'

const markKey = 'fg:m:0'

export function createRedisStore(options: RedisStoreOptions): Promise<OnlineStore> {
  return open('redis', options)
}

export function createSentinelStore(options: RedisStoreOptions): Promise<OnlineStore> {
  return open('redis-sentinel', options)
}

/** Where a URL leads, of one server or of Sentinels, as ioredis takes it. */
export function redisTarget(url: string, limits: Limits): Target {
  return url.startsWith('redis-sentinel:') ? sentinelTarget(url, limits) : serverTarget(url, limits)
}

function serverTarget(url: string, limits: Limits): Target {
  const example = 'redis://user:password@host:6379/0'
  const address = parseRedisUrl(url, { example, port: 6379 })
  const [host, ...more] = address.hosts
  if (more.length > 0) {
    throw new ConfigError(
      'ONLINE_URL: redis:// names one server; of several, write redis-cluster:// or redis-sentinel://',
    )
  }
  return { ...host, db: parseDatabase(address.path[0], example), ...connectionOptions(address, limits) }
}

/** The credentials and the database are the server's; the Sentinels themselves ask for none. */
function sentinelTarget(url: string, limits: Limits): Target {
  const example = 'redis-sentinel://user:password@host1:26379,host2:26379/mymaster/0'
  const address = parseRedisUrl(url, { example, port: 26379 })
  const [name, database] = address.path
  if (name === undefined) {
    throw new ConfigError(
      `ONLINE_URL: redis-sentinel:// needs the name of the master behind a slash, as in ${example}`,
    )
  }
  return {
    sentinels: [...address.hosts],
    name,
    db: parseDatabase(database, example),
    sentinelRetryStrategy: pauseBeforeAttempt,
    sentinelCommandTimeout: limits.commandTimeoutMs,
    ...connectionOptions(address, limits),
  }
}

/** The replies as ioredis has always given them. */
type Target = Omit<RedisOptions, 'replyMapping'>

interface Limits {
  tlsCa: string | null
  commandTimeoutMs: number
}

async function open(name: string, options: RedisStoreOptions): Promise<OnlineStore> {
  const { log, tlsCa = null, commandTimeoutMs } = options
  const redisOptions = {
    ...redisTarget(options.url, { tlsCa, commandTimeoutMs }),
    ...oneServer(commandTimeoutMs),
  }
  return openStoreOnRedis({
    name,
    log,
    commandTimeoutMs,
    connect: (guards) => connectionTo(redisOptions, guards, log),
  })
}

/**
 * So that nothing hangs: a dead connection is noticed (`socketTimeout`), a call ends (`commandTimeout`), and reconnecting
 * goes on with pauses of at most two seconds. What was being read when a connection broke is asked again on the next.
 */
function oneServer(commandTimeoutMs: number) {
  return {
    commandTimeout: commandTimeoutMs,
    maxRetriesPerRequest: 1,
    retryStrategy: pauseBeforeAttempt,
    // After a failover the old primary only reads: a new connection finds the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions
}

function connectionTo(options: Target, { marks, held, changed }: Guards, log: Logger): OpeningConnection {
  const reader = withSplitReplies(new Redis(options))
  // Writes wait for replicas, which holds up the connection that they are on. Nothing of them is sent again on another
  // connection: that could be another server, which took the mark of writes that it has never seen.
  const writer = defineScripts(
    new Redis({ ...options, lazyConnect: true, autoResendUnfulfilledCommands: false }),
  )
  const errors = logConnection(reader, log, changed)
  writer.on('error', () => undefined)

  return {
    async readMany(groups) {
      const expected = marks.seen(markKey)
      const found = await readValues(reader, [...groups, { prefix: markKey, rests: [''] }])
      return marks.check(markKey, Number(found.pop() ?? 0), expected) ? found : null
    },
    async getMany(keys) {
      const expected = marks.seen(markKey)
      const found = await reader.mgetBuffer(...keys, markKey)
      const count = Number(found.pop()?.toString() ?? 0)
      return marks.check(markKey, count, expected) ? found : null
    },
    parts: (keys) => [keys.map((_, i) => i)],
    remove: (key) => writer.unlink(key),
    scripts: scriptsOn(writer, held),
    nodes: async () => [reader],
    ping: async () => void (await reader.ping()),
    async close() {
      await Promise.all([reader, writer].map((redis) => quit(redis)))
    },
    lastError: () => errors.last,
  }
}

function scriptsOn(writer: Redis, held: Guards['held']): RedisScripts {
  async function send(
    name: 'gatewayWriteEntries' | 'gatewayRaiseWatermark',
    keys: readonly string[],
    args: readonly (Buffer | string)[],
  ) {
    const [reply] = await held.send(writer, markKey, (pipeline) => callScript(pipeline, name, keys, args))
    const [error, result] = reply ?? [new Error('no reply'), null]
    if (error) throw error
    return result
  }

  return {
    writeEntries: async (keys, args) => String(await send('gatewayWriteEntries', keys, args)),
    removeEntries: async (keys, version) =>
      Number(await callScript(writer, 'gatewayRemoveEntries', keys, [version])),
    removeDroppable: async (keys) => callScript(writer, 'gatewayRemoveDroppable', keys, []),
    raiseWatermark: (key, version) => send('gatewayRaiseWatermark', [key], [version]),
  }
}

async function quit(redis: Redis) {
  if (redis.status !== 'wait') await redis.quit().catch(() => undefined)
  redis.disconnect()
}

/** One line when the connection is lost and one when it is back, not one for each attempt. */
function logConnection(redis: Redis, log: Logger, changed: () => void): { last: Error | null } {
  const errors: { last: Error | null } = { last: null }
  redis.on('error', (error: Error) => {
    if (!errors.last)
      log.warn({ reason: error.message }, 'There is no connection to the online store (Redis)')
    errors.last = error
  })
  redis.on('ready', () => {
    if (errors.last) log.info('The connection to the online store (Redis) is back')
    errors.last = null
    changed()
  })
  return errors
}
