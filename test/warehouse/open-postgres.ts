// A warehouse on a database of its own, in a PostgreSQL that the caller has started.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { pino } from 'pino'
import { createWarehouse } from '../../src/warehouse/index.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { withDemoTables } from '../demo-tables.ts'
import { lookupLimits } from '../limits.ts'
import { startPostgres } from '../servers/postgres.ts'

/** `prepare` runs as the database's owner before the warehouse is opened. */
export async function createPostgresWarehouseFolder(url: string, prepare = 'SELECT 1') {
  const folder = await mkdtemp(join(tmpdir(), 'warehouse-'))
  const datasetsFolder = join(folder, 'datasets')
  await mkdir(datasetsFolder)
  await execute(url, prepare)
  return {
    folder,
    datasetsFolder,
    open: (): Promise<Warehouse> =>
      withDemoTables(
        createWarehouse({
          url,
          file: join(folder, 'warehouse.duckdb'),
          files: [],
          temporaryFolder: join(folder, 'tmp'),
          datasetsFolder,
          memoryMb: 512,
          spillMb: 4096,
          lookupLimits,
          log: pino({ level: 'silent' }),
        }),
      ),
    remove: () => rm(folder, { recursive: true }),
  }
}

export type PostgresWarehouse = Awaited<ReturnType<typeof startPostgresWarehouse>>

/** A PostgreSQL of its own, with a warehouse open on it. */
export async function startPostgresWarehouse() {
  const server = await startPostgres()
  const folder = await createPostgresWarehouseFolder(server.url)
  const warehouse = await folder.open()
  return {
    ...folder,
    server,
    warehouse,
    execute: (sql: string) => execute(server.url, sql),
    async stop() {
      await warehouse.close()
      await server.stop()
      await folder.remove()
    },
  }
}

/** Runs statements on a connection of their own; the last one's rows. */
export async function execute(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const results = await client.query(sql)
    return (Array.isArray(results) ? results.at(-1) : results).rows
  } finally {
    await client.end()
  }
}
