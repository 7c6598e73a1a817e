// Datasets that were handed back, taken up while the catalog's PostgreSQL goes away: each is made, and made once.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBehindProxy } from '../e2e/catalog-behind-proxy.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
})

afterAll(() => postgres?.stop())

/** A gateway whose catalog is behind a proxy, and a dataset that it has made once. */
async function start() {
  const { proxy, catalogUrl, gateway } = await startBehindProxy(postgres)
  const { queryTrain } = await gateway.data<{ queryTrain: { dataset: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT 2 AS n", queryName: "q") { dataset { id } } }',
  )
  return { proxy, catalogUrl, datasetId: queryTrain.dataset.id }
}

/** As a gateway that stops leaves it. */
const handBack = (catalogUrl: string, id: string) =>
  execute(
    catalogUrl,
    `UPDATE "Dataset" SET status = 'QUEUED', "handedBack" = true, owner = NULL, progress = NULL,
      "createdAt" = now() - interval '1 hour' WHERE id = '${id}'`,
  )

const stateOf = async (catalogUrl: string, id: string) =>
  (await execute(catalogUrl, `SELECT status, "rowCount"::int AS rows FROM "Dataset" WHERE id = '${id}'`))[0]

const moments: readonly (readonly [string, RegExp])[] = [
  ['it becomes this gateway’s', /UPDATE "public"."Dataset" SET [^W]*"handedBack"/],
  ['it begins to be made', /UPDATE "public"."Dataset" SET "status"/],
  ['its query is read', /SELECT .* FROM "public"."SavedQuery"/],
  ['its end is stored', /UPDATE "public"."Dataset" SET .*"rowCount"/],
]

test.each(moments)('the answer is lost when %s', async (_moment, statement) => {
  const { proxy, catalogUrl, datasetId } = await start()
  const lost = proxy.loseAnswerTo(statement)
  await handBack(catalogUrl, datasetId)
  await lost
  await expect
    .poll(() => stateOf(catalogUrl, datasetId), { timeout: 40_000 })
    .toEqual({ status: 'SUCCEEDED', rows: 1 })
})

test('the server is killed again and again while datasets are taken up', async () => {
  const { catalogUrl, datasetId } = await start()
  for (let round = 0; round < 4; round++) {
    await handBack(catalogUrl, datasetId)
    await expect
      .poll(async () => (await stateOf(catalogUrl, datasetId))?.status, { interval: 5 })
      .not.toBe('QUEUED')
    await postgres.kill()
    await postgres.restart()
    await expect
      .poll(() => stateOf(catalogUrl, datasetId), { timeout: 40_000 })
      .toEqual({ status: 'SUCCEEDED', rows: 1 })
  }
})

test('a dataset that is taken up is as of the moment that it was asked for', async () => {
  const { proxy: _, catalogUrl, gateway } = await startBehindProxy(postgres)
  const asOf = '2026-03-04T11:59:59.999999Z'
  const { queryTrain } = await gateway.data<{ queryTrain: { dataset: { id: string } } }>(
    `mutation { queryTrain(query: "SELECT as_of() AS t", queryName: "moment", asOf: "${asOf}") { dataset { id } } }`,
  )
  const { id } = queryTrain.dataset
  await handBack(catalogUrl, id)
  await expect
    .poll(() => stateOf(catalogUrl, id), { timeout: 40_000 })
    .toEqual({ status: 'SUCCEEDED', rows: 1 })
  const { dataset } = await gateway.data<{ dataset: object }>(
    'query ($id: ID!) { dataset(id: $id) { asOf rows } }',
    { id },
  )
  expect(dataset).toEqual({ asOf, rows: [{ t: asOf }] })
})
