// The training service on its real stores, in a folder of its own.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { openCatalog } from '../../src/catalog/open.ts'
import { createEtlEngine } from '../../src/etl/engine.ts'
import { createEtlService } from '../../src/etl/service.ts'
import { createEtlLoader } from '../../src/etl/source.ts'
import { createEvents } from '../../src/events.ts'
import { createParquetEngine } from '../../src/parquet/engine.ts'
import { createTraining, type TrainingOptions } from '../../src/training/service.ts'
import { createWarehouse } from '../../src/warehouse/index.ts'

export type TrainingStack = Awaited<ReturnType<typeof openTrainingStack>>

export async function createFolder(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'training-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** Opens every store in the folder; opened a second time after `close`, it is the gateway started again. */
export async function openTrainingStack(folder: string) {
  const log = pino({ level: process.env.LOG_LEVEL ?? 'silent' })
  const datasetsFolder = join(folder, 'datasets')
  const temporaryFolder = join(folder, 'tmp')
  const etlFolder = join(folder, 'etl')
  await Promise.all(
    [datasetsFolder, temporaryFolder, etlFolder].map((path) => mkdir(path, { recursive: true })),
  )
  const events = createEvents()
  const catalog = await openCatalog({ url: 'pglite:', folder: join(folder, 'catalog'), log })
  const warehouse = await createWarehouse({
    url: 'duckdb:',
    file: join(folder, 'warehouse.duckdb'),
    files: [],
    temporaryFolder,
    datasetsFolder,
    memoryMb: 1024,
    log,
  })
  const folders = [temporaryFolder, datasetsFolder]
  const parquet = await createParquetEngine({ folders, memoryMb: 512, temporaryFolder })
  const etlEngine = createEtlEngine({ parquet, timeoutMs: 10_000, memoryMb: 128, temporaryFolder, log })
  const loader = createEtlLoader({ sources: { hosts: [], folders: [etlFolder] }, log })
  const etlService = createEtlService({ catalog, loader, etlEngine, log })
  const shared = {
    catalog,
    warehouse,
    parquet,
    etlService,
    etlEngine,
    events,
    datasetsFolder,
    temporaryFolder,
    log,
  }

  return {
    ...shared,
    etlFolder,
    training(options: Partial<TrainingOptions> = {}) {
      return createTraining({ ...shared, concurrency: 2, timeoutMs: 60_000, ...options })
    },
    async close() {
      await etlEngine.close()
      await parquet.close()
      await warehouse.close()
      await catalog.close()
    },
  }
}
