// An entity taken away: from every table and from online, whatever is under way meanwhile and wherever it is killed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { erasureResult } from '../../src/publish/erasure.ts'
import { createDataFolder } from '../data-folder.ts'
import { testLog } from '../parts.ts'
import { tries } from '../thorough.ts'
import { ingest, makeTables, rowsOf, serve, tables } from './erased-entities.ts'
import { type Gateway, type GatewayOptions, openGateway } from './gateway.ts'

const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

async function newFolder(): Promise<string> {
  const folder = await createDataFolder('erasure')
  opened.push(folder.remove)
  return folder.path
}

async function open(options: Omit<GatewayOptions, 'log'>): Promise<Gateway> {
  const gateway = await openGateway({ ...options, log: testLog() })
  opened.push(gateway.close)
  await gateway.publishing.start()
  return gateway
}

async function erase({ publishing, realtime }: Gateway, indexValue: string, indexKey = 'user_id') {
  const { id } = await publishing.eraseEntity({ indexKey, indexValue })
  const job = await publishing.wait(id)
  await realtime.idle()
  expect(job).toMatchObject({ status: 'SUCCEEDED', error: null, payload: null })
  return erasureResult.parse(job.erasure)
}

type Served = Awaited<ReturnType<typeof serve>>

/** Every view serves what training sees, and nothing of the entity is online by its own key. */
async function expectGone({ realtime, online }: Gateway, served: Served, user: string) {
  for (const { id, name, key } of served) {
    const { mismatched, missing, extra } = await realtime.parity(id, 1000)
    expect([name, mismatched, missing, extra]).toEqual([name, 0, 0, 0])
    if (key !== 'user_id') continue
    const [answer] = await online.read([{ view: id, values: [user] }])
    expect([name, answer?.entries[0]?.rows ?? '[]']).toEqual([name, '[]'])
  }
}

async function fill(gateway: Gateway) {
  await makeTables(gateway)
  const users = ['ada', 'bob', 'eve']
  await ingest(
    gateway,
    'orders',
    users.flatMap((user_id, i) => [1, 2].map((shop) => ({ user_id, shop, total: i }))),
  )
  await ingest(
    gateway,
    'clicks',
    users.map((user_id, i) => ({ user_id, page: `page ${i}` })),
  )
  await ingest(
    gateway,
    'visits',
    users.map((user_id) => ({ user_id, page: 'home' })),
  )
}

test('an entity goes from every table and from online; what keeps it and what holds it is told', async () => {
  const folder = await newFolder()
  const file = join(folder, 'newsletter.csv')
  await writeFile(file, 'user_id,mail\nada,a@example.org\nbob,b@example.org\n')
  const gateway = await open({ folder, files: [file] })
  await fill(gateway)
  const served = await serve(gateway)
  const datasetOf = async (sql: string) =>
    (await gateway.training.queryTrain({ sql, name: 'held', save: false, waitMs: 60_000 })).dataset.id
  const holding = await datasetOf('SELECT * FROM feature_store.orders')
  await datasetOf("SELECT * FROM feature_store.orders WHERE user_id <> 'ada'")
  await datasetOf("SELECT 'ada' AS name")

  expect(await erase(gateway, 'ada')).toEqual({
    indexKey: 'user_id',
    tables: [
      { name: 'clicks', rows: 1 },
      { name: 'orders', rows: 2 },
      { name: 'visits', rows: 1 },
      ...['policies', 'quotes', 'transactions', 'users'].map((name) => ({ name, rows: 0 })),
    ].sort((a, b) => (a.name < b.name ? -1 : 1)),
    kept: [{ name: 'files.newsletter', rows: 1, reason: 'it is a file' }],
    datasetIds: [holding],
  })
  for (const table of tables) {
    const rows = await rowsOf(gateway, table)
    expect(rows.filter((row) => row.includes('ada'))).toEqual([])
    expect(rows.length).toBe(table === 'orders' ? 4 : 2)
  }
  await expectGone(gateway, served, 'ada')
})

test('a refresh that began before cannot bring it back', async () => {
  const gateway = await open({ folder: await newFolder() })
  await fill(gateway)
  const served = await serve(gateway)
  const own = served.filter(({ key }) => key === 'user_id')
  const before = await gateway.online.read(own.map(({ id }) => ({ view: id, values: ['ada'] })))
  await erase(gateway, 'ada')
  for (const [i, { id, name }] of own.entries()) {
    const entry = before[i]?.entries[0]
    expect([name, entry?.rows.length ?? 0]).not.toEqual([name, 0])
    const late = {
      value: 'ada',
      rows: String(entry?.rows),
      version: entry?.version ?? 0,
      computedAtMs: Date.now(),
      expiresInMs: null,
    }
    expect([name, await gateway.online.write(id, [late])]).toEqual([name, [false]])
  }
  await expectGone(gateway, served, 'ada')
})

test('an answer that is lost is asked for again, and its count is known all the same', async () => {
  let losses = 2
  const gateway = await open({
    folder: await newFolder(),
    wrapWarehouse: (warehouse) => ({
      ...warehouse,
      async erase(request) {
        const result = await warehouse.erase(request)
        if (losses-- > 0) throw new AppError('WAREHOUSE_FAILED', 'The answer was lost')
        return result
      },
    }),
  })
  await fill(gateway)
  const served = await serve(gateway)
  const { tables: erased } = await erase(gateway, 'bob')
  expect(erased.filter(({ rows }) => rows > 0)).toEqual([
    { name: 'clicks', rows: 1 },
    { name: 'orders', rows: 2 },
    { name: 'visits', rows: 1 },
  ])
  expect(losses).toBeLessThanOrEqual(0)
  await expectGone(gateway, served, 'bob')
})

test('a table that the engine refuses is tried after the others, and told when it stays', async () => {
  let refusals = 0
  const gateway = await open({
    folder: await newFolder(),
    wrapWarehouse: (warehouse) => ({
      ...warehouse,
      async erase(request) {
        const isEarly = request.table === 'clicks' && refusals++ === 0
        if (isEarly || request.table === 'visits')
          throw new AppError('BAD_USER_INPUT', 'Others refer to these rows')
        return warehouse.erase(request)
      },
    }),
  })
  await fill(gateway)
  const { tables: erased, kept } = await erase(gateway, 'eve')
  expect(erased.filter(({ rows }) => rows > 0).map(({ name }) => name)).toEqual(['clicks', 'orders'])
  expect(kept).toEqual([{ name: 'feature_store.visits', rows: 1, reason: 'Others refer to these rows' }])
})

test('what no table has is refused at once', async () => {
  const gateway = await open({ folder: await newFolder() })
  await fill(gateway)
  const refusal = (indexKey: string, indexValue: string) =>
    gateway.publishing.eraseEntity({ indexKey, indexValue }).then(
      () => null,
      ({ code, message }: AppError) => `${code}: ${message}`,
    )
  expect(await refusal('nobody_id', 'x')).toMatch(/^BAD_USER_INPUT: No table has the column nobody_id/)
  expect(await refusal('shop', 'x')).toMatch(/^BAD_USER_INPUT: .*orders.*integer/)
  expect(await refusal('["user_id","shop"]', 'x')).toMatch(/^BAD_USER_INPUT: .*JSON array/)
  expect((await erase(gateway, '["ada","2"]', '["user_id","shop"]')).tables).toEqual([
    { name: 'orders', rows: 1 },
  ])
  expect(await rowsOf(gateway, 'orders')).toHaveLength(5)
})

const seeds = [1, 2, 3].slice(0, tries({ all: 3, part: 2 }))

test.each(seeds)('killed anywhere, and again, it comes to its end (%i)', async (seed) => {
  const folder = await newFolder()
  const first = await open({ folder })
  await fill(first)
  await serve(first)
  for (const close of opened.splice(1).reverse()) await close()
  let kills = 0
  while (kills < 3) {
    const ended = await runUntilKilled({ folder, user: 'ada' }, kills * 2 + seed)
    if (ended) break
    kills++
  }
  while (!(await runUntilKilled({ folder, user: 'ada' }, null)));
  const gateway = await open({ folder })
  const job = await gateway.catalog.prisma.publishJob.findFirst({ where: { kind: 'ERASURE' } })
  expect(job).toMatchObject({ status: 'SUCCEEDED', payload: null })
  const result = erasureResult.parse(job?.erasure)
  expect(result.kept).toEqual([])
  expect(result.tables.reduce((sum, { rows }) => sum + rows, 0)).toBe(4)
  const served = (await gateway.catalog.featureViews.all()).map((view) => ({ ...view, key: view.indexKey }))
  await gateway.realtime.idle()
  await expectGone(gateway, served as Served, 'ada')
})

/** Kills the process once it has told so many steps; true when it has come to its end before. */
async function runUntilKilled(
  orders: { folder: string; user: string },
  steps: number | null,
): Promise<boolean> {
  const script = join(import.meta.dirname, 'eraser.process.ts')
  const child = spawn(process.execPath, [script, JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const complaints: string[] = []
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk.toString()))
  const exited = once(child, 'exit')
  let told = 0
  for await (const _ of createInterface({ input: child.stdout })) if (++told === steps) child.kill('SIGKILL')
  const [code, signal] = await exited
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`The process failed: ${complaints.join('')}`)
  return code === 0
}
