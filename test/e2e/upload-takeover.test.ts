// A gateway that is killed in the middle of an upload to PostgreSQL: another one on its stores writes it, each row once.

import { openAsBlob } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolder } from '../servers/child.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { isThorough } from '../thorough.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { spawnGateway } from './gateway.ts'

/** Of some fifty bytes in the file. */
const rows = isThorough ? 2_000_000 : 200_000
const folder = await createFolder('upload-takeover')
const file = join(folder.path, 'rows.parquet')
let postgres: Awaited<ReturnType<typeof startPostgres>>
let redis: Awaited<ReturnType<typeof startRedis>>
const gateways: Awaited<ReturnType<typeof spawnGateway>>[] = []

beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  await execute(postgres.url, 'CREATE DATABASE catalog')
  // The server takes its time over each ten thousandth row, so that there is a middle, and no time is set for the whole.
  await execute(
    postgres.url,
    `CREATE FUNCTION slowly(n bigint) RETURNS boolean LANGUAGE plpgsql AS
       'BEGIN IF n % 10000 = 0 THEN PERFORM pg_sleep(0.1); END IF; RETURN current_setting(''statement_timeout'') = ''0''; END';
     CREATE TABLE loaded (id text, n bigint CHECK (slowly(n)))`,
  )
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  await connection.run(
    `COPY (SELECT md5(n::VARCHAR) AS id, n FROM range(${rows}) r(n)) TO '${file}' (FORMAT parquet)`,
  )
  connection.closeSync()
}, 120_000)

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.kill()))
  await Promise.all([postgres?.stop(), redis?.stop()])
  await folder.remove()
})

async function spawn(name: string) {
  const gateway = await spawnGateway(join(folder.path, name), {
    CATALOG_URL: postgres.databaseUrl('catalog'),
    WAREHOUSE_URL: postgres.url,
    ONLINE_URL: redis.url,
    DATASETS_DIR: join(folder.path, 'datasets'),
  })
  gateways.push(gateway)
  return gateway
}

async function upload(url: string): Promise<string> {
  const response = await fetch(`${url}/tables/public.loaded/rows`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.apache.parquet', 'idempotency-key': 'the file' },
    body: await openAsBlob(file),
  })
  expect(response.status).toBe(202)
  return ((await response.json()) as { job_id: string }).job_id
}

/** Resolves once the server has taken a part of the rows. */
async function untilInTheMiddle(client: pg.Client): Promise<number> {
  for (;;) {
    const { rows: found } = await client.query<{ taken: number }>(
      'SELECT tuples_processed::int AS taken FROM pg_stat_progress_copy',
    )
    const taken = found[0]?.taken ?? 0
    if (taken > 0) return taken
  }
}

test('each row is there once, and a retry is the same job', { timeout: 300_000 }, async () => {
  const client = new pg.Client(postgres.url)
  await client.connect()
  try {
    const killed = await spawn('killed')
    const jobId = await upload(killed.url)
    expect(await untilInTheMiddle(client)).toBeLessThan(rows)
    await killed.kill()
    const heir = await spawn('heir')
    let last = { status: '', done: 0 }
    for await (const { publishProgress } of heir.follow<{ publishProgress: typeof last }>(
      'subscription ($id: ID!) { publishProgress(jobId: $id) { status done } }',
      { id: jobId },
    ))
      last = publishProgress
    expect(last).toMatchObject({ status: 'SUCCEEDED', done: rows })
    expect(await upload(heir.url)).toBe(jobId)
    const { rows: counted } = await client.query(
      'SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids, sum(n)::bigint AS sum FROM loaded',
    )
    expect(counted).toEqual([{ n: rows, ids: rows, sum: `${(rows * (rows - 1)) / 2}` }])
  } finally {
    await client.end()
  }
})
