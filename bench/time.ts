// Training sets: on DuckDB beside its own as-of join, on PostgreSQL beside a LATERAL by hand, and three views at once beside one after the other.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { startPostgres } from '../test/servers/postgres.ts'
import { type Comparison, compare, runPairs } from './comparison.ts'
import { type BenchGateway, startGateway } from './gateway.ts'
import { psqlOf } from './psql.ts'
import { copyInDuckDb } from './training.ts'
import { memoryMb } from './training-run.ts'
import { benchVectors } from './vectors.ts'
import { benchWindows } from './windows.ts'

const area = 'time'
export const thousands = (count: number) => count.toLocaleString('en')
const rate = (rows: number) => `${(rows / 1000).toFixed(0)} k/s`

export async function benchTime({ quick }: { quick: boolean }): Promise<Comparison[]> {
  return [
    ...(await benchFiles(quick)),
    ...(await benchWindows({ quick })),
    ...(await benchPostgres(quick)),
    ...(await benchVectors({ quick })),
  ]
}

/** A row for each moment of a year, of one of the keys; the same in DuckDB and in PostgreSQL. */
const history = (seed: number) => (row: string, keys: number) =>
  `(${row} * 7919 + ${seed}) % ${keys} AS k, TIMESTAMP '2025-01-01' + INTERVAL '1 second' * ((${row} * 104729 + ${seed}) % 31536000) AS happened`

async function benchFiles(quick: boolean): Promise<Comparison[]> {
  const [asked, rows, keys] = quick ? [50_000, 500_000, 50_000] : [1_000_000, 10_000_000, 1_000_000]
  const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'))
  const files = join(folder, 'files')
  const gateway = await prepareFiles(folder, { asked, rows, keys })
  try {
    const rounds = quick ? 1 : 5
    const spine = 'SELECT * FROM files.spine'
    const file = (name: string) => `read_parquet('${join(files, name)}.parquet')`
    const plain = `SELECT s.*, v.* EXCLUDE (k, happened) FROM ${file('spine')} s ASOF LEFT JOIN ${file('view0')} v ON s.k = v.k AND s.happened >= v.happened`
    const pairs = await runPairs(
      rounds,
      () => makeSet(gateway, { spine, views: ['view0'], rows: asked }),
      async () => (await copyInDuckDb(folder, plain)).seconds,
    )
    const together = await runPairs(
      rounds,
      () => makeSet(gateway, { spine, views: ['view1', 'view2', 'view3'], rows: asked }),
      async () => {
        let seconds = 0
        for (const view of ['view1', 'view2', 'view3'])
          seconds += await makeSet(gateway, { spine, views: [view], rows: asked })
        return seconds
      },
    )
    return [
      compare(
        {
          area,
          work: `a training set of ${thousands(asked)} rows as of their times out of ${thousands(rows)}`,
          peer: 'DuckDB, ASOF LEFT JOIN (wrong for nulls and ties)',
          measure: 'rows of the spine a second',
        },
        pairs.map((pair) => ({ gateway: asked / pair.gateway, peer: asked / pair.peer })),
        rate,
      ),
      compare(
        {
          area,
          work: `a training set of ${thousands(asked)} rows out of three views`,
          peer: 'three training sets, one for each view',
          measure: 'seconds',
        },
        together,
        (seconds) => `${seconds.toFixed(1)} s`,
      ),
    ]
  } finally {
    await gateway.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** A gateway over files in `files` of the folder: moments asked for, four histories, and a view in time for each. */
export async function prepareFiles(
  folder: string,
  { asked, rows, keys }: { asked: number; rows: number; keys: number },
): Promise<BenchGateway> {
  const files = join(folder, 'files')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await mkdir(files)
  const write = (name: string, select: string) =>
    connection.run(`COPY (${select}) TO '${join(files, name)}.parquet' (FORMAT parquet)`)
  await write('spine', `SELECT ${history(13)('range', keys)}, range % 2 AS label FROM range(${asked})`)
  for (const view of [0, 1, 2, 3]) {
    const count = view === 0 ? rows : rows / 10
    const features = [1, 2, 3].map((n) => `(range * ${n + view}) % 1000 AS f${view}_${n}`)
    await write(
      `view${view}`,
      `SELECT ${history(view)('range', keys)}, ${features.join(', ')} FROM range(${count})`,
    )
  }
  connection.closeSync()
  instance.closeSync()
  const gateway = await startGateway({ WAREHOUSE_FILES: files, WAREHOUSE_MEMORY_MB: `${memoryMb}` })
  for (const view of [0, 1, 2, 3]) await makeView(gateway, `view${view}`, `SELECT * FROM files.view${view}`)
  return gateway
}

/** The query is saved, not run to its end. */
export async function saveQuery(gateway: BenchGateway, name: string, sql: string): Promise<string> {
  const { queryTrain } = await gateway.data<{
    queryTrain: { query: { id: string }; dataset: { id: string } }
  }>(
    'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name, waitMs: 0) { query { id } dataset { id } } }',
    { sql, name },
  )
  await gateway
    .data('mutation ($id: ID!) { cancelJob(id: $id) { id } }', { id: queryTrain.dataset.id })
    .catch((error: Error) => {
      if (!error.message.includes('has ended already')) throw error
    })
  return queryTrain.query.id
}

export async function makeView(gateway: BenchGateway, name: string, sql: string): Promise<void> {
  const id = await saveQuery(gateway, name, sql)
  await gateway.data(
    'mutation ($id: ID!, $name: String!) { createFeatureView(name: $name, queryId: $id, indexKey: "k", timestampColumn: "happened", refresh: MANUAL) { id } }',
    { id, name },
  )
}

/** How many seconds it takes; what is made is looked at, if at all, before it is deleted. */
export async function makeSet(
  gateway: BenchGateway,
  { spine, views, rows }: { spine: string; views: readonly string[]; rows: number },
  look: (datasetId: string) => Promise<void> = async () => undefined,
): Promise<number> {
  const startedAtMs = performance.now()
  const { createTrainingSet } = await gateway.data<{
    createTrainingSet: { dataset: { id: string; rowCount: number } }
  }>(
    `mutation ($spine: String!, $features: [FeatureRefInput!]) {
      createTrainingSet(spine: { sql: $spine }, features: $features, timestampColumn: "happened", waitMs: 600000) { dataset { id rowCount } }
    }`,
    { spine, features: views.map((view) => ({ view })) },
  )
  const seconds = (performance.now() - startedAtMs) / 1000
  const { id, rowCount } = createTrainingSet.dataset
  if (rowCount !== rows) throw new Error(`${rowCount} rows, not ${rows}`)
  await look(id)
  await gateway.data('mutation ($id: ID!) { deleteDataset(id: $id) }', { id })
  return seconds
}

async function benchPostgres(quick: boolean): Promise<Comparison[]> {
  const [asked, rows, keys] = quick ? [5_000, 100_000, 10_000] : [100_000, 5_000_000, 500_000]
  const server = await startPostgres({ settings: { shared_buffers: '1GB', max_wal_size: '4GB' } })
  const psql = psqlOf(server.url)
  try {
    const features = [1, 2, 3].map((n) => `(n * ${n}) % 1000 AS f${n}`).join(', ')
    await psql(
      `CREATE TABLE history AS SELECT ${history(0)('n', keys)}, ${features} FROM generate_series(0::bigint, ${rows - 1}) s(n)`,
      'CREATE INDEX ON history (k, happened)',
      `CREATE TABLE spine AS SELECT ${history(13)('n', keys)}, n % 2 AS label FROM generate_series(0::bigint, ${asked - 1}) s(n)`,
      'VACUUM ANALYZE history',
      'VACUUM ANALYZE spine',
    )
    const gateway = await startGateway({ WAREHOUSE_URL: server.url, WAREHOUSE_MEMORY_MB: `${memoryMb}` })
    try {
      await makeView(gateway, 'history', 'SELECT * FROM history')
      const byHand = `SELECT s.*, h.f1, h.f2, h.f3 FROM spine s LEFT JOIN LATERAL (
        SELECT * FROM history h WHERE h.k = s.k AND h.happened <= s.happened ORDER BY h.happened DESC LIMIT 1) h ON true`
      const pairs = await runPairs(
        quick ? 1 : 5,
        () => makeSet(gateway, { spine: 'SELECT * FROM spine', views: ['history'], rows: asked }),
        async () => {
          const startedAtMs = performance.now()
          await psql(`COPY (${byHand}) TO STDOUT (FORMAT binary)`)
          return (performance.now() - startedAtMs) / 1000
        },
      )
      return [
        compare(
          {
            area,
            work: `a training set of ${thousands(asked)} rows out of ${thousands(rows)} in PostgreSQL, indexed`,
            peer: 'psql, LATERAL … ORDER BY … LIMIT 1, thrown away',
            measure: 'rows of the spine a second',
          },
          pairs.map((pair) => ({ gateway: asked / pair.gateway, peer: asked / pair.peer })),
          rate,
        ),
      ]
    } finally {
      await gateway.stop()
    }
  } finally {
    await server.stop()
  }
}
