// The environment, parsed once into a Config; every fault is reported together.

import { isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { type AuthConfig, authSettings, faultsOfAuth, readAuth } from './auth-settings.ts'
import { withoutSecrets } from './secrets.ts'
import { flag, integer, list } from './setting-kinds.ts'

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** Not `*`: whoever opens a page of any site would lend it this gateway. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text
}

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

function storeUrl(fallback: string, schemes: readonly string[]) {
  return z
    .string()
    .default(fallback)
    .refine((url) => schemes.some((scheme) => url.startsWith(`${scheme}:`)), {
      error: `must begin with one of ${schemes.map((scheme) => `${scheme}:`).join(', ')}`,
    })
}

const settings = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: integer(4000, 0, 65535),
  DATA_DIR: z.string().min(1).default('./data'),
  DATASETS_DIR: z.string().optional(),
  CATALOG_URL: storeUrl('pglite:', ['pglite', 'postgres', 'postgresql']),
  WAREHOUSE_URL: storeUrl('duckdb:', ['duckdb', 'postgres', 'postgresql', 'trino']),
  WAREHOUSE_FILES: list,
  ONLINE_URL: storeUrl('lmdb:', [
    'lmdb',
    'redis',
    'rediss',
    'redis-sentinel',
    'redis-cluster',
    'rediss-cluster',
  ]),
  ONLINE_TLS_CA: z.string().optional(),
  ETL_SOURCES: list,
  LOG_LEVEL: z.enum(logLevels).default('info'),
  TRAIN_CONCURRENCY: integer(2, 1, 64),
  TRAIN_TIMEOUT_SECONDS: integer(3600, 1, 86_400),
  WAREHOUSE_MEMORY_MB: integer(2048, 128, 1_048_576),
  ETL_TIMEOUT_MS: integer(5000, 10, 600_000),
  ETL_MEMORY_MB: integer(256, 16, 65_536),
  TRAIN_MAX_ROWS: integer(1_000_000_000, 1, Number.MAX_SAFE_INTEGER),
  TRAIN_MAX_MB: integer(20_480, 1, 1_000_000_000),
  LOOKUP_MAX_ROWS: integer(100_000, 1, 10_000_000),
  LOOKUP_MAX_MB: integer(64, 1, 1024),
  LOOKUP_TIMEOUT_MS: integer(10_000, 10, 600_000),
  MAX_INDEX_VALUES: integer(10_000, 1, 1_000_000),
  ABSENT_MAX_MB: integer(32, 1, 65_536),
  PARITY_EVERY_MINUTES: integer(15, 0, 10_080),
  VIEWS_ON_FIRST_USE: z.enum(['catalog:write', 'realtime']).default('catalog:write'),
  VIEWS_ON_FIRST_USE_MAX: integer(500, 0, 100_000),
  TRAIN_QUEUE: integer(1000, 1, 1_000_000),
  PUBLISH_CONCURRENCY: integer(4, 1, 64),
  PUBLISH_QUEUE: integer(1000, 1, 1_000_000),
  MAX_REQUESTS: integer(5000, 1, 1_000_000),
  MAX_EVENT_LOOP_DELAY_MS: integer(1000, 10, 60_000),
  STALL_TIMEOUT_SECONDS: integer(60, 1, 86_400),
  TRUST_PROXY: flag(false),
  CORS_ORIGINS: list.refine((origins) => origins.every(isOrigin), {
    error: 'must be origins as browsers name them, such as https://app.example.com, separated by commas',
  }),
  INTROSPECTION: flag(true),
  GRAPHIQL: flag(true),
  GRAPHQL_GET: flag(true),
  RATE_LIMIT: rate,
  MAX_CONNECTIONS_PER_CALLER: integer(1000, 1, 1_000_000),
  MAX_SUBSCRIPTIONS: integer(1000, 1, 1_000_000),
  TRUSTED_DOCUMENTS: z.enum(['off', 'prefer', 'only']).default('off'),
  TRUSTED_DOCUMENTS_FILE: list,
  WORKERS: integer(1, 1, 64),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_SDK_DISABLED: flag(false),
  ...authSettings,
  DATASET_RETENTION_DAYS: days.optional(),
  DATASETS_MAX_MB: z.coerce.number().int().min(1).max(1_000_000_000).optional(),
  JOB_RETENTION_DAYS: days.default(90),
  DRAIN_SECONDS: integer(0, 0, 3600),
})

/** Of the environment, all that is read here. */
export const settingNames = Object.keys(settings.shape)

/** What is embedded belongs to one process: workers need stores that they can share. */
const environment = settings.superRefine((given, context) => {
  for (const [name, message] of faultsOfAuth(given))
    context.addIssue({ code: 'custom', path: [name], message })
  if ((given.TRUSTED_DOCUMENTS === 'off') !== (given.TRUSTED_DOCUMENTS_FILE.length === 0)) {
    const message = 'goes with TRUSTED_DOCUMENTS_FILE, the manifests to trust: set both or neither'
    context.addIssue({ code: 'custom', path: ['TRUSTED_DOCUMENTS'], message })
  }
  const embedded = (['CATALOG_URL', 'WAREHOUSE_URL', 'ONLINE_URL'] as const).filter((name) =>
    /^(pglite|duckdb|lmdb):/.test(given[name]),
  )
  if (given.WORKERS === 1 || embedded.length === 0) return
  const message = `more than one worker needs stores that processes share: set ${embedded.join(', ')} to a server`
  context.addIssue({ code: 'custom', path: ['WORKERS'], message })
})

export interface Config {
  host: string
  port: number
  /** Absolute; everything embedded lives here. */
  dataDir: string
  /** Absolute: where datasets' files are; gateways that share a catalog share it too. */
  datasetsDir: string
  catalogUrl: string
  warehouseUrl: string
  /** Absolute folders and files that the embedded warehouse mounts as tables of schema `files`. */
  warehouseFiles: readonly string[]
  onlineUrl: string
  /** Absolute: the file of the authorities that the online store's certificate may come from; null takes the system's. */
  onlineTlsCa: string | null
  /** Hosts (`github.com`, `localhost:8080`) and absolute folders that ETLs may be loaded from. */
  etlSources: { hosts: readonly string[]; folders: readonly string[] }
  logLevel: (typeof logLevels)[number]
  trainConcurrency: number
  trainTimeoutMs: number
  warehouseMemoryMb: number
  etlTimeoutMs: number
  etlMemoryMb: number
  /** What one dataset may hold, and what comes in between on its way. */
  trainLimits: { rows: number; megabytes: number }
  /** What one lookup may find in the warehouse, for all its values together. */
  lookupLimits: { rows: number; megabytes: number }
  lookupTimeoutMs: number
  maxIndexValues: number
  /** What the online store may take to remember for this process that index values have no rows. */
  absentMaxBytes: number
  /** Feature views that lookups make: whether of every caller, and how many there may be. */
  viewsOnFirstUse: { byAnyone: boolean; most: number }
  /** Null where views are never compared whole. */
  wholeParityEveryMs: number | null
  publishConcurrency: number
  /** Datasets that may wait in this process. */
  trainQueue: number
  /** Publish jobs that may be unfinished, in all gateways on the catalog. */
  publishQueue: number
  /** Under way at once: lookups on the hot path, and as many others. */
  maxRequests: number
  /** How late the event loop may be, turn after turn, before requests are turned away. */
  maxEventLoopDelayMs: number
  /** How long a client may take nothing of what waits for it. */
  stallTimeoutMs: number
  /** Whether X-Forwarded-Proto and X-Forwarded-Host say how clients reach the gateway. Only behind a proxy that sets them. */
  trustProxy: boolean
  /** Origins (`https://app.example.com`) whose pages may use the gateway from a browser. */
  corsOrigins: readonly string[]
  graphql: {
    /** Whether clients may ask for the schema, and errors suggest its names. */
    introspection: boolean
    /** Whether browsers are given GraphiQL; it is of no use without introspection, or with trusted documents only. */
    graphiql: boolean
    /** Whether queries are taken by GET. */
    get: boolean
    /** `prefer` takes documents by their id, `only` takes no others. Absolute paths of the manifests that name them. */
    trustedDocuments: { mode: 'off' | 'prefer' | 'only'; files: readonly string[] }
  }
  /** What one caller may ask of all gateways that share an online store; null for as much as it likes. */
  rateLimit: { requests: number; windowMs: number } | null
  /** WebSockets and event streams that one caller may hold open to this process. */
  maxConnectionsPerCaller: number
  /** Operations under way on one WebSocket. */
  maxSubscriptions: number
  /** Whether traces are sent; where to and how, the OTEL_… variables tell. */
  tracing: boolean
  /** Processes that share the port, each a gateway of its own on the same stores. */
  workers: number
  auth: AuthConfig
  retention: {
    /** Null keeps them however old. */
    datasetsMs: number | null
    /** Null sets no limit. */
    datasetsBytes: number | null
    jobsMs: number
  }
  /** Between the signal to stop and the closing of the port: for balancers to notice that /readyz says 503. */
  drainMs: number
}

/** Thrown with one line for each faulty setting: its name, what is wrong, what it may be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

function isFolder(source: string): boolean {
  return isAbsolute(source) || source.startsWith('.')
}

/** Reads the settings; an empty variable counts as unset. Throws ConfigError with every fault at once. */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = environment.safeParse(given)
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const name = issue.path.join('.')
      const value = name === 'JWT_SECRET' ? '***' : JSON.stringify(given[name] ?? '')
      return `  ${name}=${value}: ${issue.message}`
    })
    throw new ConfigError(withoutSecrets(`These settings are not usable:\n${faults.join('\n')}`))
  }
  const e = parsed.data
  return {
    host: e.HOST,
    port: e.PORT,
    dataDir: resolve(e.DATA_DIR),
    datasetsDir:
      e.DATASETS_DIR === undefined ? dataPaths(resolve(e.DATA_DIR)).datasets : resolve(e.DATASETS_DIR),
    catalogUrl: e.CATALOG_URL,
    warehouseUrl: e.WAREHOUSE_URL,
    warehouseFiles: e.WAREHOUSE_FILES.map((path) => resolve(path)),
    onlineUrl: e.ONLINE_URL,
    onlineTlsCa: e.ONLINE_TLS_CA === undefined ? null : resolve(e.ONLINE_TLS_CA),
    etlSources: {
      hosts: e.ETL_SOURCES.filter((source) => !isFolder(source)),
      folders: e.ETL_SOURCES.filter(isFolder).map((path) => resolve(path)),
    },
    logLevel: e.LOG_LEVEL,
    trainConcurrency: e.TRAIN_CONCURRENCY,
    trainTimeoutMs: e.TRAIN_TIMEOUT_SECONDS * 1000,
    warehouseMemoryMb: e.WAREHOUSE_MEMORY_MB,
    etlTimeoutMs: e.ETL_TIMEOUT_MS,
    etlMemoryMb: e.ETL_MEMORY_MB,
    trainLimits: { rows: e.TRAIN_MAX_ROWS, megabytes: e.TRAIN_MAX_MB },
    lookupLimits: { rows: e.LOOKUP_MAX_ROWS, megabytes: e.LOOKUP_MAX_MB },
    lookupTimeoutMs: e.LOOKUP_TIMEOUT_MS,
    maxIndexValues: e.MAX_INDEX_VALUES,
    absentMaxBytes: e.ABSENT_MAX_MB * 1024 * 1024,
    viewsOnFirstUse: { byAnyone: e.VIEWS_ON_FIRST_USE === 'realtime', most: e.VIEWS_ON_FIRST_USE_MAX },
    wholeParityEveryMs: e.PARITY_EVERY_MINUTES === 0 ? null : e.PARITY_EVERY_MINUTES * 60_000,
    publishConcurrency: e.PUBLISH_CONCURRENCY,
    trainQueue: e.TRAIN_QUEUE,
    publishQueue: e.PUBLISH_QUEUE,
    maxRequests: e.MAX_REQUESTS,
    maxEventLoopDelayMs: e.MAX_EVENT_LOOP_DELAY_MS,
    stallTimeoutMs: e.STALL_TIMEOUT_SECONDS * 1000,
    trustProxy: e.TRUST_PROXY,
    corsOrigins: e.CORS_ORIGINS,
    graphql: {
      introspection: e.INTROSPECTION,
      graphiql: e.INTROSPECTION && e.GRAPHIQL && e.TRUSTED_DOCUMENTS !== 'only',
      get: e.GRAPHQL_GET,
      trustedDocuments: {
        mode: e.TRUSTED_DOCUMENTS,
        files: e.TRUSTED_DOCUMENTS_FILE.map((path) => resolve(path)),
      },
    },
    rateLimit: e.RATE_LIMIT ?? null,
    maxConnectionsPerCaller: e.MAX_CONNECTIONS_PER_CALLER,
    maxSubscriptions: e.MAX_SUBSCRIPTIONS,
    tracing:
      !e.OTEL_SDK_DISABLED &&
      (e.OTEL_EXPORTER_OTLP_ENDPOINT ?? e.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) !== undefined,
    workers: e.WORKERS,
    auth: readAuth(e),
    retention: {
      datasetsMs: e.DATASET_RETENTION_DAYS === undefined ? null : e.DATASET_RETENTION_DAYS * dayMs,
      datasetsBytes: e.DATASETS_MAX_MB === undefined ? null : e.DATASETS_MAX_MB * 1024 * 1024,
      jobsMs: e.JOB_RETENTION_DAYS * dayMs,
    },
    drainMs: e.DRAIN_SECONDS * 1000,
  }
}

/** Where each embedded store and each kind of file lives under DATA_DIR. */
export function dataPaths(dataDir: string) {
  return {
    catalog: join(dataDir, 'catalog'),
    warehouse: join(dataDir, 'warehouse.duckdb'),
    online: join(dataDir, 'online'),
    datasets: join(dataDir, 'datasets'),
    temporary: join(dataDir, 'tmp'),
    lock: join(dataDir, 'gateway.lock'),
    /** In a folder that its owner alone may enter. */
    operatorSocket: join(dataDir, 'operator', 'gateway.sock'),
    /** Where the gateway that has the folder hears commands. */
    socket: join(dataDir, 'gateway.sock'),
    /** There while a backup is put back, and when that was cut short. */
    restoring: join(dataDir, 'restoring'),
    /** There until the first start on a backup that was put back. */
    restored: join(dataDir, 'restored'),
  }
}
