// An ETL stays what it was when it was loaded, until refreshEtl; from then on training and realtime use the new version alike.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { extract, featuresOf, publishAndFollow, train } from '../../examples/client/features.ts'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from './gateway.ts'

const folder = await createDataFolder('refresh-etl')
const etls = join(folder.path, 'etls')
const etlPath = `file:${join(etls, 'score.js')}`
let gateway: Awaited<ReturnType<typeof startGateway>>

async function writeEtl(score: number) {
  await writeFile(
    join(etls, 'score.js'),
    `export function transform(row) { return { user_id: row.user_id, score: ${score} } }`,
  )
}

beforeAll(async () => {
  await mkdir(etls)
  gateway = await startGateway(folder.path, { ETL_SOURCES: etls })
})

afterAll(async () => {
  await gateway?.stop()
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
