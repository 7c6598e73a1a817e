// Realtime over a Redis Cluster whose masters are killed in the middle of publishes and lookups.

import { expect, onTestFinished, test } from 'vitest'
import { startRedisCluster } from '../servers/redis-cluster.ts'
import { openStack } from './stack.ts'

const sql = 'SELECT user_id, count(*) AS n FROM feature_store.users GROUP BY user_id'
const everyone = 'SELECT user_id, (SELECT count(*) FROM feature_store.users) AS n FROM feature_store.users'
const users = Array.from({ length: 60 }, (_, i) => `u${i}`)

test('killing a Cluster master under load leaves lookups answered in time and every value equal to training', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(cluster.stop)
  const stack = await openStack({ onlineUrl: cluster.url })
  onTestFinished(() => stack.remove())
  const views = [
    { ...(await stack.view('by key', sql, 'user_id', 'BY_KEY')), query: sql },
    { ...(await stack.view('in full', everyone, 'user_id', 'FULL')), query: everyone },
  ]
  const publish = (batch: number) =>
    stack.publish(
      'users',
      ['user_id'],
      users.filter((_, i) => i % 5 === batch % 5).map((user) => [user]),
    )
  await publish(0)

  let publishing = true
  let slowestMs = 0
  const lookups = views.map(async ({ target }) => {
    while (publishing) {
      const startedMs = performance.now()
      await stack.lookUp(target, users)
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)
    }
  })
  for (let batch = 1; batch <= 12; batch++) {
    await publish(batch)
    if (batch === 4) {
      const [victim] = await cluster.masters()
      await victim?.node.kill()
    }
  }
  publishing = false
  await Promise.all(lookups)
  expect(slowestMs).toBeLessThan(10_000)

  for (const { target, query } of views) await stack.expectTraining(target, query)
  await stack.realtime.idle()
  for (const { target, query, record } of views) {
    for (const { source } of await stack.expectTraining(target, query)) expect(source).toBe('ONLINE')
    expect(await stack.realtime.parity(record.id, 1000)).toMatchObject({
      mismatched: 0,
      missing: 0,
      extra: 0,
    })
  }
})
