// A training query of ten million rows into Parquet: the gateway beside DuckDB's own COPY, in time and in peak memory.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { type Comparison, compare, runPairs } from './comparison.ts'

const memoryMb = 2048

function statement(rows: number) {
  return `SELECT range AS id, 'user_' || (range % 100000) AS user_id, range * 1.5 AS amount,
    TIMESTAMP '2026-01-01 00:00:00' + to_seconds(range) AS at, range % 7 = 0 AS flag FROM range(${rows})`
}

interface Run {
  seconds: number
  /** The most memory that the process ever held (VmHWM). */
  peakMb: number
  rows: number
}

export async function benchTraining({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const rows = quick ? 500_000 : 10_000_000
  const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'))
  try {
    const pairs = await runPairs(
      quick ? 1 : 5,
      () => trainOnGateway(folder, rows),
      () => copyInDuckDb(folder, rows),
    )
    for (const { gateway, peer } of pairs) {
      if (gateway.rows !== peer.rows) throw new Error(`${gateway.rows} rows differ from ${peer.rows}`)
    }
    const names = {
      area: 'training',
      work: `queryTrain of ${rows.toLocaleString('en')} rows to Parquet`,
      peer: 'DuckDB COPY',
    }
    return [
      compare(
        { ...names, measure: 'rows a second' },
        pairs.map(({ gateway, peer }) => ({ gateway: rows / gateway.seconds, peer: rows / peer.seconds })),
        (rate) => `${(rate / 1e6).toFixed(2)} M/s`,
      ),
      compare(
        { ...names, measure: 'peak memory of the process' },
        pairs.map(({ gateway, peer }) => ({ gateway: gateway.peakMb, peer: peer.peakMb })),
        (mb) => `${mb.toFixed(0)} MiB`,
      ),
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function trainOnGateway(folder: string, rows: number): Promise<Run> {
  const dataDir = join(folder, 'gateway')
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: dataDir, WAREHOUSE_MEMORY_MB: String(memoryMb) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  try {
    const url = await new Promise<string>((resolve, reject) => {
      exited.then(() => reject(new Error('The gateway ended while it started')))
      createInterface(child.stdout).on('line', (line) => {
        const ready = /Ready\. GraphQL and GraphiQL: (\S+)\/graphql/.exec(line)
        if (ready?.[1]) resolve(ready[1])
      })
    })
    const query = `mutation ($sql: String!) {
      queryTrain(query: $sql, queryName: "bench", save: false, waitMs: 600000) { dataset { rowCount elapsedMs } }
    }`
    const startedAt = performance.now()
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { sql: statement(rows) } }),
    })
    const answer = (await response.json()) as {
      data?: { queryTrain: { dataset: { rowCount: number } } }
      errors?: unknown
    }
    if (!answer.data) throw new Error(JSON.stringify(answer.errors))
    const seconds = (performance.now() - startedAt) / 1000
    return { seconds, peakMb: await peakMemoryMb(child.pid), rows: answer.data.queryTrain.dataset.rowCount }
  } finally {
    child.kill('SIGTERM')
    await exited
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** DuckDB in a process of its own, with the gateway's memory and threads. */
async function copyInDuckDb(folder: string, rows: number): Promise<Run> {
  const file = join(folder, 'peer.parquet')
  const script = `
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const { readFile } = await import('node:fs/promises')
    const instance = await DuckDBInstance.create(':memory:', { memory_limit: '${memoryMb}MB' })
    const connection = await instance.connect()
    const startedAt = performance.now()
    await connection.run(${JSON.stringify(`COPY (${statement(rows)}) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`)})
    const seconds = (performance.now() - startedAt) / 1000
    const count = await connection.runAndReadAll(${JSON.stringify(`SELECT count(*)::INTEGER FROM '${file}'`)})
    const status = await readFile('/proc/self/status', 'utf8')
    const peakMb = Number(/VmHWM:\\s+(\\d+)/.exec(status)[1]) / 1024
    console.log(JSON.stringify({ seconds, peakMb, rows: count.getRows()[0][0] }))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
  await rm(file)
  return JSON.parse(stdout) as Run
}

async function peakMemoryMb(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024
}
