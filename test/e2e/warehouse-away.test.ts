// A warehouse's PostgreSQL that goes away while rows come in: every job that was accepted waits for it and writes its rows once.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { execute } from '../warehouse/open-postgres.ts'
import { type Settings, startGateway } from './gateway.ts'

let postgres: PostgresServer
let databases = 0

beforeAll(async () => {
  postgres = await startPostgres()
})

afterAll(() => postgres?.stop())

async function newDatabase(): Promise<string> {
  const name = `away_${databases++}`
  await execute(postgres.url, `CREATE DATABASE ${name}`)
  return postgres.databaseUrl(name)
}

async function start(settings: Settings = {}) {
  const warehouseUrl = await newDatabase()
  const folder = await createDataFolder('warehouse-away')
  onTestFinished(folder.remove)
  const gateway = await startGateway(folder.path, { WAREHOUSE_URL: warehouseUrl, ...settings })
  onTestFinished(gateway.stop)
  return { ...gateway, warehouseUrl }
}

type Gateway = Awaited<ReturnType<typeof start>>

interface Accepted {
  id: string
  users: string[]
}

const rowsOfJob = 50

/** Rows of new users again and again, by several callers; of those that were refused none may be written. */
function keepIngesting(gateway: Gateway) {
  const accepted: Accepted[] = []
  /** Of whose job the callers were told to look whether it is there. */
  const uncertain: Accepted[] = []
  let isOver = false
  async function ingest(caller: number) {
    for (let i = 0; !isOver; i++) {
      const users = Array.from({ length: rowsOfJob }, (_, r) => `u${caller}-${i}-${r}`)
      const { data, errors } = await gateway.graphql(
        'mutation ($rows: JSON!) { ingest(table: "users", rows: $rows) { id } }',
        { rows: users.map((user_id) => ({ user_id, name: 'Ada' })) },
      )
      const job = data?.ingest as { id: string } | undefined
      if (job !== undefined) accepted.push({ id: job.id, users })
      const { jobId } = errors?.[0]?.extensions.details ?? {}
      if (typeof jobId === 'string') uncertain.push({ id: jobId, users })
      await sleep(100)
    }
  }
  const ingesting = Promise.all([0, 1, 2].map(ingest))
  return {
    accepted,
    /** All that was accepted. */
    async end(): Promise<Accepted[]> {
      isOver = true
      await ingesting
      const found = await Promise.all(uncertain.map(({ id }) => jobOf(gateway, id)))
      return [...accepted, ...uncertain.filter((_, i) => found[i] !== null)]
    },
  }
}

interface Job {
  status: string
  done: number
  error: string | null
  waitingFor: string | null
}

async function jobOf(gateway: Gateway, id: string): Promise<Job | null> {
  const document = 'query ($id: ID!) { publishJob(id: $id) { status done error waitingFor } }'
  const { data } = await gateway.graphql(document, { id })
  return (data?.publishJob as Job | undefined) ?? null
}

async function expectAllWritten({ warehouseUrl, ...gateway }: Gateway, accepted: readonly Accepted[]) {
  for (const { id } of accepted) {
    await expect
      .poll(async () => (await jobOf({ ...gateway, warehouseUrl }, id)) ?? {}, { timeout: 90_000 })
      .toMatchObject({ status: 'SUCCEEDED', done: rowsOfJob, error: null, waitingFor: null })
  }
  const written = await execute(warehouseUrl, 'SELECT user_id FROM feature_store.users ORDER BY 1')
  const expected = accepted.flatMap(({ users }) => users).sort()
  expect(written.map(({ user_id }) => String(user_id)).sort()).toEqual(expected)
}

interface Blow {
  name: string
  strike(): Promise<void>
  heal(): Promise<void>
  awayMs: number
}

const blows: readonly Blow[] = [
  { name: 'restarted at once', strike: () => postgres.restart(), heal: async () => {}, awayMs: 0 },
  {
    name: 'killed, and back after 4 s',
    strike: () => postgres.kill(),
    heal: () => postgres.restart(),
    awayMs: 4000,
  },
  {
    name: 'killed, and back after 20 s',
    strike: () => postgres.kill(),
    heal: () => postgres.restart(),
    awayMs: 20_000,
  },
  { name: 'frozen for 16 s', strike: () => postgres.pause(), heal: () => postgres.resume(), awayMs: 16_000 },
]

for (const { name, strike, heal, awayMs } of blows) {
  test(`${name}: every accepted job succeeds, and its rows are there once`, async () => {
    const gateway = await start()
    const ingesting = keepIngesting(gateway)
    await expect.poll(() => ingesting.accepted.length).toBeGreaterThan(10)
    await strike()
    await sleep(awayMs)
    await heal()
    const before = ingesting.accepted.length
    await expect.poll(() => ingesting.accepted.length).toBeGreaterThan(before + 10)
    const accepted = await ingesting.end()
    console.info(`${name}: ${accepted.length} jobs accepted`)
    await expectAllWritten(gateway, accepted)
  })
}

test('with the catalog on the same server as well, every accepted job succeeds', async () => {
  const gateway = await start({ CATALOG_URL: await newDatabase() })
  const ingesting = keepIngesting(gateway)
  await expect.poll(() => ingesting.accepted.length).toBeGreaterThan(10)
  for (let round = 0; round < 3; round++) {
    await postgres.kill()
    await sleep(1500)
    await postgres.restart()
    const before = ingesting.accepted.length
    await expect.poll(() => ingesting.accepted.length).toBeGreaterThan(before + 5)
  }
  await expectAllWritten(gateway, await ingesting.end())
})

test('a job that waits says why, and is gone on with by the next gateway', async () => {
  const folder = await createDataFolder('warehouse-away')
  onTestFinished(folder.remove)
  const WAREHOUSE_URL = await newDatabase()
  const catalogServer = await startPostgres()
  onTestFinished(catalogServer.stop)
  const settings = { WAREHOUSE_URL, CATALOG_URL: catalogServer.url }
  const first = { ...(await startGateway(folder.path, settings)), warehouseUrl: WAREHOUSE_URL }
  const { publish } = await first.data<{ publish: { id: string } }>(
    'mutation { publish(nFlows: 40000) { id } }',
  )
  await expect.poll(async () => (await jobOf(first, publish.id))?.done, { interval: 20 }).toBeGreaterThan(0)
  await postgres.kill()
  await expect
    .poll(async () => (await jobOf(first, publish.id))?.waitingFor)
    .toMatch(/^PostgreSQL cannot be reached: /)
  await first.stop()
  expect(await execute(catalogServer.url, 'SELECT status, owner FROM "PublishJob"')).toEqual([
    { status: 'RUNNING', owner: null },
  ])
  await postgres.restart()
  const second = { ...(await startGateway(folder.path, settings)), warehouseUrl: WAREHOUSE_URL }
  onTestFinished(second.stop)
  await expect
    .poll(() => jobOf(second, publish.id), { timeout: 60_000 })
    .toMatchObject({ status: 'SUCCEEDED', done: 40_000 })
  expect(
    await execute(
      WAREHOUSE_URL,
      'SELECT count(*)::int AS n, count(DISTINCT quote_id)::int AS d FROM feature_store.quotes',
    ),
  ).toEqual([{ n: 40_000, d: 40_000 }])
})
