// Publishing flows beside the same rows and values written bare: by appender and LMDB, by COPY and Redis.

import { isDeepStrictEqual } from 'node:util'
import { Client } from 'pg'
import { createFolder } from '../test/servers/child.ts'
import { startPostgres } from '../test/servers/postgres.ts'
import { startRedis } from '../test/servers/redis.ts'
import { type Comparison, compare, type Pair } from './comparison.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { type Flows, makeFlows, writeEmbedded, writeToServers } from './publish-bare.ts'

const seed = 7
const sql = `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time
  FROM feature_store.quotes Q LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id
  LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id
  LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from feature_store.transactions T2
    WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`

export async function benchPublish({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const flows = makeFlows({ seed, count: quick ? 5_000 : 200_000 })
  const rounds = quick ? 1 : 5
  return [await embedded(flows, rounds), await onServers(flows, rounds)]
}

async function embedded(flows: Flows, rounds: number): Promise<Comparison> {
  const pairs = await alternate(rounds, {
    gateway: () => publishOn({}, flows),
    async peer() {
      const folder = await createFolder('bench-bare')
      try {
        return await writeEmbedded(folder.path, flows)
      } finally {
        await folder.remove()
      }
    },
  })
  return compared(flows, pairs, 'embedded', 'DuckDB’s appender + LMDB puts')
}

async function onServers(flows: Flows, rounds: number): Promise<Comparison> {
  const postgres = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '4GB' } })
  const redis = await startRedis()
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  let databases = 0
  /** A database of its own for every run, and an empty Redis. */
  async function onFresh<T>(work: (url: string) => Promise<T>): Promise<T> {
    const name = `bench_${databases++}`
    await client.query(`CREATE DATABASE ${name}`)
    try {
      return await work(postgres.databaseUrl(name))
    } finally {
      await client.query(`DROP DATABASE ${name} WITH (FORCE)`)
    }
  }
  try {
    const pairs = await alternate(rounds, {
      gateway: () =>
        onFresh((url) =>
          publishOn({ CATALOG_URL: url, WAREHOUSE_URL: url, ONLINE_URL: `${redis.url}/0` }, flows),
        ),
      peer: () => onFresh((url) => writeToServers({ postgresUrl: url, redisUrl: `${redis.url}/1` }, flows)),
    })
    return compared(flows, pairs, 'on PostgreSQL and Redis', 'COPY + pipelines of SET')
  } finally {
    await client.end()
    await redis.stop()
    await postgres.stop()
  }
}

/** Seconds of both sides, in turn. */
async function alternate(
  rounds: number,
  { gateway, peer }: Record<keyof Pair, () => Promise<number>>,
): Promise<Pair[]> {
  const pairs: Pair[] = []
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) pairs.push({ gateway: await gateway(), peer: await peer() })
    else {
      const peerSeconds = await peer()
      pairs.push({ gateway: await gateway(), peer: peerSeconds })
    }
  }
  return pairs
}

function compared(flows: Flows, seconds: readonly Pair[], stores: string, peer: string): Comparison {
  const work = `publish of ${flows.count.toLocaleString('en')} flows, one view served by key, ${stores}`
  const rates = seconds.map((pair) => ({
    gateway: flows.count / pair.gateway,
    peer: flows.count / pair.peer,
  }))
  return compare({ area: 'publish', work, peer, measure: 'flows a second' }, rates, (rate) =>
    Math.round(rate).toLocaleString('en'),
  )
}

const flowsBefore = 1

/** Seconds from the call until the flows are written and served, on a gateway of its own with the README's view. */
async function publishOn(settings: Record<string, string>, flows: Flows): Promise<number> {
  const gateway = await startGateway(settings)
  const publish = async (n: number, of: number) => {
    const { publish: job } = await gateway.data<{ publish: { id: string } }>(
      'mutation ($n: Int!, $seed: Int!) { publish(nFlows: $n, seed: $seed) { id } }',
      { n, seed: of },
    )
    await gateway.published(job.id)
  }
  try {
    // Makes the tables.
    await publish(flowsBefore, seed + 1)
    const queryId = await serveByKey(gateway)
    const startedAt = performance.now()
    await publish(flows.count, seed)
    const seconds = (performance.now() - startedAt) / 1000
    await assertSameRows(gateway, queryId, flows)
    return seconds
  } finally {
    await gateway.stop()
  }
}

async function serveByKey(gateway: BenchGateway): Promise<string> {
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "quote_features") { query { id } } }',
    { sql },
  )
  const { id } = queryTrain.query
  const { createFeatureView } = await gateway.data<{ createFeatureView: { refresh: string } }>(
    'mutation ($id: ID!) { createFeatureView(name: "users", queryId: $id, indexKey: "user_id") { refresh } }',
    { id },
  )
  if (createFeatureView.refresh !== 'BY_KEY') throw new Error('The view is not refreshed by key')
  return id
}

/** Some of the users' features, and how many quotes there are. */
async function assertSameRows(gateway: BenchGateway, queryId: string, { values, quotes }: Flows) {
  const step = Math.ceil(values.length / 500)
  const sample = values.filter((_, i) => i % step === 0)
  const { found } = await gateway.data<{ found: { rows: unknown; source: string }[] }>(
    'query ($q: ID!, $v: [String!]!) { found: queryRealtimeMany(queryId: $q, indexKey: "user_id", indexValues: $v) { rows source } }',
    { q: queryId, v: sample.map(({ userId }) => userId) },
  )
  found.forEach(({ rows, source }, i) => {
    const expected: unknown = JSON.parse(sample[i]?.text ?? '')
    if (source !== 'ONLINE' || !isDeepStrictEqual(rows, expected)) {
      throw new Error(`${JSON.stringify(rows)} from ${source}, not ${sample[i]?.text}`)
    }
  })
  const { queryTrain } = await gateway.data<{ queryTrain: { dataset: { rowCount: number } } }>(
    'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "check", save: false) { dataset { rowCount } } }',
    { sql: 'SELECT quote_id FROM feature_store.quotes' },
  )
  if (Number(queryTrain.dataset.rowCount) !== flowsBefore + quotes) {
    throw new Error(`${queryTrain.dataset.rowCount} quotes were written, not ${quotes}`)
  }
}
