// A gateway that stands still while it makes a training set: another one on its stores makes it, and what the first does once it goes on changes nothing.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { spawnGateway } from './gateway.ts'

const folder = await createFolder('set-takeover')
const datasetsFolder = join(folder.path, 'datasets')
let postgres: Awaited<ReturnType<typeof startPostgres>>
let redis: Awaited<ReturnType<typeof startRedis>>
let gate: pg.Client
const gateways: Awaited<ReturnType<typeof spawnGateway>>[] = []

const rows = 20_000

beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  await execute(postgres.url, 'CREATE DATABASE catalog')
  // Whoever reads the spine waits at the gate, as long as that is held.
  await execute(
    postgres.url,
    `CREATE FUNCTION passes(k int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
       'BEGIN IF k = 1 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN true; END';
     CREATE TABLE moments AS SELECT n AS k, TIMESTAMP '2026-01-02' AS event_timestamp FROM generate_series(1, ${rows}) n;
     CREATE VIEW asked AS SELECT * FROM moments WHERE passes(k);
     CREATE TABLE history AS SELECT n AS k, TIMESTAMP '2026-01-01' AS at, 1 AS v FROM generate_series(1, ${rows}) n`,
  )
  gate = new pg.Client(postgres.url)
  await gate.connect()
}, 120_000)

afterAll(async () => {
  await gate?.end()
  await Promise.all(gateways.map((gateway) => gateway.kill()))
  await Promise.all([postgres?.stop(), redis?.stop()])
  await folder.remove()
})

async function spawn(name: string) {
  const gateway = await spawnGateway(join(folder.path, name), {
    CATALOG_URL: postgres.databaseUrl('catalog'),
    WAREHOUSE_URL: postgres.url,
    ONLINE_URL: redis.url,
    DATASETS_DIR: datasetsFolder,
  })
  gateways.push(gateway)
  return gateway
}

type Gateway = Awaited<ReturnType<typeof spawn>>

const count = async (sql: string): Promise<number> => (await gate.query<{ n: number }>(sql)).rows[0]?.n ?? 0

async function makeView({ data }: Gateway) {
  const { queryTrain } = await data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT k, at, v FROM history", queryName: "history") { query { id } } }',
  )
  await data(
    'mutation ($id: ID!) { createFeatureView(name: "history", queryId: $id, indexKey: "k", timestampColumn: "at", refresh: MANUAL) { id } }',
    { id: queryTrain.query.id },
  )
}

const askForSet = ({ data }: Gateway) =>
  data<{ createTrainingSet: { dataset: { id: string; status: string; rowCount: number } } }>(
    `mutation { createTrainingSet(spine: { sql: "SELECT k, event_timestamp FROM asked" }, features: [{ view: "history" }], waitMs: 100000)
      { dataset { id status rowCount } } }`,
  )

async function stateOf(id: string) {
  const sql = `SELECT status, takeovers FROM "Dataset" WHERE id = '${id}'`
  return (await execute(postgres.databaseUrl('catalog'), sql))[0]
}

test('it is made once, by the other one, and whoever asked the first is told that', {
  timeout: 300_000,
}, async () => {
  const stalled = await spawn('stalled')
  await makeView(stalled)
  await gate.query('SELECT pg_advisory_lock(7)')
  const answer = askForSet(stalled)
  await expect
    .poll(
      () => count(`SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`),
      {
        timeout: 60_000,
      },
    )
    .toBe(1)
  const heir = await spawn('heir')
  process.kill(stalled.pid ?? 0, 'SIGSTOP')
  // The server has the first one's rows ready, of the history as it is now.
  await gate.query('SELECT pg_advisory_unlock(7)')
  await expect
    .poll(
      () =>
        count(
          `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE '%asked%' AND pid <> pg_backend_pid() AND wait_event IS DISTINCT FROM 'ClientRead' AND wait_event IS DISTINCT FROM 'ClientWrite'`,
        ),
      { timeout: 60_000 },
    )
    .toBe(0)
  await gate.query('UPDATE history SET v = 2')
  const [made] = await execute(
    postgres.databaseUrl('catalog'),
    `SELECT id FROM "Dataset" WHERE status = 'RUNNING'`,
  )
  const id = String(made?.id)
  // A network that was away for long: the server takes the connection for broken, which shows the first one alive.
  await gate.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'feature-gateway-presence'
      ORDER BY backend_start LIMIT 1`,
  )
  await expect.poll(() => stateOf(id), { timeout: 100_000 }).toEqual({ status: 'SUCCEEDED', takeovers: 1 })
  process.kill(stalled.pid ?? 0, 'SIGCONT')
  expect((await answer).createTrainingSet.dataset).toEqual({ id, status: 'SUCCEEDED', rowCount: rows })
  await expect.poll(() => stalled.output.join('\n'), { timeout: 60_000 }).toMatch(/was taken over/)
  for (const gateway of [stalled, heir]) {
    const { profile } = await gateway.data<{ profile: object }>(
      'query ($id: ID!) { profile: dataset(id: $id) { rowCount rows(limit: 2) } }',
      { id },
    )
    const row = (k: number) => ({ k, event_timestamp: '2026-01-02T00:00:00Z', v: 2 })
    expect(profile).toEqual({ rowCount: rows, rows: [row(1), row(2)] })
  }
  const named = async (path: string) =>
    (await readdir(path, { recursive: true })).filter((name) => name.includes(id))
  expect(await named(folder.path)).toEqual([`datasets/${id}.parquet`])
})
