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
