// The doctor on set-ups that are really broken: each fault is found, with how to mend it, and told by the exit code.

import { execFile } from 'node:child_process'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishAndFollow, train } from '../../../examples/client/features.ts'
import { migrate, migrationsFolder, readMigrations } from '../../../src/catalog/database/migrate.ts'
import { openPostgres } from '../../../src/catalog/database/postgres.ts'
import { dataPaths } from '../../../src/config/config.ts'
import { quiet } from '../../catalog/place.ts'
import { createDataFolder } from '../../data-folder.ts'
import { type Settings, startGateway } from '../../e2e/gateway.ts'
import { createFolder } from '../../servers/child.ts'
import { type PostgresServer, startPostgres } from '../../servers/postgres.ts'
import { startRedis } from '../../servers/redis.ts'
import { execute } from '../../warehouse/open-postgres.ts'

let folder: Awaited<ReturnType<typeof createDataFolder>>
let postgres: PostgresServer

beforeAll(async () => {
  folder = await createDataFolder('doctor')
  postgres = await startPostgres()
  const gateway = await startGateway(folder.path)
  await publishAndFollow(gateway.typed, { nFlows: 20, seed: 1 }, () => {})
  await gateway.stop()
})

afterAll(async () => {
  await postgres?.stop()
  await folder.remove()
})

/** Runs it as a user does; `prefix` is what comes before it on the shell's line. */
async function examine(settings: Settings, prefix = '') {
  const env = { PATH: process.env.PATH ?? '', DATA_DIR: folder.path, ...settings }
  const command = `${prefix} exec ${JSON.stringify(process.execPath)} src/operations/doctor/main.ts`
  const run = promisify(execFile)('sh', ['-c', command], { env })
  const { stdout, code } = await run.then(
    (ended) => ({ ...ended, code: 0 }),
    (error: { stdout: string; code: number }) => error,
  )
  return { stdout, code }
}

/** A fault, its mending on the next line. */
const found = (sign: '✗' | '!', text: string, mend: string) =>
  expect.stringMatching(new RegExp(`${sign} [^\\n]*${text}[^\\n]*\\n    → [^\\n]*${mend}`))

test('a set-up that is well is told so, with exit code 0', async () => {
  const { stdout, code } = await examine({})
  expect(stdout).toMatch(/its \d+ migrations are applied/)
  expect(stdout).toMatch(/its data is at version [1-9]/)
  expect(stdout).toMatch(/opened and read: \d+ keys/)
  expect(stdout).toMatch(/none runs on this data folder/)
  expect([stdout, code]).toEqual([expect.stringContaining('0 to mend, '), 0])
})

test('beside a running gateway it asks that one: its stores, its views, their parity', async () => {
  const gateway = await startGateway(folder.path)
  const { query } = await train(gateway.typed, 'SELECT * FROM feature_store.users', 'users')
  await gateway.data(
    `mutation { createFeatureView(name: "all users", queryId: "${query?.id}", indexKey: "user_id") { id } }`,
  )
  const odd = await train(gateway.typed, 'SELECT 1 AS user_id, 2 AS "日本", 3 AS n', 'odd')
  await gateway.data(
    `mutation { createFeatureView(name: "odd columns", queryId: "${odd.query?.id}", indexKey: "user_id") { id } }`,
  )
  const { stdout, code } = await examine({})
  await gateway.stop()
  expect(stdout).toEqual(
    found('!', 'feature view odd columns, 日本 is not in the typed schema', 'give the column a name'),
  )
  expect(stdout).toContain(`in use by process ${process.pid}`)
  expect(stdout).toMatch(/the warehouse answers it in \d+ ms/)
  expect(stdout).toMatch(/view all users is current, and equals training for \d+ index values/)
  expect(code).toBe(0)
})

test('faulty settings are all it says, with exit code 1', async () => {
  const { stdout, code } = await examine({ PORT: 'eighty', ONLINE_URL: 'memcached://x' })
  expect(stdout).toMatch(/PORT="eighty".*\n.*ONLINE_URL="memcached:/)
  expect(code).toBe(1)
})

test('a misspelt setting is told, and a reader that has seen enough ends it without a word', async () => {
  const { stdout } = await examine({ WAREHOSE_URL: 'postgres://host/db' })
  expect(stdout).toMatch(/! WAREHOSE_URL is no setting.* is WAREHOUSE_URL meant/)
  const command = `${JSON.stringify(process.execPath)} src/operations/doctor/main.ts | head -1`
  const { stderr } = await promisify(execFile)('sh', ['-c', command], {
    env: { PATH: process.env.PATH ?? '', DATA_DIR: folder.path },
  })
  expect(stderr).toBe('')
})

test('damaged files, and folders that are not there, each with what to do', async () => {
  const damaged = await createFolder('damaged')
  await cp(folder.path, damaged.path, { recursive: true })
  const paths = dataPaths(damaged.path)
  await writeFile(paths.warehouse, Buffer.alloc(100_000, 7))
  await writeFile(join(paths.online, 'data.mdb'), Buffer.alloc(100_000, 7))
  await rm(join(paths.catalog, 'global', 'pg_control'))
  const settings = { DATA_DIR: damaged.path, DATASETS_DIR: '/proc/nowhere/datasets', ETL_SOURCES: '/nowhere' }
  const { stdout, code } = await examine(settings)
  await damaged.remove()
  expect(stdout).toEqual(
    found('✗', '/proc/nowhere/datasets is not there, and cannot be made', 'DATASETS_DIR'),
  )
  expect(stdout).toEqual(found('✗', '/nowhere cannot be read', 'ETL_SOURCES'))
  expect(stdout).toMatch(/Catalog\n {2}✗ .*\n {4}→ put a backup back/)
  expect(stdout).toMatch(/Warehouse\n {2}✗ .*\n {4}→ put a backup back/)
  expect(stdout).toMatch(/Online store\n {2}✗ .*\n {4}→ stop the gateway and remove .*online/)
  expect(code).toBe(1)
})

test('a folder that cannot be written, as on a full disk', async () => {
  const { stdout, code } = await examine({}, `trap '' XFSZ; ulimit -f 0;`)
  expect(stdout).toEqual(found('✗', `${folder.path} cannot be written`, 'make room'))
  expect(code).toBe(1)
})

test('a Redis that may evict what must stay, and keeps nothing over a crash', async () => {
  const redis = await startRedis({ args: ['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'] })
  const { stdout, code } = await examine({ ONLINE_URL: redis.url })
  await redis.stop()
  expect(stdout).toMatch(/Redis \d+\S* answers in \d+ ms/)
  expect(stdout).toEqual(found('✗', 'maxmemory-policy is allkeys-lru', 'noeviction'))
  expect(stdout).toEqual(found('!', 'appendonly is no', 'appendonly yes'))
  expect(code).toBe(1)
})

test('wrong passwords, without telling them', async () => {
  const redis = await startRedis({ args: ['--requirepass', 'right'] })
  const postgresUrl = new URL(postgres.url)
  postgresUrl.username = 'nobody'
  postgresUrl.password = 'wrong-secret'
  const { stdout, code } = await examine({
    ONLINE_URL: redis.url.replace('redis://', 'redis://:wrong-secret@'),
    CATALOG_URL: postgresUrl.href,
  })
  await redis.stop()
  expect(stdout).toEqual(found('✗', 'online store', 'ONLINE_URL: address, user, password'))
  expect(stdout).toEqual(found('✗', 'nobody', 'CATALOG_URL: address, user, password'))
  expect(stdout).not.toContain('wrong-secret')
  expect(code).toBe(1)
})

test('a catalog of an earlier version, whose role may not make tables', async () => {
  await execute(postgres.url, 'CREATE DATABASE early')
  const url = postgres.databaseUrl('early')
  const migrations = await createFolder('migrations')
  const [first] = await readMigrations(migrationsFolder)
  await mkdir(join(migrations.path, first?.name ?? ''))
  await cp(join(migrationsFolder, first?.name ?? ''), join(migrations.path, first?.name ?? ''), {
    recursive: true,
  })
  const database = await openPostgres({ url, log: quiet })
  await migrate({ database, folder: migrations.path, log: quiet })
  await database.close()
  await migrations.remove()
  await execute(
    url,
    `CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest`,
  )
  const asGuest = new URL(url)
  asGuest.username = 'guest'
  asGuest.password = 'guest'
  const { stdout, code } = await examine({ CATALOG_URL: asGuest.href })
  expect(stdout).toEqual(found('!', 'migrations are missing', 'start the gateway'))
  expect(stdout).toEqual(found('✗', 'may not make tables', 'GRANT CREATE'))
  expect(stdout).toEqual(found('✗', 'may not make the schema of its queue', 'GRANT CREATE'))
  expect(code).toBe(1)
})
