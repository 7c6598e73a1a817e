// The promise in time, end to end: what was served at a moment is what a training set made later holds for it, and what the rules say.

import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { createDice } from '../fuzz/promise/dice.ts'
import { tries } from '../thorough.ts'
import type { Happened } from '../training/histories.ts'
import { startGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'
import { createTimedFacts, firstFact, type Served, writtenFact } from './timed-facts.ts'

const waves = tries({ all: 4, part: 2 })
const rowsAWave = 150
/** How long each wave is served: rows come true and grow too old in it. */
const servedMs = 3000
const keys = 12

let stores: Stores
let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Awaited<ReturnType<typeof startGateway>>
const dice = createDice(Number(process.env.IN_TIME_SEED ?? 20_261_130))
const facts = createTimedFacts({
  table: 'feature_store.facts',
  views: [
    { name: 'newest', indexKeys: ['key'], ttlSeconds: null, etl: false },
    { name: 'young', indexKeys: ['key'], ttlSeconds: 2, etl: false },
    { name: 'pairs', indexKeys: ['key', 'other'], ttlSeconds: null, etl: false },
    { name: 'byDay', indexKeys: ['key'], ttlSeconds: 86_400, etl: false, isByDay: true },
    { name: 'scripted', indexKeys: ['key'], ttlSeconds: 2, etl: true },
  ],
  dice,
  keys,
  hasInfinity: true,
  spreadMs: servedMs,
})
let rows: Happened[] = [firstFact]

beforeAll(async () => {
  stores = await openStores()
  folder = await createDataFolder('in-time')
  gateway = await startGateway(folder.path, { ...(await stores.create()), ETL_SOURCES: folder.path })
  await gateway.data(`mutation { createTable(name: "facts", columns: [
    { name: "key", type: INT64 } { name: "other", type: STRING } { name: "time", type: TIMESTAMP }
    { name: "made", type: TIMESTAMP } { name: "value", type: INT64 } { name: "name", type: STRING }]) { name } }`)
  await write(rows)
  await facts.makeViews(gateway, folder.path)
}, 180_000)

afterAll(async () => {
  await gateway?.stop()
  await folder?.remove()
  await stores?.stop()
})

async function write(batch: readonly Happened[]) {
  const { ingest } = await gateway.data<{ ingest: { id: string } }>(
    'mutation ($rows: JSON!) { ingest(table: "facts", rows: $rows) { id } }',
    { rows: batch.map(writtenFact) },
  )
  await gateway.services.publishing.wait(ingest.id)
}

async function erase(key: number) {
  const { eraseEntity } = await gateway.data<{ eraseEntity: { id: string } }>(
    'mutation ($value: String!) { eraseEntity(indexKey: "key", indexValue: $value) { id } }',
    { value: String(key) },
  )
  await gateway.services.publishing.wait(eraseEntity.id)
  rows = rows.filter((row) => row.key !== key)
}

test('what is served at a moment is what training later holds for it, while rows come true, grow too old, come late and are erased', {
  timeout: 600_000,
}, async () => {
  let compared = 0
  for (let wave = 0; wave < waves; wave++) {
    const batch = Array.from({ length: rowsAWave }, facts.happen)
    rows = [...rows, ...batch]
    await write(batch)
    if (wave % 2 === 1) await erase(dice.below(keys))
    const served: Served[] = []
    const endMs = Date.now() + servedMs
    while (Date.now() < endMs) {
      served.push(...(await facts.serve(gateway)))
      await pause(20)
    }
    compared += await facts.compareServed(gateway, rows, served)
    compared += await facts.comparePast(gateway, rows)
  }
  expect(compared).toBeGreaterThan(waves * 1000)
})
