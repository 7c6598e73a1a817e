// Stores that die, hang and fail over under the whole gateway: nothing is lost or doubled, and it is healthy again by itself.

import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { publishAndFollow, train } from '../../examples/client/features.ts'
import { createFolder } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { startProxy } from '../servers/proxy.ts'
import { startRedis } from '../servers/redis.ts'
import { startRedisCluster } from '../servers/redis-cluster.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { type Settings, spawnGateway, startGateway } from './gateway.ts'
import { comparable, rowsByKey } from './rows.ts'

const features = `SELECT Q.user_id, Q.is_binded, Q.creation_date, T.card_type, F.failed_count FROM feature_store.quotes Q LEFT JOIN feature_store.transactions T ON Q.user_id = T.user_id LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`
const counts = `SELECT (SELECT count(*) FROM feature_store.quotes) AS quotes, (SELECT count(DISTINCT quote_id) FROM feature_store.quotes) AS distinct_quotes`
/** What a lookup may take while a store is away: the store's own limit, and then the warehouse. */
const boundMs = 15_000
/** How long a warehouse is away. */
const awayMs = 3000
const [before, during] = [300, 6000]

type Gateway = Pick<
  Awaited<ReturnType<typeof startGateway>>,
  'data' | 'graphql' | 'follow' | 'lookUp' | 'typed' | 'url'
>

let postgres: PostgresServer
let databases = 0

beforeAll(async () => {
  postgres = await startPostgres()
})

afterAll(() => postgres?.stop())

/** New databases for a catalog and a warehouse; `port` may be a proxy's. */
async function createDatabases(port = postgres.port) {
  const number = databases++
  const names = ['catalog', 'warehouse'].map((name) => `${name}_${number}`)
  for (const name of names) await execute(postgres.url, `CREATE DATABASE ${name}`)
  const [CATALOG_URL = '', WAREHOUSE_URL = ''] = names.map((name) =>
    postgres.databaseUrl(name).replace(`:${postgres.port}/`, `:${port}/`),
  )
  return { CATALOG_URL, WAREHOUSE_URL }
}

async function newFolder() {
  const folder = await createFolder('faults')
  onTestFinished(folder.remove)
  return folder.path
}

async function start(settings: Settings) {
  const gateway = await startGateway(await newFolder(), settings)
  onTestFinished(gateway.stop)
  return gateway
}

/** A gateway with flows, a view of them, and some of its users online. */
async function prepare(gateway: Gateway) {
  await publishAndFollow(gateway.typed, { nFlows: before, seed: 1 }, () => {})
  const { query, dataset } = await train(gateway.typed, features, 'features')
  const queryId = query?.id ?? ''
  const url = new URL(dataset.downloads.parquet.replace('.parquet', '.ndjson'))
  const users = [...(await rowsByKey(`${gateway.url}${url.pathname}`, 'user_id')).keys()].slice(0, 50)
  await gateway.lookUp(queryId, 'user_id', users)
  await becomeOnline(gateway, { queryId, users })
  return { queryId, users }
}

interface Watched {
  queryId: string
  users: readonly string[]
}

function becomeOnline(gateway: Gateway, { queryId, users }: Watched) {
  const sources = async () => {
    const results = await gateway.lookUp(queryId, 'user_id', users)
    return [...new Set(results.map((result) => result.source))]
  }
  return expect.poll(sources, { timeout: 60_000 }).toEqual(['ONLINE'])
}

/**
 * Lookups until told to stop: each has to be answered in time, from whichever store. While the warehouse is away the
 * rows of a publish that it has taken cannot be computed, and those before it are not served: such a value may fail.
 */
function keepLookingUp(gateway: Gateway, { queryId, users }: Watched, mayFail: boolean) {
  let isOver = false
  let begun = 0
  /** Of each source, the number of the last lookup that it alone answered. */
  const lastOf = new Map<string, number>()
  const lookUp = async (number: number) => {
    const startedMs = performance.now()
    const sources = new Set<string>()
    for (const { source, status, error } of await gateway.lookUp(queryId, 'user_id', users)) {
      if (mayFail && error !== null) {
        expect(status).toBe('FAILED')
        expect(error.code).toMatch(/^(WAREHOUSE_FAILED|TIMEOUT)$/)
      } else expect([status, error]).toEqual(['FRESH', null])
      sources.add(error === null ? source : 'NONE')
    }
    expect(performance.now() - startedMs).toBeLessThan(boundMs)
    const [source] = sources
    if (source !== undefined && sources.size === 1) lastOf.set(source, number)
  }
  const looking = (async () => {
    while (!isOver) {
      await lookUp(++begun)
      await sleep(20)
    }
  })()
  let failed = false
  looking.catch(() => {
    failed = true
  })
  return {
    /** A lookup that begins from now on is answered by this source alone. */
    async becomes(source: 'ONLINE' | 'WAREHOUSE') {
      const before = begun
      const isSeen = () => failed || (lastOf.get(source) ?? 0) > before
      await expect.poll(isSeen, { timeout: 60_000, message: `no lookup from ${source}` }).toBe(true)
    },
    async end() {
      isOver = true
      await looking
    },
  }
}

async function publish(gateway: Gateway, nFlows: number) {
  const { publish: job } = await gateway.data<{ publish: { id: string } }>(
    'mutation ($nFlows: Int!) { publish(nFlows: $nFlows, seed: 2) { id } }',
    { nFlows },
  )
  return job.id
}

/** Null while the catalog is away. */
async function progressOf(gateway: Gateway, id: string) {
  const { data } = await gateway.graphql('query ($id: ID!) { publishJob(id: $id) { status done error } }', {
    id,
  })
  return data?.publishJob as { status: string; done: number; error: string | null } | undefined
}

/** The job has written some, and is not done. */
const isUnderWay = (gateway: Gateway, id: string) =>
  expect.poll(async () => (await progressOf(gateway, id))?.done, { interval: 20 }).toBeGreaterThan(0)

const succeeds = (gateway: Gateway, id: string) =>
  expect
    .poll(() => progressOf(gateway, id), { timeout: 90_000 })
    .toMatchObject({ status: 'SUCCEEDED', error: null })

/** Nothing lost, nothing doubled, every user's rows online and as in training, and the gateway in good health. */
async function expectIntact(gateway: Gateway, { queryId, users }: Watched, flows: number) {
  const [row] = (await train(gateway.typed, counts, 'counts')).dataset.rows
  expect(row).toMatchObject({ quotes: flows, distinct_quotes: flows })
  const { dataset } = await train(gateway.typed, features, 'features')
  const { pathname } = new URL(dataset.downloads.parquet.replace('.parquet', '.ndjson'))
  const training = await rowsByKey(`${gateway.url}${pathname}`, 'user_id')
  const everyone = [...training.keys()]
  expect(everyone.length).toBeGreaterThan(users.length)
  for (const round of ['as it stands', 'once all is online']) {
    const wrong: unknown[] = []
    for (const { indexValue, rows } of await gateway.lookUp(queryId, 'user_id', everyone)) {
      const trained = comparable(training.get(indexValue) ?? [])
      if (JSON.stringify(comparable(rows)) !== JSON.stringify(trained))
        wrong.push({ indexValue, rows, trained })
    }
    expect(wrong, round).toEqual([])
    await becomeOnline(gateway, { queryId, users: everyone })
  }
  await expect.poll(async () => (await fetch(`${gateway.url}/readyz`)).status).toBe(200)
}

async function publishThrough(
  gateway: Gateway,
  fault: {
    strike(): Promise<unknown> | unknown
    heal(): Promise<unknown> | unknown
    /** Where lookups come from before it is healed; null heals it after a while. */
    lookups: 'ONLINE' | 'WAREHOUSE' | null
    mayFail?: boolean
  },
) {
  const watched = await prepare(gateway)
  const lookups = keepLookingUp(gateway, watched, fault.mayFail ?? false)
  const id = await publish(gateway, during)
  await isUnderWay(gateway, id)
  await fault.strike()
  if (fault.lookups === null) await sleep(awayMs)
  else await lookups.becomes(fault.lookups)
  await fault.heal()
  await succeeds(gateway, id)
  await lookups.becomes('ONLINE')
  await lookups.end()
  await expectIntact(gateway, watched, before + during)
}

describe('Redis', () => {
  test('killed and restarted in the middle of a publish and of lookups', async () => {
    const redis = await startRedis({ persistent: true })
    onTestFinished(redis.stop)
    const gateway = await start({ ...(await createDatabases()), ONLINE_URL: redis.url })
    await publishThrough(gateway, {
      strike: redis.kill,
      heal: redis.restart,
      lookups: 'WAREHOUSE',
    })
  })

  test('behind a network that carries nothing for a while', async () => {
    const redis = await startRedis({ persistent: true })
    onTestFinished(redis.stop)
    const proxy = await startProxy(redis.port)
    onTestFinished(proxy.stop)
    const ONLINE_URL = `redis://127.0.0.1:${proxy.port}`
    const gateway = await start({ ...(await createDatabases()), ONLINE_URL })
    await publishThrough(gateway, { strike: proxy.hang, heal: proxy.goOn, lookups: 'WAREHOUSE' })
  })

  test('as a Cluster that loses a master to its replica', async () => {
    const cluster = await startRedisCluster({ persistent: true })
    onTestFinished(cluster.stop)
    const gateway = await start({ ...(await createDatabases()), ONLINE_URL: cluster.url })
    const [victim] = await cluster.masters()
    await publishThrough(gateway, {
      strike: () => victim?.node.kill(),
      heal: () => victim?.node.restart(),
      lookups: 'ONLINE',
    })
  })
})

describe('PostgreSQL', () => {
  test('restarted in the middle of a publish and of a training query', async () => {
    const redis = await startRedis()
    onTestFinished(redis.stop)
    const gateway = await start({ ...(await createDatabases()), ONLINE_URL: redis.url })
    await publishThrough(gateway, {
      async strike() {
        const training = gateway.graphql(
          'mutation ($query: String!) { queryTrain(query: $query, queryName: "long", save: false, waitMs: 60000) { dataset { status } } }',
          {
            query:
              'SELECT count(*) AS n FROM feature_store.quotes a, feature_store.quotes b, feature_store.quotes c WHERE a.creation_date + b.creation_date < c.creation_date',
          },
        )
        // Its export: the description before it names the statement too, and of a query that fails there no dataset is made.
        const running = `SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY %quotes c WHERE%' AND pid <> pg_backend_pid()`
        await expect.poll(() => execute(postgres.url, running)).not.toEqual([])
        await postgres.restart()
        const { errors } = await training
        expect(errors?.[0]?.extensions?.code).toBe('WAREHOUSE_FAILED')
        const { datasets } = await gateway.data<{ datasets: { edges: { node: object }[] } }>(
          '{ datasets(first: 1) { edges { node { query { name } status } } } }',
        )
        // Of no saved query, as no other dataset is.
        expect(datasets.edges[0]?.node).toEqual({ query: null, status: 'FAILED' })
      },
      heal() {},
      lookups: 'ONLINE',
      mayFail: true,
    })
  })

  test('behind a network that carries nothing for a while', async () => {
    const redis = await startRedis()
    onTestFinished(redis.stop)
    const proxy = await startProxy(postgres.port)
    onTestFinished(proxy.stop)
    const gateway = await start({ ...(await createDatabases(proxy.port)), ONLINE_URL: redis.url })
    await publishThrough(gateway, {
      strike: proxy.hang,
      heal: proxy.goOn,
      lookups: null,
      mayFail: true,
    })
  })
})

test('a gateway killed in the middle of a full refresh: the other shows its progress, and goes on from there', {
  timeout: 300_000,
}, async () => {
  const keys = 60_000
  const redis = await startRedis()
  onTestFinished(redis.stop)
  const settings = { ...(await createDatabases()), ONLINE_URL: redis.url }
  const spawn = async () => {
    const gateway = await spawnGateway(await newFolder(), settings)
    onTestFinished(async () => void (await gateway.kill()))
    return gateway
  }
  const [killed, heir] = [await spawn(), await spawn()]
  const sql = `SELECT md5(n::text) AS k, n, repeat('x', 500) AS filling FROM generate_series(1, ${keys}) n`
  const { query } = await train(killed.typed, sql, 'many')
  const { createFeatureView: view } = await killed.data<{ createFeatureView: { id: string } }>(
    'mutation ($id: ID!) { createFeatureView(name: "many", queryId: $id, indexKey: "k", refresh: FULL) { id } }',
    { id: query?.id },
  )
  const look = async () => {
    const { node } = await heir.data<{
      node: { refreshedAt: string | null; refreshing: { rows: number; startedAt: string } | null }
    }>(
      'query ($id: ID!) { node(id: $id) { ... on FeatureView { refreshedAt refreshing { rows startedAt } } } }',
      {
        id: view.id,
      },
    )
    return node
  }
  await expect.poll(async () => (await look()).refreshing?.rows, { interval: 20 }).toBeGreaterThan(0)
  expect((await look()).refreshedAt).toBeNull()
  await killed.kill()
  await expect.poll(async () => (await look()).refreshedAt, { timeout: 60_000 }).not.toBeNull()
  expect(heir.output.join('\n')).toMatch(
    /taken over from a gateway that is gone[\s\S]*goes on where it was cut short/,
  )
  const { parity } = await heir.data<{ parity: object }>(
    'query ($id: ID!) { parity(featureViewId: $id, sample: 20000) { sampled mismatched missing extra } }',
    { id: view.id },
  )
  expect(parity).toEqual({ sampled: 20_000, mismatched: 0, missing: 0, extra: 0 })
  const client = new Redis(redis.url)
  onTestFinished(() => client.disconnect())
  expect(await client.dbsize()).toBe(keys + ['the mark'].length)
})
