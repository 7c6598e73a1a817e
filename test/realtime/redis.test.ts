// Realtime over a real redis-server: as over LMDB, and through its death.

import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type RedisServer, startRedis } from '../servers/redis.ts'
import { openStack, type Stack } from './stack.ts'

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

test('appends and lookups at once leave every value equal to training', async () => {
  const views = [
    { ...(await stack.view('by key', sql, 'user_id', 'BY_KEY')), query: sql },
    { ...(await stack.view('in full', everyone, 'user_id', 'FULL')), query: everyone },
  ]
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
  for (const { target, query } of views) await stack.expectTraining(target, query)
  await stack.realtime.idle()
  for (const { target, query } of views) await stack.expectTraining(target, query)
})

test('a dead Redis leaves lookups answered, a publish waiting, and nothing stale when it is back', async () => {
  const views = [
    { ...(await stack.view('by key 2', sql, 'user_id', 'BY_KEY')), query: sql },
    { ...(await stack.view('in full 2', everyone, 'user_id', 'FULL')), query: everyone },
  ]
  await stack.publish('users', ['user_id'], [['victim']])
  await stack.realtime.idle()
  for (const { target, query } of views) await stack.expectTraining(target, query)

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
  for (const { target, query } of views) await stack.expectTraining(target, query)
  await expect
    .poll(async () => (await stack.lookUp(views[0]?.target ?? never(), ['victim']))[0]?.source, {
      timeout: 10_000,
    })
    .toBe('ONLINE')
  for (const { target, query } of views) await stack.expectTraining(target, query)
})

function never(): never {
  throw new Error('there is no such view')
}

test('a gateway that starts on a Redis of an older snapshot serves no view below its last full refresh', async () => {
  const server = await startRedis()
  onTestFinished(server.stop)
  const first = await openStack({ onlineUrl: server.url })
  const byKey = { ...(await first.view('by key', sql, 'user_id', 'BY_KEY')), query: sql }
  const inFull = { ...(await first.view('in full', everyone, 'user_id', 'FULL')), query: everyone }
  const publishAndRefresh = async () => {
    await first.publish('users', ['user_id'], [['u1'], ['u2']])
    await first.realtime.idle()
    for (const { record } of [byKey, inFull]) await first.realtime.refreshInFull(record.id)
  }
  await publishAndRefresh()
  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  await client.save()
  await publishAndRefresh()
  await first.close()
  await server.restart()

  const second = await openStack({ folder: first.folder, onlineUrl: server.url })
  try {
    await second.realtime.start()
    for (const { target, query } of [byKey, inFull]) await second.expectTraining(target, query)
    await second.realtime.idle()
    for (const { target, query } of [byKey, inFull]) {
      for (const { source } of await second.expectTraining(target, query)) expect(source).toBe('ONLINE')
    }
  } finally {
    await second.remove()
  }
})
