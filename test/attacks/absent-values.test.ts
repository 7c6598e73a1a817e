// What is remembered of index values that have no rows: bounded, however many are asked for, and of no weight for what is right.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { dataPaths } from '../../src/config/config.ts'
import type { LookupTarget } from '../../src/realtime/service.ts'
import { onAdapter } from '../adapters.ts'
import { openStack, type Stack } from '../realtime/stack.ts'
import { startRedis } from '../servers/redis.ts'
import { startRedisCluster } from '../servers/redis-cluster.ts'
import { tries } from '../thorough.ts'

const sql = 'SELECT user_id, count(*) AS n FROM feature_store.users GROUP BY user_id'
const maxBytes = 4 * 1024 * 1024

/** The store's URL, and the Redis servers that it is made of. */
const opened = {
  lmdb: async () => ({ onlineUrl: 'lmdb:', servers: [] }),
  redis: async () => {
    const server = await startRedis()
    onTestFinished(server.stop)
    return { onlineUrl: server.url, servers: [server.url] }
  },
  'redis-cluster': async () => {
    const cluster = await startRedisCluster({ replicas: 0 })
    onTestFinished(cluster.stop)
    return { onlineUrl: cluster.url, servers: cluster.nodes.map(({ port }) => `redis://127.0.0.1:${port}`) }
  },
}

async function openAttacked(store: keyof typeof opened) {
  const { onlineUrl, servers } = await opened[store]()
  const stack = await openStack({ onlineUrl, limits: { absentMaxBytes: maxBytes } })
  onTestFinished(() => stack.remove())
  const { target } = await stack.view('users', sql, 'user_id', 'BY_KEY')
  const clients = servers.map((server) => new Redis(server))
  onTestFinished(() => {
    for (const client of clients) client.disconnect()
  })
  return { stack, target, bytesHeld: () => bytesOf(stack, clients) }
}

async function bytesOf({ folder }: Stack, clients: readonly Redis[]): Promise<number> {
  if (clients.length === 0) return (await stat(join(dataPaths(folder.path).online, 'data.mdb'))).size
  const told = await Promise.all(clients.map((client) => client.info('memory')))
  return told.reduce((sum, info) => sum + Number(/used_memory:(\d+)/.exec(info)?.[1]), 0)
}

/** Looks values up that nobody has, so many in all. */
async function attack(stack: Stack, target: LookupTarget, { count, like }: { count: number; like: string }) {
  const valuesPerLookup = like.length > 100 ? 250 : 2500
  for (let from = 0; from < count; from += valuesPerLookup) {
    const values = Array.from({ length: valuesPerLookup }, (_, i) => `${like}-${from + i}`)
    const results = await stack.lookUp(target, values)
    expect(results.every(({ status }) => status === 'NOT_FOUND')).toBe(true)
  }
}

/** Without a bound they would take more than twice of it. */
const count = tries({ all: 120_000, part: 50_000 })

for (const store of ['lmdb', 'redis', 'redis-cluster'] as const) {
  onAdapter(store, () =>
    test(`values without rows, however many and long, take no more than they may: ${store}`, async () => {
      const { stack, target, bytesHeld } = await openAttacked(store)
      const before = await bytesHeld()
      await attack(stack, target, { count, like: 'a-key-of-thirty-characters' })
      expect((await bytesHeld()) - before).toBeLessThan(1.5 * maxBytes)
      await attack(stack, target, { count: 3000, like: 'long'.repeat(1000) })
      expect((await bytesHeld()) - before).toBeLessThan(1.5 * maxBytes)
    }),
  )
}

test('rows that a refresh has found to be gone stay gone, however little may be remembered', async () => {
  const stack = await openStack({ limits: { absentMaxBytes: 1 } })
  onTestFinished(() => stack.remove())
  const { record, target } = await stack.view(
    'single users',
    `${sql} HAVING count(*) < 2`,
    'user_id',
    'BY_KEY',
  )
  const single = { status: 'FRESH', source: 'ONLINE' }
  await stack.publish('users', ['user_id'], [['u']])
  expect(await stack.lookUp(target, ['u'])).toMatchObject([single])
  const before = await stack.warehouse.version()
  await stack.publish('users', ['user_id'], [['u']])
  expect(await stack.lookUp(target, ['u', 'nobody'])).toMatchObject([
    { status: 'NOT_FOUND', source: 'ONLINE' },
    { status: 'NOT_FOUND', source: 'WAREHOUSE' },
  ])
  const late = { value: 'u', version: before, computedAtMs: Date.now(), rows: '[{}]', expiresInMs: null }
  expect(await stack.online.write(record.id, [late])).toEqual([false])
})
