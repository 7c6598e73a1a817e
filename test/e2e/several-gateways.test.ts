// Several gateways as one: two real processes on one PostgreSQL and one Redis, and one of them killed in the middle of a publish.

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishAndFollow, train } from '../../examples/client/features.ts'
import { createFolder } from '../servers/child.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { spawnGateway } from './gateway.ts'
import { comparable, rowsByKey } from './rows.ts'

const features = `SELECT Q.user_id, Q.is_binded, Q.creation_date, T.card_type, F.failed_count FROM feature_store.quotes Q LEFT JOIN feature_store.transactions T ON Q.user_id = T.user_id LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`
const counts = `SELECT (SELECT count(*) FROM feature_store.quotes) AS quotes, (SELECT count(DISTINCT quote_id) FROM feature_store.quotes) AS distinct_quotes,
  (SELECT count(*) FROM feature_store.users) AS users, (SELECT count(*) FROM feature_store.transactions) AS transactions, (SELECT count(*) FROM feature_store.policies) AS policies`

type Gateway = Awaited<ReturnType<typeof spawnGateway>>

let servers: {
  postgres: Awaited<ReturnType<typeof startPostgres>>
  redis: Awaited<ReturnType<typeof startRedis>>
}
const folders: Awaited<ReturnType<typeof createFolder>>[] = []
const gateways: Gateway[] = []
let nextDatabase = 1
let a: Gateway
let b: Gateway

async function newFolder() {
  const folder = await createFolder('several-gateways')
  folders.push(folder)
  return folder.path
}

/** A catalog and a warehouse of their own, for as many gateways as are spawned on them. */
async function createStores(name: string) {
  const { postgres, redis } = servers
  await execute(postgres.url, `CREATE DATABASE catalog_${name}`)
  await execute(postgres.url, `CREATE DATABASE warehouse_${name}`)
  const settings = {
    CATALOG_URL: postgres.databaseUrl(`catalog_${name}`),
    WAREHOUSE_URL: postgres.databaseUrl(`warehouse_${name}`),
    ONLINE_URL: `${redis.url}/${nextDatabase++}`,
    DATASETS_DIR: join(await newFolder(), 'datasets'),
  }
  return async (more: Record<string, string> = {}) => {
    const gateway = await spawnGateway(await newFolder(), { ...settings, ...more })
    gateways.push(gateway)
    return gateway
  }
}

let spawnShared: Awaited<ReturnType<typeof createStores>>

beforeAll(async () => {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  servers = { postgres, redis }
  spawnShared = await createStores('one')
  a = await spawnShared()
  b = await spawnShared()
})

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.kill()))
  await Promise.all([servers?.postgres.stop(), servers?.redis.stop()])
  for (const folder of folders) await folder.remove()
})

test('a query saved through one gateway is served by the other at once, and its dataset read there', async () => {
  await publishAndFollow(a.typed, { nFlows: 100, seed: 1 }, () => {})
  const { query, dataset } = await train(a.typed, features, 'features')
  const queryId = query?.id ?? ''
  const url = new URL(dataset.downloads.parquet.replace('.parquet', '.ndjson'))
  const training = await rowsByKey(`${b.url}${url.pathname}`, 'user_id')
  expect(training.size).toBeGreaterThan(50)
  const served = await b.lookUp(queryId, 'user_id', [...training.keys()])
  for (const { indexValue, rows } of served) {
    expect(comparable(rows)).toEqual(comparable(training.get(indexValue) ?? []))
  }
})

test('who follows a value through one gateway sees what is published through the other', async () => {
  const { query } = await train(a.typed, features, 'features')
  const followed = b.follow<{ featureUpdates: { rows: unknown[] } }>(
    `subscription ($queryId: ID!) { featureUpdates(queryId: $queryId, indexKey: "user_id", indexValue: "new one") { rows } }`,
    { queryId: query?.id },
  )
  const events = followed[Symbol.asyncIterator]()
  expect((await events.next()).value?.featureUpdates.rows).toEqual([])
  const next = events.next()
  await a.data(`mutation ($rows: JSON!) { ingest(table: "quotes", rows: $rows) { id } }`, {
    rows: [{ quote_id: 'q 1', user_id: 'new one', is_binded: true, creation_date: 1 }],
  })
  expect((await next).value?.featureUpdates.rows).toMatchObject([{ user_id: 'new one', is_binded: true }])
  await events.return?.(undefined)
})

test('a view removed through one gateway is never served old rows of by the other', async () => {
  const { query } = await train(a.typed, 'SELECT user_id, name FROM feature_store.users', 'names')
  const queryId = query?.id ?? ''
  for (let round = 1; round <= 5; round++) {
    const user = `renamed ${round}`
    const create = `mutation ($queryId: ID!, $name: String!) { createFeatureView(name: $name, queryId: $queryId, indexKey: "user_id") { id } }`
    const created = await a.data<{ createFeatureView: { id: string } }>(create, {
      queryId,
      name: `names ${round}`,
    })
    expect((await b.lookUp(queryId, 'user_id', [user]))[0]?.rows).toEqual([])
    await a.data('mutation ($id: ID!) { deleteFeatureView(id: $id) }', { id: created.createFeatureView.id })
    expect((await b.lookUp(queryId, 'user_id', [user]))[0]?.rows).toEqual([])
    const ingested = await a.data<{ ingest: { id: string } }>(
      'mutation ($rows: JSON!) { ingest(table: "users", rows: $rows) { id } }',
      { rows: [{ user_id: user, name: 'Ada' }] },
    )
    for await (const _ of a.follow('subscription ($id: ID!) { publishProgress(jobId: $id) { done } }', {
      id: ingested.ingest.id,
    }));
    expect((await b.lookUp(queryId, 'user_id', [user]))[0]?.rows).toEqual([{ user_id: user, name: 'Ada' }])
  }
})

test('a job is cancelled through either gateway, and what it has done is what is there', async () => {
  const before = Number((await train(a.typed, counts, 'counts')).dataset.rows[0]?.quotes)
  const { publish } = await a.data<{ publish: { id: string } }>('mutation { publish(nFlows: 200000) { id } }')
  for await (const { publishProgress } of b.follow<{ publishProgress: { done: number } }>(
    'subscription ($id: ID!) { publishProgress(jobId: $id) { done } }',
    { id: publish.id },
  ))
    if (publishProgress.done > 0) break
  const answers = await Promise.all(
    [a, b].map((gateway) =>
      gateway.graphql('mutation ($id: ID!) { cancelJob(id: $id) { ... on PublishJob { status done } } }', {
        id: publish.id,
      }),
    ),
  )
  const job = await b.data<{ publishJob: { status: string; done: number } }>(
    'query ($id: ID!) { publishJob(id: $id) { status done } }',
    { id: publish.id },
  )
  expect(answers.map(({ errors }) => errors)).toContain(undefined)
  expect(job.publishJob.status).toBe('CANCELLED')
  const after = Number((await train(b.typed, counts, 'counts')).dataset.rows[0]?.quotes)
  expect(after - before).toBe(job.publishJob.done)
})

test('a dataset that one gateway makes is cancelled through the other', async () => {
  const endless =
    'SELECT count(*) AS n FROM feature_store.quotes a, feature_store.quotes b, feature_store.quotes c, feature_store.quotes d WHERE a.creation_date + b.creation_date < c.creation_date + d.creation_date'
  const { queryTrain } = await a.data<{ queryTrain: { dataset: { id: string } } }>(
    'mutation ($query: String!) { queryTrain(query: $query, queryName: "endless", waitMs: 100) { dataset { id } } }',
    { query: endless },
  )
  const { id } = queryTrain.dataset
  await b.data('mutation ($id: ID!) { cancelJob(id: $id) { id } }', { id })
  const { dataset } = await a.data<{ dataset: { status: string } }>(
    'query ($id: ID!) { dataset(id: $id) { status } }',
    { id },
  )
  expect(dataset.status).toBe('CANCELLED')
})

test('a gateway killed in the middle of a publish loses and doubles nothing: the other finishes it', {
  timeout: 300_000,
}, async () => {
  const jobs = [
    { nFlows: 15_000, seed: 98 },
    { nFlows: 15_000, seed: 99 },
  ]
  const spawnOther = await createStores('two')
  // Each runs one job at a time, so that of two jobs each gateway has one.
  const killed = await spawnOther({ PUBLISH_CONCURRENCY: '1' })
  const heir = await spawnOther({ PUBLISH_CONCURRENCY: '1' })
  const { query } = await train(killed.typed, features, 'features')
  const queryId = query?.id ?? ''
  await killed.lookUp(queryId, 'user_id', ['nobody'])
  const ids = await Promise.all(
    jobs.map(async (flows) => {
      const { publish } = await killed.data<{ publish: { id: string } }>(
        'mutation ($nFlows: Int!, $seed: Int) { publish(nFlows: $nFlows, seed: $seed) { id } }',
        flows,
      )
      return publish.id
    }),
  )

  const done = new Map(ids.map((id) => [id, 0]))
  const ended: string[] = []
  let killedAtMs: number | null = null
  async function follow(id: string) {
    for await (const { publishProgress } of heir.follow<{
      publishProgress: { status: string; done: number }
    }>('subscription ($id: ID!) { publishProgress(jobId: $id) { status done } }', { id })) {
      expect(publishProgress.done).toBeGreaterThanOrEqual(done.get(id) ?? 0)
      done.set(id, publishProgress.done)
      if (killedAtMs === null && [...done.values()].every((each) => each > 0)) {
        killedAtMs = Date.now()
        ended.push(...ids.filter((each) => done.get(each) === 15_000))
        await killed.kill()
      }
    }
  }
  await Promise.all(ids.map(follow))
  expect(ended).toEqual([])
  expect([...done.values()]).toEqual([15_000, 15_000])
  const takenOver = heir.output.find((line) => line.includes('is taken over'))
  const takenOverAtMs = Number(/"time":(\d+)/.exec(takenOver ?? '')?.[1])
  console.info(`taken over ${((takenOverAtMs - (killedAtMs ?? 0)) / 1000).toFixed(1)} s after the kill`)

  const row = (await train(heir.typed, counts, 'counts')).dataset.rows[0]
  expect(row).toMatchObject({ quotes: 30_000, distinct_quotes: 30_000 })
  const { dataset } = await train(heir.typed, features, 'features')
  const training = await rowsByKey(dataset.downloads.parquet.replace('.parquet', '.ndjson'), 'user_id')
  const mismatches: unknown[] = []
  const users = [...training.keys()]
  for (let i = 0; i < users.length; i += 5000) {
    for (const { indexValue, rows } of await heir.lookUp(queryId, 'user_id', users.slice(i, i + 5000))) {
      const trained = comparable(training.get(indexValue) ?? [])
      if (JSON.stringify(comparable(rows)) !== JSON.stringify(trained))
        mismatches.push({ indexValue, rows, trained })
    }
  }
  expect(mismatches).toEqual([])

  const spawnThird = await createStores('three')
  const undisturbed = await spawnThird()
  await Promise.all(jobs.map((flows) => publishAndFollow(undisturbed.typed, flows, () => {})))
  expect((await train(undisturbed.typed, counts, 'counts')).dataset.rows[0]).toEqual(row)
})

test('of a view that two gateways make at once, on first use and by name, there is one, and it serves both', async () => {
  const rounds = 15
  for (let round = 0; round < rounds; round++) {
    const { queryTrain } = await a.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($query: String!) { queryTrain(query: $query, queryName: "raced") { query { id } } }',
      { query: `SELECT 'k' AS k, ${round} AS n` },
    )
    const queryId = queryTrain.query.id
    const create = (gateway: Gateway, name: string) =>
      gateway.graphql(
        'mutation ($name: String!, $queryId: ID!) { createFeatureView(name: $name, queryId: $queryId, indexKey: "k") { id } }',
        { name: `${name} ${round}`, queryId },
      )
    const [looked, ...created] = await Promise.all([
      b.lookUp(queryId, 'k', ['k']),
      create(a, 'of a'),
      ...(round % 2 === 0 ? [create(b, 'of b')] : []),
    ])
    expect(looked).toMatchObject([{ rows: [{ k: 'k', n: round }] }])
    const codes = created.map(({ errors }) => errors?.[0]?.extensions.code ?? 'OK')
    expect(codes.sort()).toEqual(round % 2 === 0 ? ['CONFLICT', 'OK'] : ['OK'])
    for (const gateway of [a, b]) {
      expect(await gateway.lookUp(queryId, 'k', ['k'])).toMatchObject([{ rows: [{ k: 'k', n: round }] }])
    }
  }
  const doubled = await execute(
    servers.postgres.databaseUrl('catalog_one'),
    'SELECT 1 FROM "FeatureView" GROUP BY "queryId", "etlId", "indexKey" HAVING count(*) > 1',
  )
  expect(doubled).toEqual([])
})
