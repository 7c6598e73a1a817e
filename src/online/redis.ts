// The Redis online store: one server (redis:// or rediss://), reached through ioredis.

import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from 'pino'
import { ConfigError } from '../config.ts'
import type { OnlineStore } from './port.ts'
import { translateFailure } from './redis-failure.ts'
import { defineScripts } from './redis-scripts.ts'
import { createStoreOnRedis, type RedisConnection } from './redis-store.ts'

export interface RedisStoreOptions {
  url: string
  log: Logger
  /** How long a call may wait for its answer. */
  commandTimeoutMs?: number
}

/** Connects before it resolves, so that a wrong URL or password shows at the start. */
export async function createRedisStore({
  url,
  log,
  commandTimeoutMs = 2000,
}: RedisStoreOptions): Promise<OnlineStore> {
  const redis = new Redis(withoutQuery(url), connectionOptions(commandTimeoutMs))
  const connectionErrors = logConnection(redis, log)
  const store = createStoreOnRedis('redis', connectionTo(redis))
  try {
    await store.ping()
    return store
  } catch (error) {
    redis.disconnect()
    // Why there is no connection says more than that the ping found none.
    throw translateFailure('Connecting', connectionErrors.last ?? error)
  }
}

/** The URL without its query, which ioredis would take for settings of its own. */
function withoutQuery(url: string): string {
  if (!URL.canParse(url)) {
    throw new ConfigError('ONLINE_URL: this is no URL; one looks like redis://user:password@host:6379/0')
  }
  const parsed = new URL(url)
  parsed.search = ''
  return parsed.href
}

/**
 * So that nothing hangs: a dead connection is noticed (`socketTimeout`), a call ends (`commandTimeout`), and reconnecting
 * goes on with pauses of at most two seconds. What was under way when a connection broke is sent again on the next:
 * every command of the store may come twice or late, since versions and floors only ever rise.
 */
function connectionOptions(commandTimeoutMs: number) {
  return {
    connectTimeout: commandTimeoutMs,
    commandTimeout: commandTimeoutMs,
    socketTimeout: commandTimeoutMs + 1000,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt: number) =>
      Math.min(50 * 2 ** Math.min(attempt, 10), 2000) * (0.75 + Math.random() / 2),
    // After a failover the old primary only reads: a new connection finds the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    connectionName: 'feature-gateway',
  } satisfies RedisOptions
}

function connectionTo(redis: Redis): RedisConnection {
  const scripts = defineScripts(redis)
  return {
    getMany: (keys) => redis.mgetBuffer(...keys),
    parts: (keys) => [keys.map((_, i) => i)],
    remove: (key) => redis.unlink(key),
    scripts,
    nodes: () => [redis],
    ping: async () => void (await redis.ping()),
    async close() {
      await redis.quit().catch(() => undefined)
      redis.disconnect()
    },
  }
}

/** One line when the connection is lost and one when it is back, not one for each attempt. */
function logConnection(redis: Redis, log: Logger): { last: Error | null } {
  const errors: { last: Error | null } = { last: null }
  redis.on('error', (error: Error) => {
    if (!errors.last)
      log.warn({ reason: error.message }, 'There is no connection to the online store (Redis)')
    errors.last = error
  })
  redis.on('ready', () => {
    if (errors.last) log.info('The connection to the online store (Redis) is back')
    errors.last = null
  })
  return errors
}
