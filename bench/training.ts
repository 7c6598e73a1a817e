// Training queries of millions of rows into Parquet, in time and in peak memory: on DuckDB beside its own COPY, on PostgreSQL beside psql.

import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { watchMemory } from './memory.ts'
import { benchPostgresTraining } from './training-postgres.ts'
import { memoryMb, type Run, trainOnGateway } from './training-run.ts'

function statement(rows: number) {
  return `SELECT range AS id, 'user_' || (range % 100000) AS user_id, range * 1.5 AS amount,
    TIMESTAMP '2026-01-01 00:00:00' + to_seconds(range) AS at, range % 7 = 0 AS flag FROM range(${rows})`
}

export async function benchTraining({ quick }: { quick: boolean }): Promise<Comparison[]> {
  return [...(await benchDuckDbTraining(quick)), ...(await benchPostgresTraining(quick))]
}

async function benchDuckDbTraining(quick: boolean): Promise<Comparison[]> {
  const rows = quick ? 500_000 : 10_000_000
  const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'))
  try {
    const pairs = await runPairs(
      quick ? 1 : 5,
      () => trainOnGateway(statement(rows)),
      () => copyInDuckDb(folder, statement(rows)),
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

/** DuckDB in a process of its own, with the gateway's memory and threads. */
export async function copyInDuckDb(folder: string, sql: string): Promise<Run> {
  const file = join(folder, 'peer.parquet')
  const child = spawn(process.execPath, [join(import.meta.dirname, 'duckdb-copy.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  await answers.next()
  const memory = await watchMemory(child.pid)
  child.stdin.end(JSON.stringify({ sql, file, memoryMb }))
  const { value: answer = '' } = await answers.next()
  const copied = JSON.parse(answer) as { seconds: number; rows: number }
  const risenMb = await memory.risenMb()
  child.kill()
  await rm(file)
  return { ...copied, risenMb }
}
