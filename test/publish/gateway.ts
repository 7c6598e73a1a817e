// Everything that publishing runs on, opened for real in one folder: what the tests here and their child process share.

import type { Logger } from 'pino'
import { createPublishing } from '../../src/publish/service.ts'
import { createUploads } from '../../src/publish/upload/uploads.ts'
import { createRealtime, type Realtime } from '../../src/realtime/service.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createTraining } from '../../src/training/service.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { absentMaxBytes, checkTimeoutMs, trainLimits, viewsOnFirstUse } from '../limits.ts'
import { openParts } from '../parts.ts'

/** SQL of many joins that users have; each of its tables has `user_id`, so its view is refreshed by key. */
export const sampleSql = `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time
FROM feature_store.quotes Q
LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id
LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id
LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count from feature_store.transactions T2
  WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`

export interface GatewayOptions {
  folder: string
  /** Mounted as tables of the warehouse. */
  files?: readonly string[]
  log: Logger
  concurrency?: number
  retryDelaysMs?: readonly number[]
  /** Puts something between publishing and the warehouse, or realtime. */
  wrapWarehouse?: (warehouse: Warehouse) => Warehouse
  wrapRealtime?: (realtime: Realtime) => Pick<Realtime, 'keysRead' | 'onAppended'>
}

export type Gateway = Awaited<ReturnType<typeof openGateway>>

/** `publishing` is built and not started. */
export async function openGateway(options: GatewayOptions) {
  const {
    folder,
    log,
    concurrency = 4,
    retryDelaysMs = [20, 50, 100],
    wrapWarehouse = (same) => same,
    wrapRealtime = (same) => same,
  } = options
  const parts = await openParts({ folder, log, files: options.files ?? [] })
  const { catalog, warehouse, online, events } = parts
  const realtime = createRealtime({
    ...parts,
    metrics: createMetrics(),
    viewsOnFirstUse,
    wholeParityEveryMs: null,
    limits: { lookupTimeoutMs: 10_000, maxIndexValues: 10_000, absentMaxBytes, checkTimeoutMs },
  })
  await realtime.start()
  const uploads = await createUploads({
    ...parts,
    memoryMb: 128,
    maxBytes: 64 * 1024 * 1024,
    stallTimeoutMs: 60_000,
    log,
  })
  const training = createTraining({
    ...parts,
    metrics: createMetrics(),
    concurrency: 2,
    timeoutMs: 60_000,
    limits: trainLimits,
    maxQueued: 100,
    retention: { maxAgeMs: null, maxBytes: null },
  })
  const publishing = createPublishing({
    uploads,
    metrics: createMetrics(),
    catalog,
    warehouse: wrapWarehouse(warehouse),
    realtime: { ...realtime, ...wrapRealtime(realtime) },
    training,
    events,
    concurrency,
    maxQueued: 100,
    retentionMs: 3_600_000,
    retryDelaysMs,
    log,
  })

  /** A view of the sample query by `user_id`; the same one when it is there already. */
  async function serveSample() {
    const { columns } = await warehouse.describe(sampleSql)
    const query = await catalog.savedQueries.save({ name: 'user_features', sql: sampleSql, columns })
    const known = await catalog.featureViews.find({ queryId: query.id, etlId: null, indexKeys: ['user_id'] })
    const wanted = { name: 'users', queryId: query.id, etlId: null, indexKeys: ['user_id'], ttlSeconds: null }
    const view = known ?? (await realtime.createFeatureView({ ...wanted, refresh: 'BY_KEY' }))
    return { query, view }
  }

  async function close() {
    await publishing.close()
    await uploads.close()
    await training.close()
    await realtime.close()
    await parts.close()
  }

  return {
    catalog,
    warehouse,
    online,
    realtime,
    training,
    publishing,
    uploads,
    events,
    serveSample,
    close,
  }
}
