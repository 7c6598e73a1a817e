// The catalog as its users change it: ETLs stay what they were until refreshEtl; queries carry descriptions and tags.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { extract, featuresOf, publishAndFollow, train } from '../../examples/client/features.ts'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'

const folder = await createDataFolder('refresh-etl')
const etls = join(folder.path, 'etls')
const etlPath = `file:${join(etls, 'score.js')}`
let stores: Stores
let gateway: Awaited<ReturnType<typeof startGateway>>

async function writeEtl(score: number) {
  await writeFile(
    join(etls, 'score.js'),
    `export function transform(row) { return { user_id: row.user_id, score: ${score} } }`,
  )
}

beforeAll(async () => {
  await mkdir(etls)
  stores = await openStores()
  gateway = await startGateway(folder.path, { ETL_SOURCES: etls, ...(await stores.create()) })
})

afterAll(async () => {
  await gateway?.stop()
  await stores?.stop()
  await folder.remove()
})

test('realtime runs the stored ETL until refreshEtl, and the new version at once after it', async () => {
  await writeEtl(1)
  await publishAndFollow(gateway.typed, { nFlows: 20, seed: 3 }, () => {})
  const { query, dataset } = await train(gateway.typed, 'SELECT * FROM feature_store.users', 'users')
  const queryId = query?.id ?? ''
  const user = String(dataset.rows[0]?.user_id)
  const scores = async () => {
    const training = (await extract(gateway.typed, queryId, etlPath)).dataset.rows[0]?.score
    const [realtime] = await featuresOf(gateway.typed, queryId, etlPath, [user])
    return [training, realtime?.rows[0]?.score]
  }
  const { etl } = await extract(gateway.typed, queryId, etlPath)
  expect(await scores()).toEqual([1, 1])

  await writeEtl(2)
  expect(await scores()).toEqual([1, 1])

  const { refreshEtl } = await gateway.data<{ refreshEtl: { id: string; version: number } }>(
    'mutation ($id: ID!) { refreshEtl(id: $id) { id version } }',
    { id: etl?.id },
  )
  expect(refreshEtl.version).toBe(2)
  const [realtime] = await featuresOf(gateway.typed, queryId, etlPath, [user])
  expect(realtime?.rows[0]?.score).toBe(2)
  expect(await scores()).toEqual([2, 2])

  const pinned = await featuresOf(gateway.typed, queryId, etl?.id ?? '', [user])
  expect(pinned[0]?.rows[0]?.score).toBe(1)
})

test('tags and a description are given at training, changed later, and found by search', async () => {
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string; tags: string[] } } }>(
    `mutation { queryTrain(query: "SELECT 1 AS one", queryName: "one", description: "Just one", tags: ["tiny"]) {
      query { id tags description }
    } }`,
  )
  expect(queryTrain.query).toMatchObject({ tags: ['tiny'], description: 'Just one' })
  const update = `mutation ($id: ID!, $tags: [String!], $description: String) {
    updateSavedQuery(id: $id, tags: $tags, description: $description) { tags description version }
  }`
  const { id } = queryTrain.query
  expect(await gateway.data(update, { id, tags: ['small', 'tiny'] })).toEqual({
    updateSavedQuery: { tags: ['small', 'tiny'], description: 'Just one', version: 1 },
  })
  const found = '{ savedQueries(tag: "small", search: "JUST") { totalCount } }'
  expect(await gateway.data(found)).toEqual({ savedQueries: { totalCount: 1 } })
  const missing = await gateway.graphql(update, { id: 'qry_none' })
  expect(missing.errors?.[0]?.extensions?.code).toBe('NOT_FOUND')
})
