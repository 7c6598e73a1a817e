// The settings of how much: of work at once, of rows and bytes, of time and memory, of what is kept.

import { z } from 'zod'
import { integer } from './setting-kinds.ts'

/** `600/60`: so many requests in so many seconds. */
const rate = z
  .string()
  .regex(/^[1-9]\d{0,8}\/[1-9]\d{0,4}$/, {
    error: 'must be requests/seconds, such as 600/60 for six hundred a minute',
  })
  .transform((text) => {
    const [requests, seconds] = text.split('/').map(Number)
    return { requests: requests ?? 0, windowMs: (seconds ?? 0) * 1000 }
  })
  .optional()

const dayMs = 86_400_000
const days = z.coerce.number().min(0.001).max(36_500)

export const limitSettings = {
  TRAIN_CONCURRENCY: integer(2, 1, 64),
  TRAIN_TIMEOUT_SECONDS: integer(3600, 1, 86_400),
  TRAIN_MAX_ROWS: integer(1_000_000_000, 1, Number.MAX_SAFE_INTEGER),
  TRAIN_MAX_MB: integer(20_480, 1, 1_000_000_000),
  TRAIN_QUEUE: integer(1000, 1, 1_000_000),
  WAREHOUSE_MEMORY_MB: integer(2048, 512, 1_048_576),
  ETL_TIMEOUT_MS: integer(5000, 10, 600_000),
  ETL_MEMORY_MB: integer(256, 16, 65_536),
  LOOKUP_MAX_ROWS: integer(100_000, 1, 10_000_000),
  LOOKUP_MAX_MB: integer(64, 1, 1024),
  LOOKUP_TIMEOUT_MS: integer(10_000, 10, 600_000),
  MAX_INDEX_VALUES: integer(10_000, 1, 1_000_000),
  ABSENT_MAX_MB: integer(32, 1, 65_536),
  PARITY_EVERY_MINUTES: integer(15, 0, 10_080),
  VIEWS_ON_FIRST_USE: z.enum(['catalog:write', 'realtime']).default('catalog:write'),
  VIEWS_ON_FIRST_USE_MAX: integer(500, 0, 100_000),
  PUBLISH_CONCURRENCY: integer(4, 1, 64),
  PUBLISH_QUEUE: integer(1000, 1, 1_000_000),
  UPLOAD_MAX_MB: integer(4096, 1, 1_000_000),
  MAX_REQUESTS: integer(5000, 1, 1_000_000),
  MAX_EVENT_LOOP_DELAY_MS: integer(1000, 10, 60_000),
  STALL_TIMEOUT_SECONDS: integer(60, 1, 86_400),
  RATE_LIMIT: rate,
  MAX_CONNECTIONS_PER_CALLER: integer(1000, 1, 1_000_000),
  MAX_SUBSCRIPTIONS: integer(1000, 1, 1_000_000),
  DATASET_RETENTION_DAYS: days.optional(),
  DATASETS_MAX_MB: z.coerce.number().int().min(1).max(1_000_000_000).optional(),
  JOB_RETENTION_DAYS: days.default(90),
}

const shape = z.object(limitSettings)
type LimitSettings = z.infer<typeof shape>

export interface LimitConfig {
  trainConcurrency: number
  trainTimeoutMs: number
  /** What one dataset may hold, and what comes in between on its way. */
  trainLimits: { rows: number; megabytes: number }
  /** Datasets that may wait in this process. */
  trainQueue: number
  /** What each instance of DuckDB may hold, in megabytes; together they are WAREHOUSE_MEMORY_MB. */
  engineMemoryMb: {
    warehouse: number
    sqlEtls: number
    datasets: number
    scriptEtls: number
    uploads: number
  }
  etlTimeoutMs: number
  etlMemoryMb: number
  /** What one lookup may find in the warehouse, for all its values together. */
  lookupLimits: { rows: number; megabytes: number }
  lookupTimeoutMs: number
  maxIndexValues: number
  /** What the online store may take to remember for this process that index values have no rows. */
  absentMaxBytes: number
  /** Null where views are never compared whole. */
  wholeParityEveryMs: number | null
  /** Feature views that lookups make: whether of every caller, and how many there may be. */
  viewsOnFirstUse: { byAnyone: boolean; most: number }
  publishConcurrency: number
  /** Publish jobs that may be unfinished, in all gateways on the catalog. */
  publishQueue: number
  /** The body of one upload of rows. */
  uploadMaxBytes: number
  /** Under way at once: lookups on the hot path, and as many others. */
  maxRequests: number
  /** How late the event loop may be, turn after turn, before requests are turned away. */
  maxEventLoopDelayMs: number
  /** How long a client may take nothing of what waits for it. */
  stallTimeoutMs: number
  /** What one caller may ask of all gateways that share an online store; null for as much as it likes. */
  rateLimit: { requests: number; windowMs: number } | null
  /** WebSockets and event streams that one caller may hold open to this process. */
  maxConnectionsPerCaller: number
  /** Operations under way on one WebSocket. */
  maxSubscriptions: number
  retention: {
    /** Null keeps them however old. */
    datasetsMs: number | null
    /** Null sets no limit. */
    datasetsBytes: number | null
    jobsMs: number
  }
}

/** The warehouse's statements have half, SQL ETLs half of the rest; reading datasets, scripts' files and uploads stream. */
function shareMemory(megabytes: number): LimitConfig['engineMemoryMb'] {
  const eighth = Math.floor(megabytes / 8)
  const half = Math.floor(eighth / 2)
  return { warehouse: 4 * eighth, sqlEtls: 2 * eighth, datasets: eighth, scriptEtls: half, uploads: half }
}

export function readLimits(given: LimitSettings): LimitConfig {
  return {
    trainConcurrency: given.TRAIN_CONCURRENCY,
    trainTimeoutMs: given.TRAIN_TIMEOUT_SECONDS * 1000,
    trainLimits: { rows: given.TRAIN_MAX_ROWS, megabytes: given.TRAIN_MAX_MB },
    trainQueue: given.TRAIN_QUEUE,
    engineMemoryMb: shareMemory(given.WAREHOUSE_MEMORY_MB),
    etlTimeoutMs: given.ETL_TIMEOUT_MS,
    etlMemoryMb: given.ETL_MEMORY_MB,
    lookupLimits: { rows: given.LOOKUP_MAX_ROWS, megabytes: given.LOOKUP_MAX_MB },
    lookupTimeoutMs: given.LOOKUP_TIMEOUT_MS,
    maxIndexValues: given.MAX_INDEX_VALUES,
    absentMaxBytes: given.ABSENT_MAX_MB * 1024 * 1024,
    wholeParityEveryMs: given.PARITY_EVERY_MINUTES === 0 ? null : given.PARITY_EVERY_MINUTES * 60_000,
    viewsOnFirstUse: {
      byAnyone: given.VIEWS_ON_FIRST_USE === 'realtime',
      most: given.VIEWS_ON_FIRST_USE_MAX,
    },
    publishConcurrency: given.PUBLISH_CONCURRENCY,
    publishQueue: given.PUBLISH_QUEUE,
    uploadMaxBytes: given.UPLOAD_MAX_MB * 1024 * 1024,
    maxRequests: given.MAX_REQUESTS,
    maxEventLoopDelayMs: given.MAX_EVENT_LOOP_DELAY_MS,
    stallTimeoutMs: given.STALL_TIMEOUT_SECONDS * 1000,
    rateLimit: given.RATE_LIMIT ?? null,
    maxConnectionsPerCaller: given.MAX_CONNECTIONS_PER_CALLER,
    maxSubscriptions: given.MAX_SUBSCRIPTIONS,
    retention: {
      datasetsMs: given.DATASET_RETENTION_DAYS === undefined ? null : given.DATASET_RETENTION_DAYS * dayMs,
      datasetsBytes: given.DATASETS_MAX_MB === undefined ? null : given.DATASETS_MAX_MB * 1024 * 1024,
      jobsMs: given.JOB_RETENTION_DAYS * dayMs,
    },
  }
}
