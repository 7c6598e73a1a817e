// The promise on servers: PostgreSQL as the catalog and as the warehouse, Redis as the online store.

import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { testPromise } from './promise.ts'

testPromise('PostgreSQL and Redis', async () => {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  await execute(postgres.url, 'CREATE DATABASE catalog')
  await execute(postgres.url, 'CREATE DATABASE warehouse')
  return {
    settings: {
      CATALOG_URL: postgres.databaseUrl('catalog'),
      WAREHOUSE_URL: postgres.databaseUrl('warehouse'),
      ONLINE_URL: redis.url,
    },
    async stop() {
      await Promise.all([postgres.stop(), redis.stop()])
    },
  }
})
