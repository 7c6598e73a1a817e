// The stores that an end-to-end test runs on, as its vitest project says: the embedded ones, or PostgreSQL and Redis.

import { inject } from 'vitest'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { execute } from '../warehouse/open-postgres.ts'
import type { Settings } from './gateway.ts'

declare module 'vitest' {
  interface ProvidedContext {
    stores: 'EMBEDDED' | 'SERVERS'
  }
}

export interface Stores {
  /** The settings of a gateway on stores that hold nothing yet; with the embedded ones, its DATA_DIR says which. */
  create(): Promise<Settings>
  stop(): Promise<void>
}

export async function openStores(): Promise<Stores> {
  return inject('stores') === 'SERVERS' ? openServers() : { create: async () => ({}), stop: async () => {} }
}

/** PostgreSQL as the catalog and as the warehouse, Redis as the online store. */
export async function openServers() {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  let created = 0
  return {
    async create() {
      const number = created++
      await execute(postgres.url, `CREATE DATABASE catalog_${number}`)
      await execute(postgres.url, `CREATE DATABASE warehouse_${number}`)
      return {
        CATALOG_URL: postgres.databaseUrl(`catalog_${number}`),
        WAREHOUSE_URL: postgres.databaseUrl(`warehouse_${number}`),
        ONLINE_URL: `${redis.url}/${number}`,
      }
    },
    async stop() {
      await Promise.all([postgres.stop(), redis.stop()])
    },
  }
}
