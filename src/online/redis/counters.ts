// Shared counts in the Redis that holds the online store, over a connection of their own: a lookup never waits for them.

import { Redis } from 'ioredis'
import type { SharedCounters } from '../counters.ts'
import { createCluster } from './cluster.ts'
import type { RedisStoreOptions } from './open.ts'
import { pauseBeforeAttempt } from './options.ts'
import { redisTarget } from './redis.ts'
import { withinTime } from './slots.ts'

const prefix = 'fg:r:'

/** KEYS: a count. ARGV: what to add, and how long it is kept in ms. */
const addToCount = `
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return total
`

type Client = ReturnType<typeof createClient> & {
  gatewayCount(key: string, amount: number, expiresInMs: number): Promise<number>
}

export function createRedisCounters(options: RedisStoreOptions): SharedCounters {
  const { commandTimeoutMs } = options
  const client = createClient(options) as Client
  client.defineCommand('gatewayCount', { lua: addToCount, numberOfKeys: 1 })
  let lastError: Error | null = null
  client.on('error', (error: Error) => {
    lastError = error
  })

  return {
    add(counts) {
      const added = counts.map(({ key, amount, expiresInMs }) =>
        client.gatewayCount(prefix + key, amount, expiresInMs),
      )
      return withinTime(Promise.all(added), commandTimeoutMs, () => lastError)
    },
    close: async () => client.disconnect(),
  }
}

/** Nothing waits for a connection: a count that cannot be added now is of no use later. */
function createClient(options: RedisStoreOptions) {
  const { commandTimeoutMs, tlsCa = null } = options
  const limits = { commandTimeoutMs, tlsCa }
  if (/^rediss?-cluster:/.test(options.url)) return createCluster(options.url, limits)
  return new Redis({
    ...redisTarget(options.url, limits),
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    retryStrategy: pauseBeforeAttempt,
  })
}
