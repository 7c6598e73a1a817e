// A catalog that an earlier version of the gateway has filled: it is brought up to date at the start, with every row kept.

import { execFile } from 'node:child_process'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/catalog/database/database.ts'
import { migrate, migrationsFolder, readMigrations } from '../../src/catalog/database/migrate.ts'
import { openPglite } from '../../src/catalog/database/pglite.ts'
import { openPostgres } from '../../src/catalog/database/postgres.ts'
import { createFolder } from '../servers/child.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { createPglitePlace, createPostgresPlace, openAt, type Place, quiet, run } from './place.ts'

/** One of everything that the first version knew, as it wrote it. */
const rows = `
  INSERT INTO "SavedQuery" (id, name, version, sql, "sqlSha256", description, tags, columns) VALUES
    ('qry_1', 'users; old', 1, 'SELECT 1 AS n', 'a', NULL, '{}', '[]'),
    ('qry_2', 'users; old', 2, 'SELECT ''ü; --'' AS n', 'b', 'kept', '{x,y}', '[{"name":"n","type":"STRING","nullable":false,"storage":"VARCHAR"}]');
  INSERT INTO "Etl" (id, name, version, path, language, "contentSha256", source) VALUES
    ('etl_1', 'etl', 1, 'file:./etl.sql', 'SQL', 'c', 'SELECT * FROM input');
  INSERT INTO "EtlOutput" ("etlId", "queryId", columns) VALUES ('etl_1', 'qry_2', '[]');
  INSERT INTO "FeatureView" (id, name, "queryId", "etlId", "indexKey", "ttlSeconds", refresh, tables, "refreshedVersion") VALUES
    ('fv_1', 'view', 'qry_2', 'etl_1', 'n', 60, 'FULL', '{feature_store.users}', 7);
  INSERT INTO "Dataset" (id, status, "queryId", sql, columns, "rowCount", "createdAt") VALUES
    ('dst_1', 'SUCCEEDED', 'qry_2', 'SELECT 1', '[]', 9007199254740993, '2026-01-02 03:04:05.678+00'),
    ('dst_2', 'FAILED', NULL, 'SELECT 2', '[]', NULL, now());
  INSERT INTO "PublishJob" (id, kind, status, total, done, seed, run, payload) VALUES
    ('job_1', 'FLOWS', 'RUNNING', 10, 5, 1, 0, NULL), ('job_2', 'ROWS', 'QUEUED', 1, 0, NULL, NULL, '\\x0001ff');`

const tables = ['SavedQuery', 'Etl', 'EtlOutput', 'FeatureView', 'Dataset', 'PublishJob']

let earlier: Awaited<ReturnType<typeof createFolder>>
let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
  earlier = await createFolder('migrations')
  const [first] = await readMigrations(migrationsFolder)
  const name = first?.name ?? ''
  await mkdir(join(earlier.path, name))
  await cp(join(migrationsFolder, name), join(earlier.path, name), { recursive: true })
})

afterAll(async () => {
  await server?.stop()
  await earlier?.remove()
})

function openDatabase({ url, folder }: Place): Promise<Database> {
  return url === 'pglite:' ? openPglite({ folder, log: quiet }) : openPostgres({ url, log: quiet })
}

async function script(database: Database, sql: string) {
  await database.inMigration(async (factory) => (await factory.connect()).executeScript(sql))
}

/** Each table's rows as the columns of the first version have them. */
async function readAll(database: Database, columns: ReadonlyMap<string, string>) {
  return database.inMigration(async (factory) => {
    const adapter = await factory.connect()
    const found = []
    for (const table of tables) {
      const sql = `SELECT ${columns.get(table)} FROM "${table}" ORDER BY 1, 2`
      found.push((await adapter.queryRaw({ sql, args: [], argTypes: [] })).rows)
    }
    return found
  })
}

async function columnsOf(database: Database): Promise<Map<string, string>> {
  return database.inMigration(async (factory) => {
    const adapter = await factory.connect()
    const sql = `SELECT table_name::text, string_agg(format('%I::text', column_name), ', ' ORDER BY ordinal_position)
      FROM information_schema.columns WHERE table_schema = 'public' GROUP BY table_name`
    const found = await adapter.queryRaw({ sql, args: [], argTypes: [] })
    return new Map(found.rows.map(([table, list]) => [String(table), String(list)]))
  })
}

describe.each([
  ['PGlite', () => createPglitePlace('DATABASE')],
  ['PostgreSQL', () => createPostgresPlace(server)],
] as const)('a catalog of the first version, on %s', (_name, createPlace) => {
  test('keeps every row through the upgrade, and is used as if it had always been of this version', async () => {
    const place = await createPlace()
    const old = await openDatabase(place)
    const applied = await migrate({ database: old, folder: earlier.path, log: quiet })
    expect(applied).toHaveLength(1)
    await script(old, rows)
    const columns = await columnsOf(old)
    const before = await readAll(old, columns)
    expect(before.map((each) => each.length)).toEqual([2, 1, 1, 1, 2, 2])
    await old.close()

    const catalog = await openAt(place)
    expect(await catalog.savedQueries.byId('qry_2')).toMatchObject({ description: 'kept', tags: ['x', 'y'] })
    expect(await catalog.featureViews.byId('fv_1')).toMatchObject({ ttlSeconds: 60, refreshedVersion: 7 })
    expect(await catalog.datasets.byId('dst_1')).toMatchObject({ rowCount: 9007199254740993n })
    expect(await catalog.publishJobs.unfinishedIds()).toEqual(['job_1', 'job_2'])
    await catalog.close()

    const upgraded = await openDatabase(place)
    expect(await migrate({ database: upgraded, folder: migrationsFolder, log: quiet })).toEqual([])
    expect(await readAll(upgraded, columns)).toEqual(before)
    await upgraded.close()
    await place.remove()
  })
})

test('of several feature views of one target, one stays, and what the others stored is to be removed', async () => {
  const place = await createPostgresPlace(server)
  const old = await openPostgres({ url: place.url, log: quiet })
  await migrate({ database: old, folder: earlier.path, log: quiet })
  await script(old, rows)
  const views = [
    ['fv_2', 'etl_1', 'n', true, '2026-01-01'],
    ['fv_3', null, 'n', true, '2026-01-03'],
    ['fv_4', null, 'n', false, '2026-01-04'],
    ['fv_5', null, 'n', true, '2026-01-02'],
    ['fv_6', null, 'ü', true, '2026-01-03'],
    ['fv_7', null, 'ü', true, '2026-01-02'],
  ] as const
  for (const [id, etlId, key, implicit, made] of views) {
    await script(
      old,
      `INSERT INTO "FeatureView" (id, name, "queryId", "etlId", "indexKey", refresh, tables, implicit, "createdAt")
       VALUES ('${id}', '${id}', 'qry_2', ${etlId === null ? 'NULL' : `'${etlId}'`}, '${key}', 'FULL', '{}', ${implicit}, '${made}')`,
    )
  }
  await old.close()
  const catalog = await openAt(place)
  const ids = (await catalog.featureViews.all()).map(({ id }) => id)
  expect(ids.sort()).toEqual(['fv_1', 'fv_4', 'fv_7'])
  expect((await catalog.featureViews.removed()).sort()).toEqual(['fv_2', 'fv_3', 'fv_5', 'fv_6'])
  for (const [etlId, indexKey, id] of [
    ['etl_1', 'n', 'fv_1'],
    [null, 'n', 'fv_4'],
    [null, 'ü', 'fv_7'],
  ] as const) {
    expect(await catalog.featureViews.find({ queryId: 'qry_2', etlId, indexKeys: [indexKey] })).toMatchObject(
      {
        id,
        indexKeys: [indexKey],
      },
    )
  }
  await catalog.close()
  await place.remove()
})

test.each(['a new catalog', 'one of the first version'])(
  'gateways that start at once on %s migrate it once',
  async (which) => {
    const place = await createPostgresPlace(server)
    if (which !== 'a new catalog') {
      const old = await openPostgres({ url: place.url, log: quiet })
      await migrate({ database: old, folder: earlier.path, log: quiet })
      await script(old, rows)
      await old.close()
    }
    const catalogs = await Promise.all([openAt(place), openAt(place), openAt(place)])
    const client = new pg.Client(place.url)
    await client.connect()
    const history = await client.query(
      'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY 1',
    )
    await client.end()
    const names = (await readMigrations(migrationsFolder)).map(({ name }) => name)
    expect(history.rows.map((row) => row.migration_name)).toEqual(names)
    for (const catalog of catalogs)
      expect(await catalog.savedQueries.save({ name: 'q', sql: 'SELECT 1', columns: [] })).toMatchObject({
        name: 'q',
      })
    await Promise.all(catalogs.map((catalog) => catalog.close()))
    await place.remove()
  },
)

test('a gateway refuses a catalog that a newer version has used, with a sentence that says what to do', async () => {
  const place = await createPostgresPlace(server)
  await (await openAt(place)).close()
  await run(
    place.url,
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
    VALUES ('x', 'x', '29990101000000_future', now(), now(), 1)`,
  )
  const folder = await createFolder('newer')
  const env = { PATH: process.env.PATH ?? '', DATA_DIR: folder.path, CATALOG_URL: place.url, PORT: '0' }
  const failure = await promisify(execFile)(process.execPath, ['src/main.ts'], { env }).catch(
    (error: unknown) => error,
  )
  expect(failure).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^The gateway could not start: .*The catalog has the migration 29990101000000_future.* a newer version has used it\. Start that version/m,
    ),
  })
  await folder.remove()
  await place.remove()
})
