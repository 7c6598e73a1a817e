// What every warehouse adapter is created from.

import type { Logger } from 'pino'

import type { S3Access } from '../config/stores.ts'
import type { LookupLimits } from './lookup-limits.ts'

export interface WarehouseOptions {
  /** `duckdb:` or `duckdb:/path.duckdb`. */
  url: string
  /** The embedded warehouse's file when the URL names none. */
  file: string
  /** Absolute folders and files to mount as tables of schema `files`; of a lakehouse's tables with the format before the path: `delta:/lake/orders`. */
  files: readonly string[]
  /** Absolute folders that hold the engine's extensions, which some formats of `files` take. */
  extensions?: readonly string[]
  s3?: S3Access
  temporaryFolder: string
  datasetsFolder: string
  memoryMb: number
  /** What statements together may spill to disk. */
  spillMb: number
  /** What one lookup may give, for all its values together. */
  lookupLimits: LookupLimits
  log: Logger
}
