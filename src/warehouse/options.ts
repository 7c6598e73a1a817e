// What every warehouse adapter is created from.

import type { Logger } from 'pino'

import type { LookupLimits } from './lookup-limits.ts'

export interface WarehouseOptions {
  /** `duckdb:` or `duckdb:/path.duckdb`. */
  url: string
  /** The embedded warehouse's file when the URL names none. */
  file: string
  /** Absolute folders and files to mount as tables of schema `files`. */
  files: readonly string[]
  temporaryFolder: string
  datasetsFolder: string
  memoryMb: number
  /** What statements together may spill to disk. */
  spillMb: number
  /** What one lookup may give, for all its values together. */
  lookupLimits: LookupLimits
  log: Logger
}
