// A TypeScript ETL row by row over a whole dataset, beside one isolate that runs the same function over rows in memory.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { startGateway } from './gateway.ts'

const etlFolder = join(import.meta.dirname, 'etl')
const etlFile = join(etlFolder, 'features.ts')

function statement(rows: number) {
  return `SELECT 'user_' || lpad(range::VARCHAR, 8, '0') AS user_id, range AS quotes, range % 17 AS failed_payments,
    (range * 0.37)::DOUBLE AS amount, range % 3 = 0 AS is_paid, 'card ' || range % 5 AS card_type,
    (1.7e9 + range)::DOUBLE AS last_seen, CASE WHEN range % 4 = 0 THEN NULL ELSE (range * 1.5)::DOUBLE END AS risk,
    'mobile' AS device, range % 100 AS score FROM range(${rows})`
}

interface Isolated {
  rowsPerSecond: number
  /** JSON of the ETL's results for these rows. */
  first: string
}

export async function benchEtl({ quick }: { quick: boolean }): Promise<Comparison[]> {
  const rows = quick ? 100_000 : 5_000_000
  const gateway = await startGateway({ ETL_SOURCES: etlFolder })
  try {
    const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "rows", waitMs: 600000) { query { id } } }',
      { sql: statement(rows) },
    )
    async function extract() {
      const startedAt = performance.now()
      const { extractTrain } = await gateway.data<{
        extractTrain: { dataset: { rowCount: number; error: string | null; rows: unknown[] } }
      }>(
        `mutation ($query: ID!, $etl: String!) {
          extractTrain(queryId: $query, etlPath: $etl, waitMs: 600000) { dataset { rowCount error rows(limit: 3) } }
        }`,
        { query: queryTrain.query.id, etl: `file:${etlFile}` },
      )
      const seconds = (performance.now() - startedAt) / 1000
      return { ...extractTrain.dataset, seconds }
    }
    const pairs = await runPairs(quick ? 1 : 5, extract, () => isolated(Math.min(rows, 1_000_000)))
    for (const { gateway: own, peer } of pairs) {
      if (Number(own.rowCount) !== rows) throw new Error(`${own.rowCount} rows came out: ${own.error}`)
      if (JSON.stringify(own.rows) !== peer.first)
        throw new Error(`${JSON.stringify(own.rows)} is not ${peer.first}`)
    }
    return [
      compare(
        {
          area: 'etl',
          work: `extractTrain of ${rows.toLocaleString('en')} rows by a five-line TypeScript ETL, from query to Parquet`,
          peer: 'one isolate, rows in memory to rows in memory',
          measure: 'rows a second',
        },
        pairs.map(({ gateway: own, peer }) => ({ gateway: rows / own.seconds, peer: peer.rowsPerSecond })),
        (rate) => `${Math.round(rate / 1000).toLocaleString('en')} k/s`,
      ),
    ]
  } finally {
    await gateway.stop()
  }
}

async function isolated(rows: number): Promise<Isolated> {
  const script = join(import.meta.dirname, 'isolate.ts')
  const flags = ['--no-node-snapshot', '--disable-warning=ExperimentalWarning']
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script, etlFile, String(rows)])
  return JSON.parse(stdout) as Isolated
}
