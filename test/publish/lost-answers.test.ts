// Rows that are ingested while the catalog's PostgreSQL goes away: whoever is told of no job has none, and rows come once.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBehindProxy } from '../e2e/catalog-behind-proxy.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
})

afterAll(() => postgres?.stop())

/** A gateway whose catalog is behind a proxy, and which has done a job. */
async function start() {
  const { proxy, catalogUrl, gateway } = await startBehindProxy(postgres)
  const ingest = (userId: string) =>
    gateway.graphql(
      `mutation { ingest(table: "users", rows: [{ user_id: "${userId}" }]) { id status done } }`,
    )
  const jobs = () => execute(catalogUrl, 'SELECT id, status FROM "PublishJob" ORDER BY "createdAt"')
  const untilDone = (count: number) =>
    expect
      .poll(async () => (await jobs()).map(({ status }) => status), { timeout: 60_000 })
      .toEqual(Array.from({ length: count }, () => 'SUCCEEDED'))
  const written = async () => {
    const request = {
      sql: 'SELECT user_id FROM feature_store.users',
      key: ['user_id'],
      values: [['a'], ['b']],
    }
    return (await gateway.services.warehouse.lookup(request)).rows.flat().sort()
  }
  await ingest('a')
  await untilDone(1)
  return { proxy, ingest, jobs, untilDone, written }
}

test('as the job is stored, its id is told, to look for it', async () => {
  const { proxy, ingest, jobs, untilDone, written } = await start()
  const lost = proxy.loseAnswerTo(/INSERT INTO "public"."PublishJob"/)
  const [{ errors }] = await Promise.all([ingest('b'), lost])
  const [, second] = await jobs()
  expect(errors?.[0]?.extensions).toMatchObject({
    code: 'CATALOG_UNAVAILABLE',
    details: { jobId: second?.id },
  })
  expect(errors?.[0]?.message).toContain(`publishJob(id: "${second?.id}")`)
  await untilDone(2)
  expect(await written()).toEqual(['a', 'b'])
})

test.each([
  ['it is put into the queue', /INSERT INTO pgboss.job/i],
  ['it is read', /\0SELECT "public"."PublishJob"/],
])('once the job is stored it is accepted, whatever is lost as %s', async (_moment, statement) => {
  const { proxy, ingest, jobs, untilDone, written } = await start()
  const lost = proxy.loseAnswerTo(statement)
  const [{ data, errors }] = await Promise.all([ingest('b'), lost])
  expect(errors).toBeUndefined()
  const [, second] = await jobs()
  expect(data?.ingest).toEqual({ id: second?.id, status: 'QUEUED', done: 0 })
  await untilDone(2)
  expect(await written()).toEqual(['a', 'b'])
})
