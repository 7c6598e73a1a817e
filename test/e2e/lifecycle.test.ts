// The gateway as a process: what a restart keeps, what a kill costs, how fast it is back, and who may start twice.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishAndFollow, train } from '../../examples/client/features.ts'
import { crowding } from '../crowding.ts'
import { createDataFolder } from '../data-folder.ts'
import { spawnGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'

const folders: Awaited<ReturnType<typeof createDataFolder>>[] = []

let stores: Stores

async function newFolder() {
  const folder = await createDataFolder('lifecycle')
  folders.push(folder)
  return folder.path
}

/** Starts a gateway with stores of its own, as often as it is called the same. */
async function newGateway() {
  const [dataDir, settings] = await Promise.all([newFolder(), stores.create()])
  return () => spawnGateway(dataDir, settings)
}

beforeAll(async () => {
  stores = await openStores()
})

afterAll(async () => {
  await stores?.stop()
  for (const folder of folders) await folder.remove()
})

const counts = `SELECT (SELECT count(*) FROM feature_store.quotes) AS quotes, (SELECT count(DISTINCT quote_id) FROM feature_store.quotes) AS distinct_quotes,
  (SELECT count(*) FROM feature_store.users) AS users, (SELECT count(*) FROM feature_store.transactions) AS transactions, (SELECT count(*) FROM feature_store.policies) AS policies`

async function countRows(gateway: Awaited<ReturnType<typeof spawnGateway>>) {
  return (await train(gateway.typed, counts, 'counts')).dataset.rows[0]
}

test('a gateway that is started again serves its first query within five seconds, with all it knew', {
  retry: 3,
}, async () => {
  const start = await newGateway()
  const first = await start()
  await publishAndFollow(first.typed, { nFlows: 200, seed: 7 }, () => {})
  const { query } = await train(first.typed, 'SELECT * FROM feature_store.users', 'users')
  expect(await first.stop()).toBe(0)

  const startedAt = performance.now()
  const second = await start()
  const answer = await second.graphql('query ($id: ID!) { savedQuery(id: $id) { name version } }', {
    id: query?.id,
  })
  const elapsedMs = performance.now() - startedAt
  expect(answer).toEqual({ data: { savedQuery: { name: 'users', version: 1 } } })
  expect(await countRows(second)).toMatchObject({ quotes: 200, distinct_quotes: 200 })
  await second.stop()
  expect(elapsedMs).toBeLessThan(5_000 * crowding())
})

test('a publish that is killed in the middle, twice, ends after the next start without losing or doubling a flow', async () => {
  const nFlows = 3000
  const whole = await (await newGateway())()
  await publishAndFollow(whole.typed, { nFlows, seed: 11 }, () => {})
  const expected = await countRows(whole)
  await whole.stop()

  const start = await newGateway()
  let gateway = await start()
  const { publish } = await gateway.data<{ publish: { id: string } }>(
    'mutation ($n: Int!) { publish(nFlows: $n, seed: 11) { id } }',
    { n: nFlows },
  )
  const jobId = publish.id
  const follow = 'subscription ($jobId: ID!) { publishProgress(jobId: $jobId) { status done } }'
  for (const killAt of [1, nFlows / 2]) {
    for await (const event of gateway.follow<{ publishProgress: { done: number } }>(follow, { jobId })) {
      if (event.publishProgress.done >= killAt) break
    }
    await gateway.kill()
    gateway = await start()
  }
  let last: unknown
  for await (const event of gateway.follow(follow, { jobId })) last = event
  expect(last).toEqual({ publishProgress: { status: 'SUCCEEDED', done: nFlows } })
  expect(await countRows(gateway)).toEqual(expected)
  await gateway.stop()
}, 180_000)

test('a second gateway on the same data folder is refused with a sentence that names the first', async () => {
  const start = await newGateway()
  const first = await start()
  await expect(start()).rejects.toThrow(/process \d+/)
  expect((await first.graphql('{ __typename }')).data).toEqual({ __typename: 'Query' })
  await first.stop()
})

test('faulty settings are reported together, each with what it may be', async () => {
  await expect(
    spawnGateway(await newFolder(), { PORT: 'eighty', LOG_LEVEL: 'loud', ONLINE_URL: 'memcached://x' }),
  ).rejects.toThrow(/PORT=.*\n.*LOG_LEVEL=.*\n.*ONLINE_URL=.*redis:/s)
})
