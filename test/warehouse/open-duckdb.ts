// Opens an embedded warehouse in a folder of its own.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { S3Access } from '../../src/config/stores.ts'
import { createWarehouse } from '../../src/warehouse/index.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { withDemoTables } from '../demo-tables.ts'
import { lookupLimits } from '../limits.ts'

export async function createWarehouseFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'warehouse-'))
  const datasetsFolder = join(folder, 'datasets')
  await mkdir(datasetsFolder)
  return {
    folder,
    datasetsFolder,
    open: (options: OpenOptions = {}): Promise<Warehouse> => openWarehouse(folder, options),
    remove: () => rm(folder, { recursive: true }),
  }
}

interface OpenOptions {
  url?: string
  files?: readonly string[]
  extensions?: readonly string[]
  s3?: S3Access
}

export function openWarehouse(folder: string, options: OpenOptions = {}) {
  return withDemoTables(
    createWarehouse({
      url: options.url ?? 'duckdb:',
      file: join(folder, 'warehouse.duckdb'),
      files: options.files ?? [],
      extensions: options.extensions ?? [],
      s3: options.s3 ?? {},
      temporaryFolder: join(folder, 'tmp'),
      datasetsFolder: join(folder, 'datasets'),
      memoryMb: 512,
      spillMb: 4096,
      lookupLimits,
      log: pino({ level: 'silent' }),
    }),
  )
}
