// The online stores: one line for each adapter; the URL's scheme picks it, and its package loads only then.

import type { Logger } from 'pino'
import { ConfigError } from '../config/config-error.ts'
import type { SharedCounters } from './counters.ts'
import type { OnlineStore } from './port.ts'

export interface OnlineStoreOptions {
  url: string
  /** Where an embedded store keeps its files. */
  folder: string
  /** The file of the authorities (PEM) that a server's certificate may come from; the system's, unless given. */
  tlsCa?: string | null
  log: Logger
}

/** How long a call may wait for its answer. */
const commandTimeoutMs = 2000

const adapters: Record<string, (options: OnlineStoreOptions) => Promise<OnlineStore>> = {
  lmdb: async ({ folder, log }) => (await import('./lmdb.ts')).createLmdbStore({ folder, log }),
  redis: async (options) =>
    (await import('./redis/redis.ts')).createRedisStore({ ...options, commandTimeoutMs }),
  rediss: async (options) =>
    (await import('./redis/redis.ts')).createRedisStore({ ...options, commandTimeoutMs }),
  'redis-sentinel': async (options) =>
    (await import('./redis/redis.ts')).createSentinelStore({ ...options, commandTimeoutMs }),
  'redis-cluster': async (options) =>
    (await import('./redis/cluster.ts')).createRedisClusterStore({ ...options, commandTimeoutMs }),
  'rediss-cluster': async (options) =>
    (await import('./redis/cluster.ts')).createRedisClusterStore({ ...options, commandTimeoutMs }),
}

/** Opens the online store that the URL names; rejects with ONLINE_STORE_UNAVAILABLE when it cannot be reached. */
export async function createOnlineStore(options: OnlineStoreOptions): Promise<OnlineStore> {
  const scheme = options.url.slice(0, options.url.indexOf(':'))
  const create = adapters[scheme]
  if (!create) {
    const known = Object.keys(adapters).map((name) => `${name}:`)
    throw new ConfigError(
      `ONLINE_URL: there is no online store for "${scheme}:"; there is ${known.join(', ')}`,
    )
  }
  return create(options)
}

/** Counts beside the online store; null for an embedded one, which one process has for itself. */
export async function createSharedCounters(options: OnlineStoreOptions): Promise<SharedCounters | null> {
  if (!options.url.startsWith('redis')) return null
  return (await import('./redis/counters.ts')).createRedisCounters({ ...options, commandTimeoutMs: 500 })
}
