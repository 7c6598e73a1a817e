// The promise in time, end to end: what was served at a moment is what a training set made later holds for it, and what the rules say.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatMicros, parseMicros } from '../../src/values/calendar.ts'
import { createDataFolder } from '../data-folder.ts'
import { createDice, type Dice } from '../fuzz/promise/dice.ts'
import { tries } from '../thorough.ts'
import type { Asked, Happened, History } from '../training/histories.ts'
import { featuresAsOf } from '../training/plain-reference.ts'
import { startGateway } from './gateway.ts'
import { openStores, type Stores } from './stores.ts'

const waves = tries({ all: 8, part: 2 })
const rowsAWave = 150
/** How long each wave is served: rows come true and grow too old in it. */
const servedMs = 3000
const keys = 12
const others = ['x', '1', '23'] as const

const views = [
  { name: 'newest', indexKeys: ['key'], ttlSeconds: null, etl: false },
  { name: 'young', indexKeys: ['key'], ttlSeconds: 2, etl: false },
  { name: 'pairs', indexKeys: ['key', 'other'], ttlSeconds: null, etl: false },
  { name: 'scripted', indexKeys: ['key'], ttlSeconds: 2, etl: true },
] as const
type ViewOf = (typeof views)[number]

const references = views.map(({ name }) => ({ view: name, prefix: `${name}_`, features: ['value', 'name'] }))

interface Part {
  view: string
  status: string
  asOf: string | null
  eventTime: string | null
  error: { message: string } | null
}
interface Vector {
  features: Record<string, unknown>
  views: Part[]
  error: { message: string } | null
}
interface Served {
  asked: Asked
  vector: Vector
}

let stores: Stores
let folder: Awaited<ReturnType<typeof createDataFolder>>
let gateway: Awaited<ReturnType<typeof startGateway>>
const dice = createDice(Number(process.env.IN_TIME_SEED ?? 20_261_130))
let rows: Happened[] = []
let compared = 0

beforeAll(async () => {
  stores = await openStores()
  folder = await createDataFolder('in-time')
  gateway = await startGateway(folder.path, { ...(await stores.create()), ETL_SOURCES: folder.path })
  await gateway.data(`mutation { createTable(name: "facts", columns: [
    { name: "key", type: INT64 } { name: "other", type: STRING } { name: "time", type: TIMESTAMP }
    { name: "made", type: TIMESTAMP } { name: "value", type: INT64 } { name: "name", type: STRING }]) { name } }`)
  // That an ETL's columns have nulls is seen from the first row on.
  rows = [{ key: 0, other: null, time: null, made: null, value: null, name: null }]
  await write(rows)
  await makeViews()
}, 180_000)

afterAll(async () => {
  await gateway?.stop()
  await folder?.remove()
  await stores?.stop()
})

async function makeViews() {
  const { queryTrain } = await gateway.data<{ queryTrain: { query: { id: string } } }>(
    'mutation { queryTrain(query: "SELECT key, other, time, made, value, name FROM feature_store.facts", queryName: "facts") { query { id } } }',
    {},
  )
  const queryId = queryTrain.query.id
  const path = join(folder.path, 'same.ts')
  await writeFile(
    path,
    `export const columns = { key: 'INT64', time: 'TIMESTAMP', made: 'TIMESTAMP', value: 'INT64' }
export function transform(row) { return { ...row } }`,
  )
  const { extractTrain } = await gateway.data<{ extractTrain: { etl: { id: string } } }>(
    'mutation ($queryId: ID!, $etlPath: String!) { extractTrain(queryId: $queryId, etlPath: $etlPath) { etl { id } } }',
    { queryId, etlPath: `file:${path}` },
  )
  for (const { name, indexKeys, ttlSeconds, etl } of views) {
    // A target has one view: each has a query of its own.
    const own = await gateway.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($query: String!, $name: String!) { queryTrain(query: $query, queryName: $name) { query { id } } }',
      { query: `SELECT key, other, time, made, value, name FROM feature_store.facts -- ${name}`, name },
    )
    await gateway.data(
      `mutation ($name: String!, $queryId: ID!, $etlId: ID, $indexKeys: [String!], $eventTtlSeconds: Int) { createFeatureView(
        name: $name, queryId: $queryId, etlId: $etlId, indexKeys: $indexKeys, timestampColumn: "time", createdColumn: "made", eventTtlSeconds: $eventTtlSeconds) { id } }`,
      {
        name,
        queryId: etl ? queryId : own.queryTrain.query.id,
        etlId: etl ? extractTrain.etl.id : null,
        indexKeys,
        eventTtlSeconds: ttlSeconds,
      },
    )
  }
}

async function write(batch: readonly Happened[]) {
  const { ingest } = await gateway.data<{ ingest: { id: string } }>(
    'mutation ($rows: JSON!) { ingest(table: "facts", rows: $rows) { id } }',
    { rows: batch.map((row) => ({ ...row, time: text(row.time), made: text(row.made) })) },
  )
  await gateway.services.publishing.wait(ingest.id)
}

const text = (micros: bigint | null) => (micros === null ? null : formatMicros(micros))

/** Around now, on either side, some at the same microsecond; some long ago, some far ahead. */
function happen({ below, pick }: Dice): Happened {
  const now = BigInt(Date.now()) * 1000n
  const edge = pick([0n, 1n, -1n, 999n])
  const times = [
    now - BigInt(below(4000)) * 1000n + edge,
    now + BigInt(below(servedMs)) * 1000n + edge,
    (now / 1_000_000n) * 1_000_000n + BigInt(below(4)) * 1_000_000n,
    BigInt(Date.UTC(1969, 11, 31)) * 1000n + BigInt(below(3)),
    BigInt(Date.UTC(9999, 11, 30)) * 1000n + BigInt(below(3)),
    null,
  ]
  const time = pick([0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5].map((i) => times[i] ?? null))
  return {
    key: below(20) === 0 ? null : below(keys),
    other: below(8) === 0 ? null : pick(others),
    time,
    made: below(4) === 0 ? null : now - BigInt(below(3)) * 1_000_000n,
    value: below(5) === 0 ? null : below(100),
    name: below(5) === 0 ? null : pick(['a', 'B', '~', '\u{1f600}', '\uffee', '']),
  }
}

async function online(
  asked: readonly Pick<Asked, 'key' | 'other'>[],
  asOf: bigint | null,
): Promise<Vector[]> {
  const { onlineFeatures } = await gateway.data<{ onlineFeatures: Vector[] }>(
    `query ($features: [FeatureRefInput!], $entities: [JSON!]!, $asOf: DateTime) { onlineFeatures(features: $features, entities: $entities, asOf: $asOf) {
      features views { view status asOf eventTime error { message } } error { message } } }`,
    {
      features: references,
      entities: asked.map(({ key, other }) => ({ key, other })),
      asOf: text(asOf),
    },
  )
  return onlineFeatures
}

async function train(spine: readonly Asked[]): Promise<Record<string, unknown>[]> {
  const { createTrainingSet } = await gateway.data<{
    createTrainingSet: { dataset: { downloads: { ndjson: string } } }
  }>(
    `mutation ($rows: JSON!, $features: [FeatureRefInput!]) { createTrainingSet(spine: { rows: $rows }, features: $features, timestampColumn: "at") {
      dataset { downloads { ndjson } } } }`,
    {
      rows: spine.map(({ key, other, time }, nr) => ({ nr, key, other, at: text(time) })),
      features: references,
    },
  )
  const answer = await fetch(createTrainingSet.dataset.downloads.ndjson)
  return (await answer.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

function askAnyone({ below, pick }: Dice): Asked {
  return { key: below(keys + 1), other: pick(others), time: null, label: '' }
}

const historyOf = ({ indexKeys, ttlSeconds }: ViewOf): History => ({
  rows,
  spine: [],
  isComposite: indexKeys.length === 2,
  hasCreated: true,
  ttlSeconds,
  knownAsOf: false,
})

/** By the rules alone. */
function expected(view: ViewOf, asked: Asked) {
  const found = featuresAsOf(historyOf(view), asked, view.ttlSeconds)
  return { value: found?.value ?? null, name: found?.name ?? null, time: found?.time ?? null }
}

const momentOf = (iso: string | null) => parseMicros(iso ?? '')

function pick(features: Record<string, unknown>, { name }: ViewOf) {
  return { value: features[`${name}_value`], name: features[`${name}_name`] }
}

/** Each part at the moment that it tells. */
async function compareServed(served: readonly Served[]) {
  const parts = served.flatMap(({ asked, vector }) =>
    views.map((view, i) => {
      const part = vector.views[i]
      expect(vector.error ?? part?.error ?? null, JSON.stringify({ asked, vector }, stringOfBig)).toBeNull()
      return { view, part, vector, asked: { ...asked, time: momentOf(part?.asOf ?? null) } }
    }),
  )
  const trained = await train(parts.map(({ asked }) => asked))
  for (const [i, { view, part, vector, asked }] of parts.entries()) {
    const told = JSON.stringify({ view: view.name, asked, part }, stringOfBig)
    const { time, ...rule } = expected(view, asked)
    expect(pick(vector.features, view), told).toEqual(rule)
    expect(pick(trained[i] ?? {}, view), told).toEqual(rule)
    expect(part?.eventTime == null ? null : momentOf(part.eventTime), told).toBe(
      part?.status === 'EXPIRED' ? momentOf(part.eventTime) : time,
    )
    expect(part?.status, told).toMatch(time === null ? /^(NOT_FOUND|EXPIRED)$/ : /^FRESH$/)
    compared += 2
  }
}

const stringOfBig = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

/** Of any moment, from history alone. */
async function comparePast() {
  for (let i = 0; i < 5; i++) {
    const time =
      dice.pick(rows.map((row) => row.time).filter((each) => each !== null)) +
      dice.pick([0n, 1n, -1n, 2_000_000n])
    const asked = Array.from({ length: 10 }, () => ({ ...askAnyone(dice), time }))
    for (const [k, { features }] of (await online(asked, time)).entries())
      for (const view of views) {
        const { time: _, ...rule } = expected(view, asked[k] as Asked)
        expect(
          pick(features, view),
          JSON.stringify({ view: view.name, asked: asked[k] }, stringOfBig),
        ).toEqual(rule)
        compared++
      }
  }
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
  for (let wave = 0; wave < waves; wave++) {
    const batch = Array.from({ length: rowsAWave }, () => happen(dice))
    rows = [...rows, ...batch]
    await write(batch)
    if (wave % 2 === 1) await erase(dice.below(keys))
    const served: Served[] = []
    const endMs = Date.now() + servedMs
    while (Date.now() < endMs) {
      const asked = Array.from({ length: 5 }, () => askAnyone(dice))
      const vectors = await online(asked, null)
      served.push(...asked.map((each, i) => ({ asked: each, vector: vectors[i] as Vector })))
      await pause(20)
    }
    await compareServed(served)
    await comparePast()
  }
  expect(compared).toBeGreaterThan(waves * 1000)
})
