// Backups of what is embedded: made while the gateway works, put back elsewhere, and never taken for whole when they are not.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { publishAndFollow, train } from '../../../examples/client/features.ts'
import { dataPaths, parseConfig } from '../../../src/config/config.ts'
import { makeBackup } from '../../../src/operations/backup/backup.ts'
import { restoreBackup } from '../../../src/operations/backup/restore.ts'
import { createDataFolder } from '../../data-folder.ts'
import { type Settings, startGateway } from '../../e2e/gateway.ts'
import { createFolder } from '../../servers/child.ts'
import { startRedis } from '../../servers/redis.ts'

type Gateway = Awaited<ReturnType<typeof startGateway>>

const counts = `SELECT (SELECT count(*) FROM feature_store.quotes) AS quotes, (SELECT count(DISTINCT quote_id) FROM feature_store.quotes) AS distinct_quotes`
const patience = { timeout: 60_000, interval: 50 }
let backups: Awaited<ReturnType<typeof createFolder>>
const ending: (() => Promise<unknown>)[] = []
let number = 0

beforeAll(async () => {
  backups = await createFolder('backups')
})

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

afterAll(() => backups.remove())

const newTarget = () => join(backups.path, `${number++}`)

const configOf = (dataDir: string, settings: Settings = {}) => parseConfig({ DATA_DIR: dataDir, ...settings })

async function newFolder(isEmpty = false) {
  const folder = isEmpty ? await createFolder('restored') : await createDataFolder('backup')
  ending.push(folder.remove)
  return folder.path
}

async function start(dataDir: string, settings: Settings = {}) {
  const gateway = await startGateway(dataDir, settings)
  ending.push(gateway.stop)
  return gateway
}

async function prepare(gateway: Gateway) {
  await publishAndFollow(gateway.typed, { nFlows: 200, seed: 3 }, () => {})
  const { query, dataset } = await train(gateway.typed, 'SELECT * FROM feature_store.users', 'users')
  const users = dataset.rows.map((row) => String(row.user_id))
  const queryId = query?.id ?? ''
  const { createFeatureView } = await gateway.data<{ createFeatureView: { id: string } }>(
    `mutation { createFeatureView(name: "users", queryId: "${queryId}", indexKey: "user_id") { id } }`,
  )
  return { queryId, users, datasetId: dataset.id, viewId: createFeatureView.id }
}

/** What every restored gateway has to answer as the one that was backed up. */
async function answersOf(
  gateway: Gateway,
  { queryId, users, datasetId, viewId }: Awaited<ReturnType<typeof prepare>>,
) {
  const looked = await gateway.lookUp(queryId, 'user_id', users)
  const download = await fetch(`${gateway.url}/datasets/${datasetId}.ndjson`)
  const { parity } = await gateway.data<{ parity: Record<string, number> }>(
    `{ parity(featureViewId: "${viewId}") { mismatched missing extra } }`,
  )
  return { rows: looked.map(({ rows }) => rows), download: await download.text(), parity }
}

test('made while jobs run, it is of one moment: restored, the jobs go on, and training equals realtime', async () => {
  const dataDir = await newFolder()
  const gateway = await start(dataDir)
  const known = await prepare(gateway)
  const { publish } = await gateway.data<{ publish: { id: string } }>(
    'mutation { publish(nFlows: 6000, seed: 4) { id } }',
  )
  const done = async (of: Gateway) =>
    (await of.services.publishing.progress(publish.id)[Symbol.asyncIterator]().next()).value
  await vi.waitFor(async () => expect((await done(gateway))?.done).toBeGreaterThan(0), patience)
  const target = newTarget()
  const manifest = await makeBackup(configOf(dataDir), target)
  expect(manifest.files.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['warehouse.duckdb', `datasets/${known.datasetId}.parquet`]),
  )
  expect(await gateway.services.publishing.wait(publish.id)).toMatchObject({ status: 'SUCCEEDED' })
  const before = await answersOf(gateway, known)

  const elsewhere = await newFolder(true)
  await restoreBackup(configOf(elsewhere), target)
  const restored = await start(elsewhere)
  expect(await restored.services.publishing.wait(publish.id)).toMatchObject({
    status: 'SUCCEEDED',
    done: 6000,
  })
  const { dataset } = await train(restored.typed, counts, 'counts')
  expect(dataset.rows).toEqual([{ quotes: 6200, distinct_quotes: 6200 }])
  const after = await answersOf(restored, known)
  expect(after).toEqual(before)
  expect(after.parity).toEqual({ mismatched: 0, missing: 0, extra: 0 })
})

test('of a stopped gateway it is as good; with an online store of a later time, nothing later is served', async () => {
  const redis = await startRedis()
  ending.push(redis.stop)
  const settings = { ONLINE_URL: redis.url }
  const dataDir = await newFolder()
  const gateway = await startGateway(dataDir, settings)
  const known = await prepare(gateway)
  const before = await answersOf(gateway, known)
  await gateway.stop()
  const target = newTarget()
  await makeBackup(configOf(dataDir, settings), target)

  const later = await startGateway(dataDir, settings)
  const user = known.users[0] ?? ''
  const job = await later.services.publishing.ingest({
    table: 'users',
    rows: [{ user_id: user, name: 'after the backup' }],
  })
  await later.services.publishing.wait(job.id)
  expect(await later.lookUp(known.queryId, 'user_id', [user])).toMatchObject([
    { source: 'ONLINE', rows: [{}, {}] },
  ])
  await later.stop()

  const elsewhere = await newFolder(true)
  await restoreBackup(configOf(elsewhere, settings), target)
  const restored = await start(elsewhere, settings)
  expect(await answersOf(restored, known)).toEqual(before)
})

describe('what is no whole backup', () => {
  test('a killed one leaves nothing under its name, and what it leaves is not restored', async () => {
    const dataDir = await newFolder()
    await writeFile(join(dataDir, 'warehouse.duckdb'), Buffer.alloc(64 * 1024 * 1024, 1))
    const target = newTarget()
    const env = { PATH: process.env.PATH ?? '', DATA_DIR: dataDir }
    const child = spawn(process.execPath, ['src/operations/backup/main.ts', 'backup', target], {
      env,
      stdio: 'ignore',
    })
    const exited = once(child, 'exit')
    const partial = await vi.waitFor(
      async () => {
        const found = (await readdir(backups.path)).find((name) => name.includes('.partial-'))
        if (found === undefined) throw new Error('It has not begun')
        return found
      },
      { ...patience, interval: 1 },
    )
    child.kill('SIGKILL')
    await exited
    expect(await readdir(backups.path)).not.toContain(target.split('/').at(-1))
    const elsewhere = await newFolder(true)
    await expect(restoreBackup(configOf(elsewhere), join(backups.path, partial))).rejects.toThrow('cut short')
    expect(await readdir(elsewhere)).toEqual([])
  })

  test('one that was changed, or lacks a file, is refused with the file’s name', async () => {
    const dataDir = await newFolder()
    await (await startGateway(dataDir)).stop()
    const elsewhere = await newFolder(true)
    const target = newTarget()
    await makeBackup(configOf(dataDir), target)
    await expect(makeBackup(configOf(dataDir), target)).rejects.toThrow('there already')
    await appendFile(join(target, 'warehouse.duckdb'), 'x')
    await expect(restoreBackup(configOf(elsewhere), target)).rejects.toThrow(
      /warehouse\.duckdb.*not as it was written/,
    )
    await rm(join(target, 'warehouse.duckdb'))
    await expect(restoreBackup(configOf(elsewhere), target)).rejects.toThrow(
      /lacks the file warehouse\.duckdb/,
    )
  })

  test('a restore that was cut short keeps the gateway from starting, until it is done again', async () => {
    const dataDir = await newFolder()
    await (await startGateway(dataDir)).stop()
    const target = newTarget()
    await makeBackup(configOf(dataDir), target)
    await expect(restoreBackup(configOf(dataDir), target)).rejects.toThrow('there already')
    const elsewhere = await newFolder(true)
    await restoreBackup(configOf(elsewhere), target)
    await writeFile(dataPaths(elsewhere).restoring, 'as a kill in the middle leaves it')
    await expect(startGateway(elsewhere)).rejects.toThrow('npm run restore')
    await restoreBackup(configOf(elsewhere), target)
    await start(elsewhere)
  })

  test('where nothing is embedded, it says what to do instead', async () => {
    const settings = { CATALOG_URL: 'postgres://x/y', WAREHOUSE_URL: 'postgres://x/z' }
    await expect(makeBackup(configOf(await newFolder(), settings), newTarget())).rejects.toThrow('pg_dump')
  })
})
