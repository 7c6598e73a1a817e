// Realtime over a real redis-server: as over LMDB, and through its death.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RedisServer, startRedis } from '../servers/redis.ts'
import { openStack, type Stack, sortedRows } from './stack.ts'

const sql = 'SELECT user_id, count(*) AS n FROM feature_store.users GROUP BY user_id'
const everyone = 'SELECT user_id, (SELECT count(*) FROM feature_store.users) AS n FROM feature_store.users'
let redis: RedisServer
let stack: Stack

beforeAll(async () => {
  redis = await startRedis({ persistent: true })
  stack = await openStack({ onlineUrl: redis.url })
})

afterAll(async () => {
  await stack?.remove()
  await redis?.stop()
})

async function view(query: string, name: string, refresh: 'BY_KEY' | 'FULL') {
  const { id: queryId } = await stack.save(query, name)
  await stack.realtime.createFeatureView({
    name,
    queryId,
    etlId: null,
    indexKey: 'user_id',
    ttlSeconds: null,
    refresh,
  })
  return { query, target: { queryId, etlPath: null, indexKey: 'user_id' } }
}

async function expectTraining({ query, target }: Awaited<ReturnType<typeof view>>) {
  const training = await stack.training(query, 'user_id')
  for (const result of await stack.lookUp(target, [...training.keys()])) {
    expect(sortedRows(result)).toEqual(training.get(result.indexValue))
  }
}

test('appends and lookups at once leave every value equal to training', async () => {
  const views = [await view(sql, 'by key', 'BY_KEY'), await view(everyone, 'in full', 'FULL')]
  let publishing = true
  const lookups = views.map(async ({ target }) => {
    while (publishing)
      await stack.lookUp(
        target,
        Array.from({ length: 30 }, (_, i) => `u${i}`),
      )
  })
  const publishers = Array.from({ length: 4 }, async (_, p) => {
    for (let i = 0; i < 10; i++) {
      await stack.publish(
        'users',
        ['user_id'],
        Array.from({ length: 5 }, (_, k) => [`u${(p * 7 + i * 3 + k) % 30}`]),
      )
    }
  })
  await Promise.all(publishers)
  publishing = false
  await Promise.all(lookups)
  for (const one of views) await expectTraining(one)
  await stack.realtime.idle()
  for (const one of views) await expectTraining(one)
})

test('a dead Redis leaves lookups answered, a publish waiting, and nothing stale when it is back', async () => {
  const views = [await view(sql, 'by key 2', 'BY_KEY'), await view(everyone, 'in full 2', 'FULL')]
  await stack.publish('users', ['user_id'], [['victim']])
  await stack.realtime.idle()
  for (const one of views) await expectTraining(one)

  await redis.kill()
  let published = false
  const publish = stack.publish('users', ['user_id'], [['victim'], ['victim']]).then(() => {
    published = true
  })
  for (const { target } of views) {
    const startedAtMs = Date.now()
    expect(await stack.lookUp(target, ['victim'])).toMatchObject([{ source: 'WAREHOUSE', status: 'FRESH' }])
    expect(Date.now() - startedAtMs).toBeLessThan(8000)
  }
  expect(published).toBe(false)

  await redis.restart()
  await publish
  for (const one of views) await expectTraining(one)
  await expect
    .poll(async () => (await stack.lookUp(views[0]?.target ?? never(), ['victim']))[0]?.source, {
      timeout: 10_000,
    })
    .toBe('ONLINE')
  for (const one of views) await expectTraining(one)
})

function never(): never {
  throw new Error('there is no such view')
}
