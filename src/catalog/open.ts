// The catalog: what is known of queries, ETLs, feature views, datasets and jobs, and the queue of durable work.

import type { Logger } from 'pino'
import type { Events } from '../events.ts'
import { type ApiKeys, createApiKeys } from './api-keys.ts'
import { type Backlog, readBacklog } from './backlog.ts'
import type { Database } from './database/database.ts'
import { migrate, migrationsFolder } from './database/migrate.ts'
import { withClearFailures } from './database/violations.ts'
import { createDatasets, type Datasets } from './datasets.ts'
import { createEtls, type Etls } from './etls.ts'
import { createFeatureServices, type FeatureServices } from './feature-services.ts'
import { createFeatureViews, type FeatureViews } from './feature-views.ts'
import { PrismaClient } from './generated/client.ts'
import { createPublishJobs, type PublishJobs } from './publish-jobs.ts'
import { createJobQueue, type JobQueue } from './queue.ts'
import { createSavedQueries, type SavedQueries } from './saved-queries.ts'
import { createSharedSecrets, type SharedSecrets } from './shared-secrets.ts'
import { createTableNotices, type TableNotices } from './table-notices.ts'
import { createViewRefreshes, type ViewRefreshes } from './view-refreshes.ts'

export interface Catalog {
  prisma: PrismaClient
  savedQueries: SavedQueries
  etls: Etls
  featureViews: FeatureViews
  featureServices: FeatureServices
  viewRefreshes: ViewRefreshes
  tableNotices: TableNotices
  datasets: Datasets
  publishJobs: PublishJobs
  apiKeys: ApiKeys
  sharedSecrets: SharedSecrets
  queue: JobQueue
  /** Those of every gateway on this catalog. */
  events: Events
  /** What waits and runs, on every gateway of this catalog. */
  backlog(): Promise<readonly Backlog[]>
  /** Whether other processes may change the catalog while this one has it open. */
  isShared: boolean
  /** See Database. */
  copyTo: ((folder: string) => Promise<void>) | null
  /** Rejects when the database does not answer. */
  ping(): Promise<void>
  /** Stops the queue, then closes the database. */
  close(): Promise<void>
}

export interface CatalogOptions {
  /** `pglite:`, or `postgres://…` */
  url: string
  /** Where `pglite:` keeps its database; made on the first start. */
  folder: string
  log: Logger
}

/** Applies the migrations that are missing. */
export async function openCatalog({ url, folder, log }: CatalogOptions): Promise<Catalog> {
  const database = await openDatabase({ url, folder, log })
  const closing: (() => Promise<void>)[] = [database.close]
  /** Each part is closed, whatever becomes of the others; the first failure is thrown. */
  async function close() {
    const failures: unknown[] = []
    for (const closePart of closing.splice(0).reverse()) {
      await closePart().catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }

  try {
    await migrate({ database, folder: migrationsFolder, log })
    const prisma = withClearFailures(new PrismaClient({ adapter: database.adapter, errorFormat: 'minimal' }))
    closing.push(() => prisma.$disconnect())
    const queue = await createJobQueue({ database, log })
    closing.push(queue.stop)
    const owner = database.presence?.owner ?? null
    return {
      prisma,
      savedQueries: createSavedQueries(prisma, database.events),
      etls: createEtls(prisma),
      featureViews: createFeatureViews(prisma),
      featureServices: createFeatureServices(prisma, database.events),
      viewRefreshes: createViewRefreshes(prisma, owner),
      tableNotices: createTableNotices(prisma),
      datasets: createDatasets(prisma, owner),
      publishJobs: createPublishJobs(prisma, owner),
      apiKeys: createApiKeys(prisma),
      sharedSecrets: createSharedSecrets(prisma),
      queue,
      events: database.events,
      backlog: () => readBacklog(prisma),
      isShared: database.presence !== null,
      copyTo: database.copyTo,
      async ping() {
        await prisma.$queryRaw`SELECT 1`
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The scheme picks the adapter; only that one is loaded. */
export async function openDatabase({ url, folder, log }: CatalogOptions): Promise<Database> {
  if (url.startsWith('pglite:')) {
    const { openPglite } = await import('./database/pglite.ts')
    return openPglite({ folder, log })
  }
  const { openPostgres } = await import('./database/postgres.ts')
  return openPostgres({ url, log })
}
