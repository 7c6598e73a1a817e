// A Parquet file uploaded over REST, until its job is done, beside the database's own COPY FROM of the same rows.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openAsBlob } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { startPostgres } from '../test/servers/postgres.ts'
import { programPath } from '../test/servers/programs.ts'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { startGateway } from './gateway.ts'
import { watchMemory } from './memory.ts'

const columns = [
  { name: 'transaction_id', type: 'STRING', own: 'text' },
  { name: 'user_id', type: 'INT64', own: 'bigint' },
  { name: 'amount', type: 'FLOAT64', own: 'double precision' },
  { name: 'at', type: 'TIMESTAMP', own: 'timestamp' },
  { name: 'successful', type: 'BOOLEAN', own: 'boolean' },
  { name: 'card_type', type: 'STRING', own: 'text' },
]
const select = `SELECT md5(n::VARCHAR) AS transaction_id, hash(n) % 900000 AS user_id, random() * 1000 AS amount,
  TIMESTAMP '2026-01-01' + INTERVAL 1 second * n AS at, n % 2 = 0 AS successful,
  CASE WHEN n % 5 = 0 THEN 'debit' ELSE 'credit' END AS card_type`
/** Of those rows in a megabyte of Parquet, which is compressed by Snappy as most files are. */
const rowsPerMb = 20_500
const memoryMb = 1024
const bounds = { memoryMb: 300 }

export async function benchUpload({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const megabytes = Number(process.env.UPLOAD_BENCH_MB ?? (quick ? 50 : 1000))
  const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'))
  const source = await makeSource(folder, megabytes * rowsPerMb)
  const server = await startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '4GB' } })
  try {
    const rounds = quick ? 1 : 3
    const own = await runPairs(
      rounds,
      () => upload(source, {}),
      () => loadByDuckdb(source, folder),
    )
    const other = await runPairs(
      rounds,
      () =>
        upload(source, { WAREHOUSE_URL: server.url }, () =>
          psql(server.url, 'DROP TABLE feature_store.loaded'),
        ),
      () => loadByPsql(server.url, source),
    )
    return [
      ...compareRuns(source, own, 'DuckDB, COPY FROM the same file'),
      ...compareRuns(source, other, 'psql, COPY FROM the same rows as CSV', ' to PostgreSQL'),
    ]
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Source {
  parquet: string
  csv: string
  rows: number
  megabytes: number
}

async function makeSource(folder: string, rows: number): Promise<Source> {
  const [parquet, csv] = [join(folder, 'rows.parquet'), join(folder, 'rows.csv')]
  const connection = await (await DuckDBInstance.create(':memory:', { memory_limit: '1GB' })).connect()
  await connection.run(`COPY (${select} FROM range(${rows}) r(n)) TO '${parquet}' (FORMAT parquet)`)
  await connection.run(`COPY (FROM '${parquet}') TO '${csv}' (FORMAT csv, HEADER false)`)
  connection.closeSync()
  return { parquet, csv, rows, megabytes: Math.round((await stat(parquet)).size / 2 ** 20) }
}

async function upload(
  { parquet, rows }: Source,
  settings: Record<string, string>,
  after?: () => Promise<void>,
) {
  const gateway = await startGateway({ ...settings, WAREHOUSE_MEMORY_MB: `${2 * memoryMb}` })
  try {
    const made = columns.map(({ name, type }) => `{ name: "${name}", type: ${type} }`).join(' ')
    await gateway.data(`mutation { createTable(name: "loaded", columns: [${made}]) { name } }`)
    const memory = await watchMemory(gateway.pid)
    const startedAt = performance.now()
    const response = await fetch(`${gateway.url}/tables/loaded/rows`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.apache.parquet' },
      body: await openAsBlob(parquet),
    })
    const { job_id: jobId } = (await response.json()) as { job_id: string }
    const acceptedSeconds = (performance.now() - startedAt) / 1000
    await gateway.published(jobId)
    const seconds = (performance.now() - startedAt) / 1000
    const { publishJob } = await gateway.data<{ publishJob: { done: number } }>(
      `{ publishJob(id: "${jobId}") { done } }`,
    )
    if (publishJob.done !== rows) throw new Error(`${publishJob.done} rows arrived, not ${rows}`)
    const risenMb = await memory.risenMb()
    console.log({ settings, acceptedSeconds, seconds, risenMb })
    return { seconds, risenMb }
  } finally {
    await gateway.stop()
    await after?.()
  }
}

async function loadByDuckdb({ parquet }: Source, folder: string): Promise<number> {
  const database = join(folder, 'loaded.duckdb')
  const own = columns.map(({ name, own }) => `"${name}" ${own}`).join(', ')
  const child = spawn(process.execPath, ['bench/duckdb-load.ts'], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify({ file: parquet, database, columns: own, memoryMb }))
  const [told] = await Promise.all([text(child.stdout), once(child, 'exit')])
  await rm(database)
  const { seconds } = JSON.parse(told) as { seconds: number }
  console.log({ duckdb: seconds })
  return seconds
}

async function psql(url: string, ...commands: string[]): Promise<void> {
  const options = ['--quiet', '--set=ON_ERROR_STOP=1', ...commands.map((command) => `--command=${command}`)]
  await promisify(execFile)(programPath('psql'), [url, ...options])
}

async function loadByPsql(url: string, { csv }: Source): Promise<number> {
  const own = columns.map(({ name, own }) => `"${name}" ${own}`).join(', ')
  await psql(url, `CREATE TABLE copied (${own})`)
  const startedAt = performance.now()
  await psql(url, `\\copy copied FROM '${csv}' (FORMAT csv)`)
  const seconds = (performance.now() - startedAt) / 1000
  await psql(url, 'DROP TABLE copied')
  console.log({ psql: seconds })
  return seconds
}

function compareRuns(
  { rows, megabytes }: Source,
  pairs: readonly { gateway: { seconds: number; risenMb: number }; peer: number }[],
  peer: string,
  where = '',
): Comparison[] {
  const names = {
    area: 'publish',
    work: `upload of ${megabytes} MB of Parquet${where}, ${rows.toLocaleString('en')} rows, until served`,
  }
  return [
    compare(
      { ...names, peer, measure: 'rows a second' },
      pairs.map(({ gateway, peer }) => ({ gateway: rows / gateway.seconds, peer: rows / peer })),
      (rate) => `${(rate / 1e6).toFixed(2)} M/s`,
    ),
    compare(
      { ...names, peer: `the bound of ${bounds.memoryMb} MB`, measure: 'peak memory over the idle process' },
      pairs.map(({ gateway }) => ({ gateway: gateway.risenMb, peer: bounds.memoryMb })),
      (mb) => `${mb.toFixed(0)} MiB`,
    ),
  ]
}
