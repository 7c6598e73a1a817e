// Full refreshes of two million index values, in time and in peak memory, beside a bare cursor with bare pipelines of SET.

import { spawn } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
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
import { residentMb, withDescendants } from './memory.ts'
import { benchIncremental } from './refresh-incremental.ts'

interface Run {
  seconds: number
  /** How far the work raised the process's own memory, the pages of files left out. */
  risenMb: number
  /** What the online store holds then. */
  onlineBytes: number
}

/** Two stores with the rows in the one, and how both sides reach them. */
interface Stores {
  name: string
  settings: Record<string, string>
  peer: { sql: string; warehouse: object; online: { folder: string } | { url: string } }
  table: string
  /** Of the embedded store, in the gateway's data folder or the peer's own. */
  onlineBytes(folder: string): Promise<number>
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
  return [...comparisons, ...(await benchIncremental({ quick }))]
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
    compare(
      { ...names, measure: 'bytes of the online store for an index value' },
      pairs.map(({ gateway, peer }) => ({
        gateway: gateway.onlineBytes / keys,
        peer: peer.onlineBytes / keys,
      })),
      (bytes) => bytes.toFixed(0),
    ),
  ]
}

async function refreshOnGateway({ settings, table, onlineBytes, emptyOnline }: Stores): Promise<Run> {
  const options = process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []
  const gateway = await startGateway({ WAREHOUSE_MEMORY_MB: '512', ...settings }, options)
  try {
    const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "refreshed", waitMs: 600000) { query { id } } }',
      { sql: `SELECT * FROM ${table}` },
    )
    const memory = await watchOwnMemory(gateway.pid)
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
    return { seconds, risenMb, onlineBytes: await onlineBytes(join(gateway.folder, 'online')) }
  } finally {
    await gateway.stop()
    await emptyOnline()
  }
}

async function runPeer({ peer, onlineBytes, emptyOnline }: Stores): Promise<Run & { rows: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'refresh-peer.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  await answers.next()
  const memory = await watchOwnMemory(child.pid)
  child.stdin.end(JSON.stringify(peer))
  const { value: answer = '' } = await answers.next()
  const risenMb = memory.risenMb()
  child.kill()
  const held = await onlineBytes('folder' in peer.online ? peer.online.folder : '')
  await emptyOnline()
  return { ...(JSON.parse(answer) as { seconds: number; rows: number }), risenMb, onlineBytes: held }
}

/** What the processes have for themselves: a store that is mapped into memory counts its files' pages otherwise. */
async function watchOwnMemory(pid: number | undefined) {
  const read = async () => {
    const each = (await withDescendants(`${pid}`)).map((one) => residentMb(one, 'RssAnon'))
    return (await Promise.all(each)).reduce((sum, mb) => sum + mb, 0)
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

/** What the folder's files take on the disk. */
async function bytesOnDisk(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).blocks * 512)
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0)
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
    onlineBytes: bytesOnDisk,
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
    onlineBytes: async () =>
      Number(/used_memory:(\d+)/.exec(await redisCli(redis.port, 'INFO', 'memory'))?.[1]),
    emptyOnline: () => redisCli(redis.port, 'FLUSHALL'),
    stop: async () => void (await Promise.all([postgres.stop(), redis.stop()])),
  }
}

function redisCli(port: number, ...command: readonly string[]): Promise<string> {
  return runProgram(programPath('redis-cli'), ['-p', `${port}`, ...command])
}
