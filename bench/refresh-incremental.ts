// A thousand changed of two million keys: what it takes to compute these alone, beside the whole view anew.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { createFolder } from '../test/servers/child.ts'
import { startPostgres } from '../test/servers/postgres.ts'
import { startRedis } from '../test/servers/redis.ts'
import { execute } from '../test/warehouse/open-postgres.ts'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { type BenchGateway, startGateway } from './gateway.ts'

interface Place {
  name: string
  settings: Record<string, string>
  table: string
  /** Writes a row for each of the keys. */
  write(gateway: BenchGateway, keys: readonly string[]): Promise<unknown>
  stop(): Promise<unknown>
}

const table = (number: string, textType: string) =>
  `SELECT md5(CAST(${number} AS ${textType})) AS user_id, ${number} AS amount, ${number} % 17 AS failed_payments,
    concat('card ', ${number} % 5) AS card_type, TIMESTAMP '2026-01-01 00:00:00' AS written_at`
const view =
  'SELECT user_id, count(*) AS payments, sum(amount) AS amount, max(card_type) AS card_type, max(written_at) AS written_at'

export async function benchIncremental({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const [keys, changed] = quick ? [20_000, 100] : [2_000_000, 1000]
  const comparisons: Comparison[] = []
  for (const open of [openEmbedded, openServers]) {
    const place = await open(keys)
    try {
      comparisons.push(await benchAt(place, keys, changed, quick ? 1 : 3))
    } finally {
      await place.stop()
    }
  }
  return comparisons
}

async function benchAt(place: Place, keys: number, changed: number, rounds: number): Promise<Comparison> {
  const gateway = await startGateway({ WAREHOUSE_MEMORY_MB: '1024', ...place.settings })
  try {
    const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "payments", waitMs: 600000) { query { id } } }',
      { sql: `${view} FROM ${place.table} GROUP BY user_id` },
    )
    const { createFeatureView } = await gateway.data<{ createFeatureView: { id: string; refresh: string } }>(
      'mutation ($id: ID!) { createFeatureView(name: "payments", queryId: $id, indexKey: "user_id", createdColumn: "written_at", refreshEvery: "1d") { id refresh } }',
      { id: queryTrain.query.id },
    )
    if (createFeatureView.refresh !== 'BY_KEY') throw new Error(`It is ${createFeatureView.refresh}`)
    const { id } = createFeatureView
    await computedAnew(gateway, id, null)
    let round = 0
    const pairs = await runPairs(
      rounds,
      () => computeChanged(gateway, place, { id, keys: spread(keys, changed, ++round) }),
      () => computeAll(gateway, id),
    )
    return compare(
      {
        area: 'refresh',
        work: `incremental, ${changed.toLocaleString('en')} changed of ${keys.toLocaleString('en')} index values, ${place.name}`,
        peer: 'the gateway’s own refresh in full',
        measure: 'time',
      },
      pairs.map(({ gateway: own, peer }) => ({ gateway: own, peer })),
      (seconds) => `${(seconds * 1000).toFixed(0)} ms`,
    )
  } finally {
    await gateway.stop()
  }
}

/** Others in each round. */
function spread(keys: number, changed: number, round: number): number[] {
  return Array.from({ length: changed }, (_, i) => Math.floor((i * keys) / changed) + round)
}

async function computeChanged(
  gateway: BenchGateway,
  place: Place,
  { id, keys }: { id: string; keys: readonly number[] },
): Promise<number> {
  const since = new Date().toISOString()
  await place.write(
    gateway,
    keys.map((key) => createHash('md5').update(`${key}`).digest('hex')),
  )
  const startedAt = performance.now()
  await gateway.data(
    'mutation ($table: String!, $since: DateTime!) { tableChanged(table: $table, since: $since) { id } }',
    { table: place.table, since },
  )
  const seconds = (performance.now() - startedAt) / 1000
  const { parity } = await gateway.data<{
    parity: { sampled: number; mismatched: number; missing: number }
  }>('query ($id: ID!) { parity(featureViewId: $id, sample: 1000) { sampled mismatched missing } }', { id })
  if (parity.mismatched + parity.missing > 0) throw new Error(`Parity: ${JSON.stringify(parity)}`)
  return seconds
}

async function computeAll(gateway: BenchGateway, id: string): Promise<number> {
  const before = await refreshedAt(gateway, id)
  const startedAt = performance.now()
  await gateway.data('mutation ($id: ID!) { refreshFeatureView(id: $id, waitMs: 600000) { id } }', { id })
  await computedAnew(gateway, id, before)
  return (performance.now() - startedAt) / 1000
}

async function refreshedAt(gateway: BenchGateway, id: string): Promise<string | null> {
  const { node } = await gateway.data<{ node: { refreshedAt: string | null } }>(
    'query ($id: ID!) { node(id: $id) { ... on FeatureView { refreshedAt } } }',
    { id },
  )
  return node.refreshedAt
}

async function computedAnew(gateway: BenchGateway, id: string, before: string | null): Promise<void> {
  while ((await refreshedAt(gateway, id)) === before) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function openEmbedded(keys: number): Promise<Place> {
  const folder = await createFolder('bench-incremental')
  const file = join(folder.path, 'payments.duckdb')
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run(
    `CREATE SCHEMA feature_store; CREATE TABLE feature_store.payments AS ${table('range', 'VARCHAR')} FROM range(${keys})`,
  )
  connection.closeSync()
  instance.closeSync()
  return {
    name: 'DuckDB and LMDB',
    settings: { WAREHOUSE_URL: `duckdb:${file}` },
    table: 'feature_store.payments',
    write: async (gateway, ids) => {
      const written_at = new Date().toISOString()
      const rows = ids.map((user_id) => ({
        user_id,
        amount: 1,
        failed_payments: 0,
        card_type: 'new',
        written_at,
      }))
      const { ingest } = await gateway.data<{ ingest: { id: string } }>(
        'mutation ($rows: JSON!) { ingest(table: "payments", rows: $rows) { id } }',
        { rows },
      )
      await gateway.published(ingest.id)
    },
    stop: folder.remove,
  }
}

async function openServers(keys: number): Promise<Place> {
  const [postgres, redis] = await Promise.all([
    startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '4GB' } }),
    startRedis(),
  ])
  await execute(
    postgres.url,
    `CREATE TABLE payments AS ${table('n', 'text')} FROM generate_series(1::int8, ${keys}) AS s(n); ANALYZE payments`,
  )
  return {
    name: 'PostgreSQL and Redis',
    settings: { WAREHOUSE_URL: postgres.url, ONLINE_URL: redis.url },
    table: 'public.payments',
    write: (_, ids) =>
      execute(
        postgres.url,
        `INSERT INTO payments SELECT k, 1, 0, 'new', now() AT TIME ZONE 'UTC' FROM unnest('{${ids.join(',')}}'::text[]) k`,
      ),
    stop: () => Promise.all([postgres.stop(), redis.stop()]),
  }
}
