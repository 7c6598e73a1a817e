// The settings of what the gateway keeps and reads: folders, stores, and where ETLs may come from.

import { isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { list } from './setting-kinds.ts'

/** Of these schemes the rest is a URL as the standard has it: `redis-cluster://a:1,b:2` is not, and is read by its store. */
const standardUrl = /^(postgres|postgresql|trino|redis|rediss):/

function storeUrl(fallback: string, schemes: readonly string[]) {
  return z
    .string()
    .default(fallback)
    .refine((url) => schemes.some((scheme) => url.startsWith(`${scheme}:`)), {
      error: `must begin with one of ${schemes.map((scheme) => `${scheme}:`).join(', ')}`,
    })
    .refine((url) => !standardUrl.test(url) || isWhole(url), {
      error: 'is not a whole URL. In a password # ? / @ : and % are written %23 %3F %2F %40 %3A and %25',
    })
}

/** A # would begin a fragment, which no store has: the rest of a password and the host are lost behind it. */
function isWhole(url: string): boolean {
  return URL.canParse(url) && !url.includes('#')
}

export const storeSettings = {
  DATA_DIR: z.string().min(1).default('./data'),
  DATASETS_DIR: z.string().optional(),
  CATALOG_URL: storeUrl('pglite:', ['pglite', 'postgres', 'postgresql']),
  WAREHOUSE_URL: storeUrl('duckdb:', ['duckdb', 'postgres', 'postgresql', 'trino']),
  WAREHOUSE_FILES: list,
  WAREHOUSE_EXTENSIONS: list,
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  AWS_SESSION_TOKEN: z.string().optional(),
  AWS_REGION: z.string().optional(),
  AWS_ENDPOINT_URL: z.url({ protocol: /^https?$/ }).optional(),
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
}

const shape = z.object(storeSettings)
type StoreSettings = z.infer<typeof shape>

/** Keys and place of the buckets that `files` names; a bucket that is open to all takes none. */
export interface S3Access {
  keyId?: string | undefined
  secret?: string | undefined
  sessionToken?: string | undefined
  region?: string | undefined
  /** A URL, of another service than Amazon's. */
  endpoint?: string | undefined
}

export interface StoreConfig {
  /** Absolute; everything embedded lives here. */
  dataDir: string
  /** Absolute: where datasets' files are; gateways that share a catalog share it too. */
  datasetsDir: string
  catalogUrl: string
  warehouseUrl: string
  /** Absolute folders and files that the embedded warehouse mounts as tables of schema `files`. */
  warehouseFiles: readonly string[]
  /** Absolute folders with the embedded warehouse's extensions. */
  warehouseExtensions: readonly string[]
  /** How the buckets among the files are reached. */
  s3: S3Access
  onlineUrl: string
  /** Absolute: the file of the authorities that the online store's certificate may come from; null takes the system's. */
  onlineTlsCa: string | null
  /** Hosts (`github.com`, `localhost:8080`) and absolute folders that ETLs may be loaded from. */
  etlSources: { hosts: readonly string[]; folders: readonly string[] }
}

/** What is wrong with the settings as a whole, each fault under a setting's name. */
export function faultsOfStores(
  given: StoreSettings & { WORKERS: number },
): [name: string, message: string][] {
  const faults: [string, string][] = []
  if (given.WAREHOUSE_FILES.length > 0 && !given.WAREHOUSE_URL.startsWith('duckdb:'))
    faults.push([
      'WAREHOUSE_FILES',
      'files are mounted beside the embedded warehouse alone (WAREHOUSE_URL=duckdb:…); bring them into the server of WAREHOUSE_URL as tables, or leave this setting out',
    ])
  const embedded = (['CATALOG_URL', 'WAREHOUSE_URL', 'ONLINE_URL'] as const).filter((name) =>
    /^(pglite|duckdb|lmdb):/.test(given[name]),
  )
  // What is embedded belongs to one process.
  if (given.WORKERS > 1 && embedded.length > 0)
    faults.push([
      'WORKERS',
      `more than one worker needs stores that processes share: set ${embedded.join(', ')} to a server`,
    ])
  return faults
}

export function readStores(given: StoreSettings): StoreConfig {
  const dataDir = resolve(given.DATA_DIR)
  return {
    dataDir,
    datasetsDir: given.DATASETS_DIR === undefined ? dataPaths(dataDir).datasets : resolve(given.DATASETS_DIR),
    catalogUrl: given.CATALOG_URL,
    warehouseUrl: given.WAREHOUSE_URL,
    warehouseFiles: given.WAREHOUSE_FILES.map(resolveFile),
    s3: {
      keyId: given.AWS_ACCESS_KEY_ID,
      secret: given.AWS_SECRET_ACCESS_KEY,
      sessionToken: given.AWS_SESSION_TOKEN,
      region: given.AWS_REGION,
      endpoint: given.AWS_ENDPOINT_URL,
    },
    warehouseExtensions: given.WAREHOUSE_EXTENSIONS.map((path) => resolve(path)),
    onlineUrl: given.ONLINE_URL,
    onlineTlsCa: given.ONLINE_TLS_CA === undefined ? null : resolve(given.ONLINE_TLS_CA),
    etlSources: {
      hosts: given.ETL_SOURCES.filter((source) => !isFolder(source)),
      folders: given.ETL_SOURCES.filter(isFolder).map((path) => resolve(path)),
    },
  }
}

/** `./people.csv`, `delta:./lake/orders` */
function resolveFile(entry: string): string {
  const [, format = '', path = entry] = /^((?:delta|iceberg|ducklake):)(.*)$/s.exec(entry) ?? []
  return /^s3:\/\//.test(path) ? entry.replace(/\/+$/, '') : `${format}${resolve(path)}`
}

function isFolder(source: string): boolean {
  return isAbsolute(source) || source.startsWith('.')
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
    /** Where the gateway that has the folder hears commands: in one that its owner alone may enter. */
    socket: join(dataDir, 'operator', 'gateway.sock'),
    /** There while a backup is put back, and when that was cut short. */
    restoring: join(dataDir, 'restoring'),
    /** There until the first start on a backup that was put back. */
    restored: join(dataDir, 'restored'),
  }
}
