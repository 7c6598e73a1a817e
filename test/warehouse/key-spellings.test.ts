// Keys of every type in the embedded engine and in PostgreSQL, by the tables of docs/index-keys.md.

import { afterAll, beforeAll, describe } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { onAdapter } from '../adapters.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { testKeySpellings } from './key-spellings.ts'
import { createWarehouseFolder } from './open-duckdb.ts'
import { createPostgresWarehouseFolder } from './open-postgres.ts'

let warehouse: Warehouse
let folder: { remove(): Promise<void> }

describe('the embedded engine', () => {
  beforeAll(async () => {
    const made = await createWarehouseFolder()
    folder = made
    warehouse = await made.open()
  })
  afterAll(async () => {
    await warehouse.close()
    await folder.remove()
  })
  testKeySpellings('DuckDB', () => warehouse)
})

onAdapter('postgres', () =>
  describe('a PostgreSQL server', () => {
    let server: PostgresServer
    beforeAll(async () => {
      server = await startPostgres()
      const made = await createPostgresWarehouseFolder(
        server.url,
        `CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      )
      folder = made
      warehouse = await made.open()
    })
    afterAll(async () => {
      await warehouse.close()
      await server.stop()
      await folder.remove()
    })
    testKeySpellings('PostgreSQL', () => warehouse)
  }),
)
