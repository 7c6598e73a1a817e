// Counts and sums over the last 7 and 30 days by `as_of()`, beside the range join and the aggregate that one would write by hand in DuckDB.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { makeSet, saveQuery, thousands } from './time.ts'
import { copyInDuckDb } from './training.ts'
import { memoryMb } from './training-run.ts'

interface Sizes {
  asked: number
  events: number
  users: number
}

export async function benchWindows({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const sizes = quick
    ? { asked: 5_000, events: 200_000, users: 2_000 }
    : { asked: 100_000, events: 10_000_000, users: 100_000 }
  const { asked, events } = sizes
  const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'))
  const files = join(folder, 'files')
  const gateway = await prepare(files, sizes)
  try {
    const spine = 'SELECT * FROM files.spine'
    const byHand = writtenByHand((name) => `read_parquet('${join(files, name)}.parquet')`)
    await makeSet(gateway, { spine, views: ['windows'], rows: asked }, (id) =>
      assertSame(join(gateway.folder, 'datasets', `${id}.parquet`), byHand),
    )
    const pairs = await runPairs(
      quick ? 1 : 5,
      () => makeSet(gateway, { spine, views: ['windows'], rows: asked }),
      async () => (await copyInDuckDb(folder, byHand)).seconds,
    )
    return [
      compare(
        {
          area: 'time',
          work: `a training set of ${thousands(asked)} rows, counts and sums over 7 and 30 days of ${thousands(events)} by as_of()`,
          peer: 'DuckDB, a range join and an aggregate by hand',
          measure: 'rows of the spine a second',
        },
        pairs.map((pair) => ({ gateway: asked / pair.gateway, peer: asked / pair.peer })),
        (rows) => `${(rows / 1000).toFixed(0)} k/s`,
      ),
    ]
  } finally {
    await gateway.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Events of a year, and moments in it, of users drawn alike. */
async function prepare(files: string, { asked, events, users }: Sizes): Promise<BenchGateway> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await mkdir(files)
  const moment = (seed: number) =>
    `range * 7919 % ${users} AS user_id, TIMESTAMP '2025-01-01' + INTERVAL '1 second' * ((range * 104729 + ${seed}) % 31536000)`
  await connection.run(
    `COPY (SELECT ${moment(0)} AS ts, range % 1000 AS amount FROM range(${events})) TO '${join(files, 'events.parquet')}' (FORMAT parquet)`,
  )
  await connection.run(
    `COPY (SELECT ${moment(13)} AS happened, range % 2 AS label FROM range(${asked})) TO '${join(files, 'spine.parquet')}' (FORMAT parquet)`,
  )
  connection.closeSync()
  instance.closeSync()
  const gateway = await startGateway({ WAREHOUSE_FILES: files, WAREHOUSE_MEMORY_MB: `${memoryMb}` })
  const queryId = await saveQuery(
    gateway,
    'windows',
    `SELECT user_id, ${windowsUntil('as_of()')} FROM files.events WHERE ts <= as_of() AND ts > as_of() - INTERVAL '30' DAY GROUP BY user_id`,
  )
  await gateway.data(
    'mutation ($id: ID!) { createFeatureView(name: "windows", queryId: $id, indexKey: "user_id", ttlSeconds: 60, refresh: MANUAL) { id } }',
    { id: queryId },
  )
  return gateway
}

function windowsUntil(moment: string): string {
  const lastWeek = `FILTER (WHERE ts > ${moment} - INTERVAL '7' DAY)`
  return `count(*) ${lastWeek} AS n_7d, CAST(sum(amount) ${lastWeek} AS BIGINT) AS sum_7d, count(*) AS n_30d, CAST(sum(amount) AS BIGINT) AS sum_30d`
}

function writtenByHand(file: (name: string) => string): string {
  return `SELECT s.*, f.* EXCLUDE (user_id, happened)
    FROM ${file('spine')} s LEFT JOIN (
      SELECT a.user_id, a.happened, ${windowsUntil('a.happened')}
      FROM (SELECT DISTINCT user_id, happened FROM ${file('spine')}) a
      JOIN ${file('events')} e ON e.user_id = a.user_id AND e.ts <= a.happened AND e.ts > a.happened - INTERVAL '30' DAY
      GROUP BY a.user_id, a.happened
    ) f ON f.user_id = s.user_id AND f.happened = s.happened`
}

async function assertSame(file: string, sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`CREATE TABLE peer AS ${sql}`)
  const set = `read_parquet('${file}')`
  const differences = await connection.runAndReadAll(
    `SELECT count(*)::INTEGER FROM ((FROM ${set} EXCEPT ALL FROM peer) UNION ALL (FROM peer EXCEPT ALL FROM ${set}))`,
  )
  const found = await connection.runAndReadAll('SELECT count(n_30d)::INTEGER FROM peer')
  connection.closeSync()
  instance.closeSync()
  const [count] = differences.getRows()[0] ?? []
  if (count !== 0) throw new Error(`${count} rows differ from those by hand`)
  if (found.getRows()[0]?.[0] === 0) throw new Error('No row has events in its window')
}
