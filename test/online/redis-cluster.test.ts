// Redis Cluster as an online store: the contract, its round trips, and what it does when masters die or slots move.

import { pino } from 'pino'
import { createOnlineStore } from '../../src/online/index.ts'
import { describeOnlineStore } from '../contract/online.ts'
import { startRedisCluster } from '../servers/redis-cluster.ts'

const log = pino({ level: 'silent' })

describeOnlineStore('Redis Cluster', async () => {
  const cluster = await startRedisCluster()
  return { store: await createOnlineStore({ url: cluster.url, folder: '', log }), stop: cluster.stop }
})
