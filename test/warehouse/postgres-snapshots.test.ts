// Tables on PostgreSQL that are made anew while a statement waits for them: what it then reads is all of after, in nothing of before.

import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { createPostgresWarehouseFolder, execute } from './open-postgres.ts'
import { pathsOf } from './schema-changes.ts'

let server: PostgresServer
let subject: Awaited<ReturnType<typeof createPostgresWarehouseFolder>>
let warehouse: Warehouse
let parquet: ParquetEngine

beforeAll(async () => {
  server = await startPostgres()
  const asReader = server.url.replace('postgres@', 'reader@')
  await execute(
    server.url,
    'CREATE ROLE reader LOGIN; CREATE ROLE keeper; GRANT CREATE ON DATABASE postgres TO reader',
  )
  subject = await createPostgresWarehouseFolder(asReader)
  warehouse = await subject.open()
  parquet = await createParquetEngine({
    folders: [subject.datasetsFolder],
    memoryMb: 512,
    temporaryFolder: subject.datasetsFolder,
  })
})

afterAll(async () => {
  await parquet?.close()
  await warehouse?.close()
  await server?.stop()
  await subject?.remove()
})

const made = `
  DROP TABLE IF EXISTS seen CASCADE; CREATE TABLE seen (k text, n int, m int); INSERT INTO seen VALUES ('a', 1, 2);
  CREATE VIEW shown AS SELECT k, n FROM seen; GRANT SELECT ON seen, shown TO reader`

const changes: [string, string][] = [
  ['truncated and filled', "TRUNCATE seen; INSERT INTO seen VALUES ('a', 2, 2)"],
  [
    'truncated and filled by columns of their own',
    "ALTER TABLE seen DROP COLUMN m; TRUNCATE seen; INSERT INTO seen VALUES ('a', 2)",
  ],
  [
    'given other columns of the same names',
    'DROP VIEW shown; ALTER TABLE seen DROP COLUMN n; ALTER TABLE seen ADD COLUMN n int; UPDATE seen SET n = 2; CREATE VIEW shown AS SELECT k, n FROM seen; GRANT SELECT ON shown TO reader',
  ],
  [
    'given its columns’ names in turn',
    'ALTER TABLE seen RENAME n TO o; ALTER TABLE seen RENAME m TO n; ALTER TABLE seen RENAME o TO m; CREATE OR REPLACE VIEW shown AS SELECT k, n FROM seen',
  ],
  [
    'another of the same name',
    "DROP TABLE seen CASCADE; CREATE TABLE seen (k text, n int); INSERT INTO seen VALUES ('a', 2); CREATE VIEW shown AS SELECT k, n FROM seen; GRANT SELECT ON seen, shown TO reader",
  ],
]

/** Resolves once a statement waits for a lock. */
async function isWaiting(): Promise<void> {
  const sql = 'SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted'
  while ((await execute(server.url, sql))[0]?.n === 0);
}

for (const [what, change] of changes) {
  test.each(['seen', 'shown'])(`a table that is ${what} is read as it is then: %s`, async (name) => {
    const sql = `SELECT k, n FROM ${name}`
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    onTestFinished(() => client.end())
    for (const path of pathsOf({ warehouse, parquet, folder: subject.datasetsFolder, sql })) {
      await client.query(made)
      expect((await path()).rows).toEqual([['a', 1]])
      await client.query(`BEGIN; ${change}`)
      const reading = path()
      await isWaiting()
      await client.query('COMMIT')
      expect((await reading).rows).toEqual([['a', 2]])
    }
  })
}

test('what may be read, but not be locked as a whole, is read all the same', async () => {
  await execute(
    server.url,
    `${made}; REVOKE SELECT ON seen FROM reader; GRANT SELECT (k, n) ON seen TO reader, keeper;
     CREATE VIEW kept AS SELECT k, n FROM seen; ALTER VIEW kept OWNER TO keeper; GRANT SELECT ON kept TO reader;
     CREATE MATERIALIZED VIEW stored AS SELECT k, n FROM seen; GRANT SELECT ON stored TO reader`,
  )
  for (const name of ['seen', 'kept', 'stored']) {
    const sql = `SELECT k, n FROM ${name}`
    for (const path of pathsOf({ warehouse, parquet, folder: subject.datasetsFolder, sql })) {
      expect((await path()).rows).toEqual([['a', 1]])
    }
  }
})
