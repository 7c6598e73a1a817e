// What training, realtime and publishing all stand on, opened for real in one folder: opened again, it is the gateway started again.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { openCatalog } from '../src/catalog/open.ts'
import { dataPaths } from '../src/config/config.ts'
import { createEtlEngine } from '../src/etl/engine.ts'
import { createEtlService } from '../src/etl/service.ts'
import { createEtlLoader } from '../src/etl/source/source.ts'
import { createEvents } from '../src/events.ts'
import { createOnlineStore } from '../src/online/index.ts'
import { createParquetEngine } from '../src/parquet/engine.ts'
import { createTrainingSets } from '../src/training/sets/sets.ts'
import { createWarehouse } from '../src/warehouse/index.ts'
import { withDemoTables } from './demo-tables.ts'
import { lookupLimits } from './limits.ts'

export interface PartsOptions {
  folder: string
  log?: Logger
  /** Mounted as tables of the warehouse. */
  files?: readonly string[]
  warehouseUrl?: string
  onlineUrl?: string
}

const memoryMb = 1024

export async function openParts(options: PartsOptions) {
  const { folder, log = testLog(), files = [], warehouseUrl = 'duckdb:', onlineUrl = 'lmdb:' } = options
  const { catalog: catalogFolder, warehouse: file, online: onlineFolder, ...paths } = dataPaths(folder)
  const { datasets: datasetsFolder, temporary: temporaryFolder } = paths
  const etlFolder = join(folder, 'etl')
  await Promise.all(
    [datasetsFolder, temporaryFolder, etlFolder].map((path) => mkdir(path, { recursive: true })),
  )
  const events = createEvents()
  const [catalog, warehouse, online, parquet] = await Promise.all([
    openCatalog({ url: 'pglite:', folder: catalogFolder, log }),
    withDemoTables(
      createWarehouse({
        url: warehouseUrl,
        file,
        files,
        temporaryFolder,
        datasetsFolder,
        memoryMb,
        spillMb: 4096,
        lookupLimits,
        log,
      }),
    ),
    createOnlineStore({ url: onlineUrl, folder: onlineFolder, log }),
    createParquetEngine({ folders: [temporaryFolder, datasetsFolder], memoryMb, temporaryFolder }),
  ])
  const etlEngine = createEtlEngine({
    folders: [temporaryFolder, datasetsFolder],
    parquetMemoryMb: memoryMb,
    sqlRunner: parquet,
    timeoutMs: 10_000,
    memoryMb: 128,
    temporaryFolder,
    log,
  })
  const loader = createEtlLoader({ sources: { hosts: [], folders: [etlFolder] }, temporaryFolder, log })
  const etlService = createEtlService({ catalog, loader, etlEngine, log })

  return {
    log,
    events,
    catalog,
    warehouse,
    online,
    parquet,
    etlEngine,
    etlService,
    datasetsFolder,
    temporaryFolder,
    /** What training gives for moments. */
    featuresAsOf: createTrainingSets({
      catalog,
      warehouse,
      parquet,
      etlEngine,
      datasetsFolder,
      temporaryFolder,
    }).features,
    /** ETLs may be loaded from here. */
    etlFolder,
    async close() {
      await etlEngine.close()
      await Promise.all([parquet.close(), online.close(), warehouse.close(), catalog.close()])
    },
  }
}

/** Silent unless LOG_LEVEL says otherwise. */
export function testLog(): Logger {
  return pino({ level: process.env.LOG_LEVEL ?? 'silent' })
}
