// Full refreshes of two million index values, in time and in peak memory, beside a bare cursor with bare pipelines of SET.

import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DuckDBInstance } from '@duckdb/node-api'
import { createFolder, runProgram } from '../test/servers/child.ts'
import { startPostgres } from '../test/servers/postgres.ts'
import { programPath } from '../test/servers/programs.ts'
import { startRedis } from '../test/servers/redis.ts'
import { execute } from '../test/warehouse/open-postgres.ts'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { startGateway } from './gateway.ts'

interface Run {
  seconds: number
  /** How far the work raised the process's own memory, the pages of files left out. */
  risenMb: number
}

/** Two stores with the rows in the one, and how both sides reach them. */
interface Stores {
  name: string
  settings: Record<string, string>
  peer: { sql: string; warehouse: object; online: object }
  table: string
  emptyOnline(): Promise<unknown>
  stop(): Promise<void>
}

const memoryEveryMs = 50

function columns(number: string, textType: string) {
  return `md5(CAST(${number} AS ${textType})) AS user_id, ${number} AS quotes, ${number} % 17 AS failed_payments,
    CAST(${number} * 0.37 AS FLOAT8) AS amount, ${number} % 3 = 0 AS is_paid, concat('card ', ${number} % 5) AS card_type,
    CAST(1.7e9 + ${number} AS FLOAT8) AS last_seen, CASE WHEN ${number} % 4 = 0 THEN NULL ELSE CAST(${number} * 1.5 AS FLOAT8) END AS risk, 'mobile' AS device, ${number} % 100 AS score`
}

export async function benchRefresh({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const keys = quick ? 20_000 : 2_000_000
  const comparisons: Comparison[] = []
  for (const open of [openEmbedded, openServers]) {
    const stores = await open(keys)
    try {
      comparisons.push(...(await benchOn(stores, keys, 1)))
    } finally {
      await stores.stop()
    }
  }
  return comparisons
}

async function benchOn(stores: Stores, keys: number, rounds: number): Promise<Comparison[]> {
  const pairs = await runPairs(
    rounds,
    () => refreshOnGateway(stores),
    () => runPeer(stores),
  )
  for (const { peer } of pairs)
    if (peer.rows !== keys) throw new Error(`${peer.rows} rows differ from ${keys}`)
  const names = {
    area: 'refresh',
    work: `refresh in full of ${keys.toLocaleString('en')} index values, ${stores.name}`,
    peer: 'a bare cursor and bare pipelines of SET',
  }
  return [
    compare(
      { ...names, measure: 'rows a second' },
      pairs.map(({ gateway, peer }) => ({ gateway: keys / gateway.seconds, peer: keys / peer.seconds })),
      (rate) => `${(rate / 1e3).toFixed(0)} k/s`,
    ),
    compare(
      { ...names, measure: 'peak memory over the idle process' },
      pairs.map(({ gateway, peer }) => ({ gateway: gateway.risenMb, peer: peer.risenMb })),
      (mb) => `${mb.toFixed(0)} MiB`,
    ),
  ]
}

async function refreshOnGateway({ settings, table, emptyOnline }: Stores): Promise<Run> {
  const options = process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []
  const gateway = await startGateway({ WAREHOUSE_MEMORY_MB: '512', ...settings }, options)
  try {
    const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "refreshed", waitMs: 600000) { query { id } } }',
      { sql: `SELECT * FROM ${table}` },
    )
    const memory = await watchMemory(gateway.pid)
    const startedAt = performance.now()
    const { createFeatureView } = await gateway.data<{ createFeatureView: { id: string } }>(
      'mutation ($id: ID!) { createFeatureView(name: "refreshed", queryId: $id, indexKey: "user_id", refresh: FULL) { id } }',
      { id: queryTrain.query.id },
    )
    for (;;) {
      const { node } = await gateway.data<{ node: { refreshedAt: string | null } }>(
        'query ($id: ID!) { node(id: $id) { ... on FeatureView { refreshedAt } } }',
        { id: createFeatureView.id },
      )
      if (node.refreshedAt !== null) break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const seconds = (performance.now() - startedAt) / 1000
    const risenMb = memory.risenMb()
    const { parity } = await gateway.data<{
      parity: { sampled: number; mismatched: number; missing: number }
    }>('query ($id: ID!) { parity(featureViewId: $id, sample: 1000) { sampled mismatched missing } }', {
      id: createFeatureView.id,
    })
    if (parity.mismatched + parity.missing > 0) throw new Error(`Parity: ${JSON.stringify(parity)}`)
    return { seconds, risenMb }
  } finally {
    await gateway.stop()
    await emptyOnline()
  }
}

async function runPeer({ peer, emptyOnline }: Stores): Promise<Run & { rows: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'refresh-peer.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  await answers.next()
  const memory = await watchMemory(child.pid)
  child.stdin.end(JSON.stringify(peer))
  const { value: answer = '' } = await answers.next()
  const risenMb = memory.risenMb()
  child.kill()
  await emptyOnline()
  return { ...(JSON.parse(answer) as { seconds: number; rows: number }), risenMb }
}

/** What the process has for itself: a store that is mapped into memory counts its files' pages otherwise. */
async function watchMemory(pid: number | undefined) {
  const read = async () => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]) / 1024
  }
  const before = await read()
  let highest = before
  const timer = setInterval(async () => {
    highest = Math.max(highest, await read().catch(() => 0))
  }, memoryEveryMs)
  return {
    risenMb() {
      clearInterval(timer)
      return highest - before
    },
  }
}

async function openEmbedded(keys: number): Promise<Stores> {
  const folder = await createFolder('bench-refresh')
  const file = join(folder.path, 'rows.parquet')
  const connection = await (await DuckDBInstance.create()).connect()
  await connection.run(`COPY (SELECT ${columns('range', 'VARCHAR')} FROM range(${keys})) TO '${file}'`)
  return {
    name: 'DuckDB and LMDB',
    settings: { WAREHOUSE_FILES: file },
    peer: {
      sql: `SELECT * FROM '${file}'`,
      warehouse: { file: ':memory:' },
      online: { folder: join(folder.path, 'peer') },
    },
    table: 'files.rows',
    emptyOnline: async () => {},
    stop: folder.remove,
  }
}

async function openServers(keys: number): Promise<Stores> {
  const [postgres, redis] = await Promise.all([
    startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '4GB' } }),
    startRedis(),
  ])
  await execute(
    postgres.url,
    `CREATE TABLE rows AS SELECT ${columns('n', 'text')} FROM generate_series(1::int8, ${keys}) AS s(n); ANALYZE rows`,
  )
  return {
    name: 'PostgreSQL and Redis',
    settings: { WAREHOUSE_URL: postgres.url, ONLINE_URL: redis.url },
    peer: { sql: 'SELECT * FROM rows', warehouse: { url: postgres.url }, online: { url: redis.url } },
    table: 'rows',
    emptyOnline: () => runProgram(programPath('redis-cli'), ['-p', `${redis.port}`, 'FLUSHALL']),
    stop: async () => void (await Promise.all([postgres.stop(), redis.stop()])),
  }
}
