// Training queries of five million rows from PostgreSQL into Parquet, beside psql, which throws the same rows away.

import { startPostgres } from '../test/servers/postgres.ts'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { psqlOf } from './psql.ts'
import { memoryMb, type Run, trainOnGateway } from './training-run.ts'

const tables = {
  'five columns': `SELECT n::int8 AS id, 'user_' || (n % 100000) AS user_id, n * 1.5::float8 AS amount,
    TIMESTAMP '2026-01-01' + make_interval(secs => n) AS at, n % 7 = 0 AS flag`,
  'nine columns, three of random ids': `SELECT md5(n::text)::uuid::text AS transaction_id,
    md5((n % 900000)::text)::uuid::text AS user_id, md5((n + 7)::text)::uuid::text AS ref_id, 'quote' AS ref_type,
    (1.7e9 + n * 0.37)::float8 AS transaction_time, n % 2 = 0 AS successful, '4929********1234' AS card_number,
    (1.8e9 + n)::float8 AS card_expiration_date, CASE WHEN n % 5 = 0 THEN 'debit' ELSE 'credit' END AS card_type`,
}

export async function benchPostgresTraining(quick: boolean): Promise<Comparison[]> {
  const rows = quick ? 250_000 : 5_000_000
  const server = await startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '4GB' } })
  const psql = psqlOf(server.url)
  try {
    const comparisons: Comparison[] = []
    for (const [i, [work, select]] of Object.entries(tables).entries()) {
      const table = `bench_${i}`
      await psql(
        `CREATE TABLE ${table} AS ${select} FROM generate_series(1, ${rows}) AS s(n)`,
        `VACUUM ANALYZE ${table}`,
      )
      const sql = `SELECT * FROM ${table}`
      const pairs = await runPairs(
        quick ? 1 : 5,
        () => trainOnGateway(sql, { WAREHOUSE_URL: server.url }),
        () => timed(() => psql(`COPY (${sql}) TO STDOUT (FORMAT binary)`)),
      )
      comparisons.push(
        ...compareRuns(
          `queryTrain of ${rows.toLocaleString('en')} rows from PostgreSQL, ${work}`,
          rows,
          pairs,
        ),
      )
    }
    return comparisons
  } finally {
    await server.stop()
  }
}

function compareRuns(
  work: string,
  rows: number,
  pairs: readonly { gateway: Run; peer: number }[],
): Comparison[] {
  for (const { gateway } of pairs) {
    if (gateway.rows !== rows) throw new Error(`${gateway.rows} rows arrived, not ${rows}`)
  }
  const names = { area: 'training', work }
  return [
    compare(
      { ...names, peer: 'psql, COPY … TO STDOUT (FORMAT binary)', measure: 'rows a second' },
      pairs.map(({ gateway, peer }) => ({ gateway: rows / gateway.seconds, peer: rows / peer })),
      (rate) => `${(rate / 1e6).toFixed(2)} M/s`,
    ),
    compare(
      { ...names, peer: 'the setting WAREHOUSE_MEMORY_MB', measure: 'peak memory over the idle process' },
      pairs.map(({ gateway }) => ({ gateway: gateway.risenMb, peer: memoryMb })),
      (mb) => `${mb.toFixed(0)} MiB`,
    ),
  ]
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (performance.now() - startedAt) / 1000
}
