// A training query of ten million rows into Parquet: the gateway beside DuckDB's own COPY, in time and in peak memory.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Comparison, compare, runPairs } from './comparison.ts'

const memoryMb = 2048

function statement(rows: number) {
  return `SELECT range AS id, 'user_' || (range % 100000) AS user_id, range * 1.5 AS amount,
    TIMESTAMP '2026-01-01 00:00:00' + to_seconds(range) AS at, range % 7 = 0 AS flag FROM range(${rows})`
}

interface Run {
  seconds: number
  /** How far the query raised the process's memory over what it held before, at its peak. */
  risenMb: number
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
        { ...names, measure: 'peak memory over the idle process' },
        pairs.map(({ gateway, peer }) => ({ gateway: gateway.risenMb, peer: peer.risenMb })),
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
    const memory = await watchMemory(child.pid)
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
    return { seconds, risenMb: await memory.risenMb(), rows: answer.data.queryTrain.dataset.rowCount }
  } finally {
    child.kill('SIGTERM')
    await exited
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** DuckDB in a process of its own, with the gateway's memory and threads. */
async function copyInDuckDb(folder: string, rows: number): Promise<Run> {
  const file = join(folder, 'peer.parquet')
  const child = spawn(process.execPath, [join(import.meta.dirname, 'duckdb-copy.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  await answers.next()
  const memory = await watchMemory(child.pid)
  child.stdin.end(JSON.stringify({ sql: statement(rows), file, memoryMb }))
  const { value: answer = '' } = await answers.next()
  const copied = JSON.parse(answer) as { seconds: number; rows: number }
  const risenMb = await memory.risenMb()
  child.kill()
  await rm(file)
  return { ...copied, risenMb }
}

/** From here on the process's peak is counted anew. */
async function watchMemory(pid: number | undefined) {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
  const before = await residentMb(pid, 'VmRSS')
  return { risenMb: async () => (await residentMb(pid, 'VmHWM')) - before }
}

async function residentMb(pid: number | undefined, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
}
