// A Feast registry's dump, imported by the command into a gateway that has some of its files.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServicesGateway, startGateway } from '../../features/gateway.ts'
import { run, told } from './command.ts'

const registry = join(import.meta.dirname, 'registry.json')
const files = {
  drivers: `SELECT 7::BIGINT AS driver_id, 0.5::DOUBLE AS rate, 10::BIGINT AS trips,
      TIMESTAMPTZ '2026-01-01 00:00:00Z' AS event_timestamp, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS created
    UNION ALL SELECT 7, 0.75, 20, TIMESTAMPTZ '2026-02-01 00:00:00Z', TIMESTAMPTZ '2026-02-01 00:00:00Z'
    UNION ALL SELECT 8, 0.25, 5, TIMESTAMPTZ '2026-01-15 00:00:00Z', TIMESTAMPTZ '2026-01-15 00:00:00Z'`,
  visits: `SELECT 7::BIGINT AS driver, 1::BIGINT AS shop, 3::BIGINT AS n, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS event_timestamp`,
}

let folder: string
let gateway: ServicesGateway

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-feast-'))
  const engine = await DuckDBInstance.create()
  const connection = await engine.connect()
  for (const [name, sql] of Object.entries(files))
    await connection.run(`COPY (${sql}) TO '${join(folder, `${name}.parquet`)}' (FORMAT parquet)`)
  connection.closeSync()
  engine.closeSync()
  gateway = await startGateway({ WAREHOUSE_FILES: folder })
}, 180_000)

afterAll(async () => {
  await gateway?.close()
  await rm(folder, { recursive: true, force: true })
})

const state = () =>
  gateway.data<Record<string, { edges: { node: Record<string, unknown> }[] }>>(`{
    featureViews { edges { node { name indexKeys timestampColumn createdColumn eventTtlSeconds description owner tags
      features { name description } query { name version sql } } } }
    featureServices { edges { node { name version description owner tags features { name view { name } } indexKeys { name } } } }
    savedQueries { edges { node { name version } } }
    datasets { edges { node { id } } }
  }`)

const nodes = (found: Awaited<ReturnType<typeof state>>, field: string) =>
  new Map(found[field]?.edges.map(({ node }) => [node.name, node]))

test('takes what it can, says why not of the rest, and is the same when it is run again', async () => {
  const first = await run(registry, '--url', gateway.url)
  expect(first.err).toBe('')
  expect(told(first.out)).toEqual({
    '✓ view driver_stats': '',
    '✓ view Shop visits': '',
    '✗ view elsewhere':
      'the gateway has no table files.elsewhere: where its warehouse is DuckDB, name the file in its setting WAREHOUSE_FILES=/feast/elsewhere.parquet, then import again',
    '✗ view everywhere': 'it has no entity, and a view here is asked by a key; give it one',
    '✗ view pushed': 'its ttl is 1.500s, and a view here has whole seconds',
    '✗ view of_table':
      "the gateway's warehouse has no table public.rates; with WAREHOUSE_URL it reads the database that has it",
    '✓ view of_query': '',
    '✗ view of_bigquery':
      "its source big is a BigQuerySource; files and PostgreSQL are followed. Save a query over the table where the gateway's warehouse has it",
    '✓ service pricing': '',
    '! service pairs': [
      'its features of driver_stats as origin are named origin__… here; ask for them without full names',
      'its features of driver_stats as goal are named goal__… here; ask for them without full names',
    ].join('\n    '),
    '! service renamed':
      'its name drivers for driver_stats is not kept: full names begin with driver_stats__ here',
    '✗ service fees': 'it has features of fee, left out itself',
    '✗ service far': 'it has features of elsewhere, left out itself',
    '✗ on-demand view fee':
      'write it as an ETL on top of a feature service, its request source as request columns',
    '✗ push source pushes':
      'rows go to a table that takes them (createTable); a view here does not see what is pushed elsewhere',
  })
  expect(first.out).toMatch(/\n\n4 taken, 2 in part, 9 left out\n$/)
  expect(first.code).toBe(1)
  const made = await state()
  expect(await run(registry, '--url', gateway.url)).toEqual(first)
  expect(await state()).toEqual(made)
  await checkMade(made)
}, 60_000)

async function checkMade(made: Awaited<ReturnType<typeof state>>) {
  const views = nodes(made, 'featureViews')
  expect(views.get('driver_stats')).toEqual({
    name: 'driver_stats',
    indexKeys: ['driver_id'],
    timestampColumn: 'event_timestamp',
    createdColumn: 'created',
    eventTtlSeconds: 315_360_000,
    description: 'What drivers did',
    owner: 'ada@example.org',
    tags: ['team=pricing', 'tier=1'],
    features: [
      { name: 'rate', description: 'Of offers, the part that was taken' },
      { name: 'trips', description: null },
    ],
    query: {
      name: 'driver_stats',
      version: 1,
      sql: 'SELECT "driver_id", "event_timestamp", "created", "rate", "trips" FROM files.drivers',
    },
  })
  expect(views.get('Shop visits')).toMatchObject({
    indexKeys: ['driver_id', 'shop_id'],
    createdColumn: null,
    eventTtlSeconds: null,
    query: {
      sql: 'SELECT "driver" AS "driver_id", "shop" AS "shop_id", "event_timestamp", "n" AS "visits" FROM files.visits',
    },
  })
  expect(nodes(made, 'featureServices').get('pricing')).toMatchObject({
    version: 1,
    description: 'For prices',
    owner: 'ada@example.org',
    tags: ['model=7'],
  })
  const answer = await gateway.vectors({
    service: 'pricing',
    entities: [{ driver_id: 7, shop_id: 1 }],
  })
  expect(answer.map(({ features }) => features)).toEqual([{ trips: 20, rate: 0.75, visits: 3 }])
  const pairs = await gateway.vectors({ service: 'pairs', entities: [{ origin_id: 7, goal_id: 8 }] })
  expect(pairs.map(({ features }) => features)).toEqual([{ origin__rate: 0.75, goal__rate: 0.25 }])
}

test('two files of one name are left to people', async () => {
  const dump = await readFile(registry, 'utf8')
  const other = join(folder, '.registry.json')
  await writeFile(other, dump.replaceAll('/feast/elsewhere.parquet', 's3://bucket/other/Drivers.parquet'))
  const { out, code } = await run(other, '--url', gateway.url)
  expect(code).toBe(1)
  const sentence =
    /^(\/feast\/drivers\.parquet and s3:\/\/bucket\/other\/Drivers\.parquet|s3.* and \/feast.*) would be one table, files\.(D|d)rivers; rename one and its source$/
  expect(told(out)['✗ view driver_stats']).toMatch(sentence)
  expect(told(out)['✗ view elsewhere']).toMatch(sentence)
})

test.each([
  [[], /^One file is imported; got 0/],
  [['package.json'], /^package\.json is no registry as `feast registry-dump` writes it: /],
  [['/nowhere.json'], /^\/nowhere\.json cannot be read: /],
  [[registry, '--url', 'http://127.0.0.1:1'], /^No gateway answers at http:\/\/127\.0\.0\.1:1; start it/],
])('%j ends with a sentence', async (args, sentence) => {
  const { code, err } = await run(...args)
  expect(err).toMatch(sentence)
  expect(code).toBe(1)
})
