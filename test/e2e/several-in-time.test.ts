// The promise in time by several gateways on one PostgreSQL and one Redis, whose clocks differ: both write and serve, one is killed, the online store loses all.

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDice } from '../fuzz/promise/dice.ts'
import { createFolder } from '../servers/child.ts'
import { tries } from '../thorough.ts'
import type { Happened } from '../training/histories.ts'
import { spawnGateway } from './gateway.ts'
import { openServers } from './stores.ts'
import { createTimedFacts, firstFact, type Served, writtenFact } from './timed-facts.ts'

type Gateway = Awaited<ReturnType<typeof spawnGateway>>
type Name = 'ahead' | 'behind'

const waves = tries({ all: 9, part: 2 })
const rowsABatch = 40
/** How long each wave is served once all is written. */
const servedMs = 2500
const shiftMs = { ahead: 1000, behind: -1000 }

const dice = createDice(Number(process.env.IN_TIME_SEED ?? 20_261_201))
const facts = createTimedFacts({
  table: 'feature_store.facts',
  views: [
    { name: 'newest', indexKeys: ['key'], ttlSeconds: null, etl: false },
    { name: 'young', indexKeys: ['key'], ttlSeconds: 2, etl: false },
    { name: 'pairs', indexKeys: ['key', 'other'], ttlSeconds: null, etl: false },
    { name: 'whole', indexKeys: ['key'], ttlSeconds: 3, etl: false, more: 'refresh: FULL' },
    { name: 'scripted', indexKeys: ['key'], ttlSeconds: 2, etl: true },
  ],
  dice,
  keys: 12,
  hasInfinity: true,
  spreadMs: servedMs + 1500,
})

interface Batch {
  rows: Happened[]
  hasEnded: boolean
}

let stores: Awaited<ReturnType<typeof openServers>>
let folder: Awaited<ReturnType<typeof createFolder>>
let redis: Redis
let settings: Record<string, string>
const gateways = new Map<Name, Gateway>()
const batches: Batch[] = [{ rows: [firstFact], hasEnded: true }]

async function start(name: Name) {
  const clock = pathToFileURL(join(import.meta.dirname, 'shifted-clock.ts')).href
  const gateway = await spawnGateway(join(folder.path, name), {
    ...settings,
    NODE_OPTIONS: `--import=${clock}`,
    CLOCK_SHIFT_MS: String(shiftMs[name]),
  })
  gateways.set(name, gateway)
}

function running(name?: Name): Gateway {
  const found = name === undefined ? dice.pick([...gateways.values()]) : gateways.get(name)
  return found ?? expect.fail('no gateway runs')
}

beforeAll(async () => {
  stores = await openServers()
  folder = await createFolder('several-in-time')
  const made = await stores.create()
  settings = {
    ...made,
    LOOKUP_TIMEOUT_MS: '60000',
    DATASETS_DIR: join(folder.path, 'datasets'),
    ETL_SOURCES: folder.path,
  }
  redis = new Redis(made.ONLINE_URL)
  await start('ahead')
  await start('behind')
  await running('ahead').data(`mutation { createTable(name: "facts", columns: [
    { name: "key", type: INT64 } { name: "other", type: STRING } { name: "time", type: TIMESTAMP }
    { name: "made", type: TIMESTAMP } { name: "value", type: INT64 } { name: "name", type: STRING }]) { name } }`)
  await ingest(running('behind'), [firstFact], randomUUID())
  await facts.makeViews(running('ahead'), folder.path)
}, 180_000)

afterAll(async () => {
  redis?.disconnect()
  await Promise.all([...gateways.values()].map((gateway) => gateway.kill()))
  await stores?.stop()
  await folder?.remove()
})

/** Resolves once its job has ended, whichever gateway does it. */
async function ingest(gateway: Gateway, rows: readonly Happened[], idempotencyKey: string) {
  const { ingest: job } = await gateway.data<{ ingest: { id: string } }>(
    'mutation ($rows: JSON!, $idempotencyKey: String) { ingest(table: "facts", rows: $rows, idempotencyKey: $idempotencyKey) { id } }',
    { rows: rows.map(writtenFact), idempotencyKey },
  )
  let status = ''
  for await (const { publishProgress } of gateway.follow<{ publishProgress: { status: string } }>(
    'subscription ($id: ID!) { publishProgress(jobId: $id) { status } }',
    { id: job.id },
  ))
    status = publishProgress.status
  expect(status).toBe('SUCCEEDED')
}

/** Through a gateway that may be killed meanwhile: what it was asked is asked of the other then. */
async function write(by: Name) {
  const batch: Batch = { rows: Array.from({ length: rowsABatch }, facts.happen), hasEnded: false }
  batches.push(batch)
  const key = randomUUID()
  const gateway = running(by)
  const ended = await ingest(gateway, batch.rows, key).then(
    () => true,
    (error: unknown) => {
      if (gateways.get(by) === gateway) throw error
      return false
    },
  )
  if (!ended) await ingest(running(), batch.rows, key)
  batch.hasEnded = true
}

/** With what may have been in the table then: what had ended when it was asked, and any of what had begun when it was answered. */
async function serveMeanwhile(): Promise<number> {
  const gateway = running()
  const isSure = batches.map(({ hasEnded }) => hasEnded)
  const served = await facts.serve(gateway).catch((error: unknown) => {
    if ([...gateways.values()].includes(gateway)) throw error
    return []
  })
  const unsure = batches.filter((_, i) => !isSure[i])
  const sure = batches.filter((_, i) => isSure[i]).flatMap(({ rows }) => rows)
  const parts = facts.partsOf(served)
  for (const part of parts) {
    const isPossible = subsetsOf(unsure).some((some) =>
      facts.isServed([...sure, ...some.flatMap(({ rows }) => rows)], part),
    )
    expect(isPossible, facts.describe(part)).toBe(true)
  }
  return parts.length
}

function subsetsOf<T>(items: readonly T[]): T[][] {
  const [first, ...rest] = items
  if (first === undefined) return [[]]
  const without = subsetsOf(rest)
  return [...without, ...without.map((own) => [first, ...own])]
}

async function kill(name: Name) {
  const gateway = running(name)
  gateways.delete(name)
  await gateway.kill()
}

/** What goes wrong in a wave, beside the writing. */
const disturbances: readonly (() => Promise<unknown>)[] = [
  async () => {
    await kill('ahead')
    await redis.flushall()
    await start('ahead')
  },
  () => redis.flushall(),
  async () => {
    await kill('behind')
    await start('behind')
  },
]

test('two gateways whose clocks are two seconds apart serve at each moment that they tell what training holds for it', {
  timeout: 900_000,
}, async () => {
  let [meanwhile, compared] = [0, 0]
  for (let wave = 0; wave < waves; wave++) {
    const writing = Promise.all([
      write('ahead'),
      write('behind'),
      disturbances[wave % disturbances.length]?.(),
    ])
    let isWriting = true
    const written = writing.finally(() => {
      isWriting = false
    })
    written.catch(() => undefined)
    while (isWriting) meanwhile += await serveMeanwhile()
    await written

    const served: Served[] = []
    for (const endMs = Date.now() + servedMs; Date.now() < endMs; )
      for (const gateway of gateways.values()) served.push(...(await facts.serve(gateway)))
    const rows = batches.flatMap((batch) => batch.rows)
    compared += await facts.compareServed(running(), rows, served)
    compared += await facts.comparePast(running(), rows)
  }
  console.info(`${meanwhile} answers while others wrote, ${compared} comparisons`)
  expect(meanwhile).toBeGreaterThan(waves * 50)
  expect(compared).toBeGreaterThan(waves * 1000)
})
