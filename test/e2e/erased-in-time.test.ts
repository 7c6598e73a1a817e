// An entity taken away from under views in time, by a gateway that is killed meanwhile: gone from online, from answers of the past and from training sets; of others nothing is.

import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { createDice } from '../fuzz/promise/dice.ts'
import { tries } from '../thorough.ts'
import type { Happened } from '../training/histories.ts'
import { type Settings, spawnGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'
import { createTimedFacts, firstFact, type Served, writtenFact } from './timed-facts.ts'

const rounds = tries({ all: 12, part: 2 })
const servedMs = 1500
const keys = 12

const dice = createDice(Number(process.env.IN_TIME_SEED ?? 20_261_203))
const facts = createTimedFacts({
  table: 'feature_store.facts',
  views: [
    { name: 'newest', indexKeys: ['key'], ttlSeconds: null, etl: false },
    { name: 'young', indexKeys: ['key'], ttlSeconds: 2, etl: false },
    { name: 'pairs', indexKeys: ['key', 'other'], ttlSeconds: null, etl: false },
    { name: 'whole', indexKeys: ['key'], ttlSeconds: null, etl: false, more: 'refresh: FULL' },
    { name: 'scripted', indexKeys: ['key'], ttlSeconds: 2, etl: true },
  ],
  dice,
  keys,
  hasInfinity: true,
  spreadMs: servedMs + 4000,
})

let stores: Stores
let folder: Awaited<ReturnType<typeof createDataFolder>>
let settings: Settings
let gateway: Awaited<ReturnType<typeof spawnGateway>>
let rows: Happened[] = [firstFact]

beforeAll(async () => {
  stores = await openStores()
  folder = await createDataFolder('erased-in-time')
  settings = { ...(await stores.create()), LOOKUP_TIMEOUT_MS: '60000', ETL_SOURCES: folder.path }
  gateway = await spawnGateway(folder.path, settings)
  await gateway.data(`mutation { createTable(name: "facts", columns: [
    { name: "key", type: INT64 } { name: "other", type: STRING } { name: "time", type: TIMESTAMP }
    { name: "made", type: TIMESTAMP } { name: "value", type: INT64 } { name: "name", type: STRING }]) { name } }`)
  await write(rows)
  await facts.makeViews(gateway, folder.path)
}, 180_000)

afterAll(async () => {
  await gateway?.kill()
  await folder?.remove()
  await stores?.stop()
})

async function ended(id: string) {
  const seen: { status: string }[] = []
  for await (const { publishProgress } of gateway.follow<{ publishProgress: { status: string } }>(
    'subscription ($id: ID!) { publishProgress(jobId: $id) { status error } }',
    { id },
  ))
    seen.push(publishProgress)
  expect(seen.at(-1)).toMatchObject({ status: 'SUCCEEDED', error: null })
}

async function write(batch: readonly Happened[]) {
  const { ingest } = await gateway.data<{ ingest: { id: string } }>(
    'mutation ($rows: JSON!) { ingest(table: "facts", rows: $rows) { id } }',
    { rows: batch.map(writtenFact) },
  )
  await ended(ingest.id)
}

/** By the key of most views, by a part of one, and by both its columns; `holds` tells the entity's rows. */
function chooseEntity() {
  const [key, other] = [dice.below(keys), dice.pick(['x', '1', '23'])]
  return dice.pick([
    { indexKey: 'key', indexValue: String(key), holds: (row: Happened) => row.key === key },
    { indexKey: 'other', indexValue: other, holds: (row: Happened) => row.other === other },
    {
      indexKey: '["key","other"]',
      indexValue: JSON.stringify([String(key), other]),
      holds: (row: Happened) => row.key === key && row.other === other,
    },
  ])
}

async function erase(killAfterMs: number | null) {
  const { holds, ...entity } = chooseEntity()
  const { eraseEntity } = await gateway.data<{ eraseEntity: { id: string } }>(
    'mutation ($indexKey: String!, $indexValue: String!) { eraseEntity(indexKey: $indexKey, indexValue: $indexValue) { id } }',
    entity,
  )
  if (killAfterMs !== null) {
    await pause(killAfterMs)
    await gateway.kill()
    gateway = await spawnGateway(folder.path, settings)
  }
  await ended(eraseEntity.id)
  rows = rows.filter((row) => !holds(row))
}

test('what is erased is gone from every moment, and what is not is as it was', {
  timeout: 900_000,
}, async () => {
  let compared = 0
  for (let round = 0; round < rounds; round++) {
    const batch = Array.from({ length: 150 }, facts.happen)
    rows = [...rows, ...batch]
    await write(batch)
    await facts.serve(gateway, 30)
    await erase(round % 3 === 0 ? null : dice.below(400))
    const served: Served[] = []
    for (const endMs = Date.now() + servedMs; Date.now() < endMs; )
      served.push(...(await facts.serve(gateway)))
    compared += await facts.compareServed(gateway, rows, served)
    compared += await facts.comparePast(gateway, rows)
  }
  console.info(`${compared} comparisons`)
  expect(compared).toBeGreaterThan(rounds * 500)
})
