// Wires everything by hand: stores, services and the HTTP server, started in order and stopped in reverse.

import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { Logger } from 'pino'
import { openAccess } from './access/access.ts'
import { acquireLock } from './catalog/database/lock.ts'
import { openCatalog } from './catalog/open.ts'
import { usualDelaysMs } from './concurrency/retry.ts'
import { type Config, dataPaths } from './config/config.ts'
import { ConfigError } from './config/config-error.ts'
import { makeFolder } from './config/folders.ts'
import { withoutPassword } from './config/secrets.ts'
import { messageOf } from './errors.ts'
import { createEtlEngine } from './etl/engine.ts'
import { observeEtlEngine } from './etl/observed.ts'
import { createEtlService } from './etl/service.ts'
import { createEtlLoader } from './etl/source/source.ts'
import { createDeletions } from './features/deletions.ts'
import { createFeatureServices } from './features/services.ts'
import { httpLimits } from './http/server/limits.ts'
import { createHttpServer } from './http/server/server.ts'
import { createOnlineStore, createSharedCounters } from './online/index.ts'
import { observeOnlineStore } from './online/observed.ts'
import { createAnswers } from './operations/commands.ts'
import { createParquetEngine } from './parquet/engine.ts'
import { createSqlRunner } from './parquet/engine-client.ts'
import { listenForCommands } from './processes/command-socket.ts'
import { createPublishing } from './publish/service.ts'
import { createTables } from './publish/tables.ts'
import { createUploads } from './publish/upload/uploads.ts'
import { createRealtime } from './realtime/service.ts'
import { createSampler } from './realtime/vectors/sample.ts'
import { createVectors } from './realtime/vectors/vectors.ts'
import { createTypedCatalog } from './schema/typed/typed-catalog.ts'
import type { GatherMetrics } from './telemetry/gather.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { createTraining } from './training/service.ts'
import { createWarehouse } from './warehouse/index.ts'
import { observeWarehouse } from './warehouse/observed.ts'

/** What takes longer than this while starting is named in the log. */
const announceAfterMs = 1000
/** Once the server takes no more requests, those under way may wait so long for the jobs that they have started. */
const jobsEndWithinMs = 3000

/**
 * Opens every store, takes up the work that an earlier process left, and builds the server; `listen` opens the port,
 * `leave` has balancers and clients go elsewhere, `close` ends what runs: requests are answered, jobs handed back.
 * When a part cannot be opened, those already open are closed again and the failure is thrown.
 */
export async function createApp(
  config: Config,
  log: Logger,
  { metrics, gatherMetrics }: { metrics: Metrics; gatherMetrics?: GatherMetrics | undefined },
) {
  const parts = createParts(log)
  try {
    const services = await openServices(config, metrics, log, parts)
    const counters = await openCounters(config, log, parts)
    const http = await parts.open(
      'the HTTP server',
      createHttpServer({ config, services, counters, limits: httpLimits, gatherMetrics, log }),
    )
    const { training, publishing } = services
    async function close() {
      const timer = setTimeout(() => {
        Promise.all([training.handBack(), publishing.close()]).catch((error: unknown) =>
          log.error({ err: error }, 'Jobs could not be handed back'),
        )
      }, jobsEndWithinMs)
      await parts.closeAll()
      clearTimeout(timer)
    }
    return { services, listen: http.listen, leave: http.leave, close }
  } catch (error) {
    await parts.closeAll()
    throw error
  }
}

interface Closable {
  close(): Promise<unknown> | unknown
}

/** Remembers what is open, announces what opens slowly, and closes it all in reverse, once. */
function createParts(log: Logger) {
  const opened: Closable[] = []
  let closing: Promise<void> | undefined

  /** `setting` is what the part is made from, `NAME=value`: who reads of its failure knows where to look. */
  async function open<T extends Closable>(
    name: string,
    opening: Promise<T> | T,
    setting?: string,
  ): Promise<T> {
    const timer = setTimeout(() => log.info(`Preparing ${name} …`), announceAfterMs)
    try {
      const part = await opening
      opened.push(part)
      return part
    } catch (error) {
      if (setting === undefined || error instanceof ConfigError) throw error
      throw new Error(`${name} of ${withoutPassword(setting)}: ${messageOf(error)}`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  async function closeEach() {
    for (const part of opened.splice(0).reverse()) {
      try {
        await part.close()
      } catch (error) {
        log.error({ err: error }, 'A part of the gateway did not close cleanly')
      }
    }
  }

  function closeAll(): Promise<void> {
    closing ??= closeEach()
    return closing
  }

  return { open, closeAll }
}

/** Promise.all that waits for every part first, so that a failure leaves none still opening. */
async function allSettledOrThrow<T extends readonly unknown[]>(promises: readonly [...T]) {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

type Parts = ReturnType<typeof createParts>

/** Nobody else has the folder from here on; what an earlier process left in the middle of its work is gone. */
async function openFolder(config: Config, parts: Parts) {
  const paths = { ...dataPaths(config.dataDir), datasets: config.datasetsDir }
  await makeFolder(config.dataDir, 'DATA_DIR')
  const lock = await acquireLock(paths.lock)
  await parts.open('the data folder', { close: () => lock.release() })
  if (existsSync(paths.restoring))
    throw new Error(
      `A backup was being put back into ${config.dataDir}, and that was cut short: run \`npm run restore\` again`,
    )
  await rm(paths.temporary, { recursive: true, force: true })
  await mkdir(paths.temporary, { recursive: true })
  await makeFolder(paths.datasets, 'DATASETS_DIR')
  return paths
}

async function openStores(config: Config, metrics: Metrics, log: Logger, parts: Parts) {
  const paths = await openFolder(config, parts)
  const [catalog, warehouse, online, parquet] = await allSettledOrThrow([
    parts.open(
      'the catalog',
      openCatalog({ url: config.catalogUrl, folder: paths.catalog, log }),
      `CATALOG_URL=${config.catalogUrl}`,
    ),
    parts.open(
      'the warehouse',
      createWarehouse({
        url: config.warehouseUrl,
        file: paths.warehouse,
        files: config.warehouseFiles,
        extensions: config.warehouseExtensions,
        s3: config.s3,
        temporaryFolder: paths.temporary,
        datasetsFolder: paths.datasets,
        memoryMb: config.engineMemoryMb.warehouse,
        spillMb: config.trainLimits.megabytes,
        lookupLimits: config.lookupLimits,
        log,
      }),
      `WAREHOUSE_URL=${config.warehouseUrl}`,
    ),
    parts.open(
      'the online store',
      createOnlineStore({ url: config.onlineUrl, folder: paths.online, tlsCa: config.onlineTlsCa, log }),
      `ONLINE_URL=${config.onlineUrl}`,
    ),
    parts.open(
      'the Parquet engine',
      createParquetEngine({
        folders: [paths.temporary, paths.datasets],
        memoryMb: config.engineMemoryMb.datasets,
        temporaryFolder: paths.temporary,
      }),
    ),
  ])
  return {
    catalog,
    warehouse: observeWarehouse(warehouse, metrics.stores),
    online: observeOnlineStore(online, metrics.stores),
    parquet,
    datasetsFolder: paths.datasets,
    temporaryFolder: paths.temporary,
  }
}

/** Where several gateways have one online store, a rate limit is of all of them. */
async function openCounters(
  { rateLimit, onlineUrl, onlineTlsCa, dataDir }: Config,
  log: Logger,
  parts: Parts,
) {
  if (rateLimit === null) return null
  const options = { url: onlineUrl, folder: dataPaths(dataDir).online, tlsCa: onlineTlsCa, log }
  const counters = await createSharedCounters(options)
  return counters && parts.open('the shared counters', counters)
}

async function openServices(config: Config, metrics: Metrics, log: Logger, parts: Parts) {
  const stores = await openStores(config, metrics, log, parts)
  const { catalog, warehouse, online, temporaryFolder } = stores
  const { events } = catalog
  const sqlRunner = await parts.open(
    'the engine of SQL ETLs',
    createSqlRunner({
      folders: [temporaryFolder, stores.datasetsFolder],
      memoryMb: config.engineMemoryMb.sqlEtls,
      spillMb: config.trainLimits.megabytes,
      temporaryFolder,
      log,
    }),
  )
  const etls = await parts.open(
    'the ETL engine',
    createEtlEngine({
      sqlRunner,
      folders: [temporaryFolder, stores.datasetsFolder],
      parquetMemoryMb: config.engineMemoryMb.scriptEtls,
      timeoutMs: config.etlTimeoutMs,
      memoryMb: config.etlMemoryMb,
      temporaryFolder,
      log,
    }),
  )
  const etlEngine = observeEtlEngine(etls, metrics.stores)
  const loader = createEtlLoader({ sources: config.etlSources, temporaryFolder, log })
  const etlService = createEtlService({ catalog, loader, etlEngine, log })
  const shared = { ...stores, etlService, etlEngine, events, metrics, log }
  const training = await parts.open(
    'training',
    createTraining({
      ...shared,
      concurrency: config.trainConcurrency,
      timeoutMs: config.trainTimeoutMs,
      limits: config.trainLimits,
      maxQueued: config.trainQueue,
      retention: { maxAgeMs: config.retention.datasetsMs, maxBytes: config.retention.datasetsBytes },
    }),
  )
  const realtime = await parts.open(
    'realtime',
    createRealtime({
      ...shared,
      limits: {
        lookupTimeoutMs: config.lookupTimeoutMs,
        maxIndexValues: config.maxIndexValues,
        absentMaxBytes: config.absentMaxBytes,
        checkTimeoutMs: 60_000,
      },
      featuresAsOf: training.features,
      viewsOnFirstUse: config.viewsOnFirstUse,
      wholeParityEveryMs: config.wholeParityEveryMs,
    }),
  )
  const featureServices = createFeatureServices({
    ...shared,
    views: realtime.registry,
    sampleOf: createSampler({ ...shared, realtime }),
  })
  const vectors = await parts.open(
    'feature vectors',
    createVectors({
      ...shared,
      services: featureServices,
      realtime,
      featuresAt: training.features,
      maxIndexValues: config.maxIndexValues,
    }),
  )
  const uploads = await parts.open(
    'uploads',
    createUploads({
      datasetsFolder: stores.datasetsFolder,
      temporaryFolder,
      memoryMb: config.engineMemoryMb.uploads,
      maxBytes: config.uploadMaxBytes,
      stallTimeoutMs: config.stallTimeoutMs,
      log,
    }),
  )
  const publishing = await parts.open(
    'publishing',
    createPublishing({
      ...shared,
      realtime,
      uploads,
      training,
      concurrency: config.publishConcurrency,
      maxQueued: config.publishQueue,
      retentionMs: config.retention.jobsMs,
      retryDelaysMs: usualDelaysMs,
    }),
  )
  const { restored, socket } = dataPaths(config.dataDir)
  if (existsSync(restored)) {
    log.info('A backup was put back: what is online is dropped and computed anew')
    await realtime.dropAll()
    await rm(restored)
  }
  const access = await parts.open('access', openAccess(config.auth, { catalog, log }))
  await realtime.start()
  await publishing.start()
  const typed = await parts.open(
    'the typed schema',
    createTypedCatalog({
      ...shared,
      realtime,
      training,
      featureServices,
      vectors,
      maxIndexValues: config.maxIndexValues,
    }),
  )
  const answers = createAnswers({ catalog, warehouse, online, realtime, typed, keyDesk: access.keyDesk })
  await parts.open('the socket for commands', listenForCommands(socket, answers, log))
  const tables = createTables({ catalog, warehouse, realtime })
  const deletions = createDeletions(catalog)
  const known = { catalog, warehouse, online, tables, etlService, deletions, typed, uploads }
  return { ...known, featureServices, vectors, training, realtime, publishing, metrics, access }
}
