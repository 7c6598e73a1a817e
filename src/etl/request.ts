// What is asked of the ETL engine, and what a group of rows becomes.

import type { EtlRecord } from '../catalog/etls.ts'
import type { AppError } from '../errors.ts'
import type { Certainty } from '../sql/determinism.ts'
import type { Column, Frame, Row } from '../values/columns.ts'
import type { EtlSource } from './source/source.ts'

/** What the engine needs to know of an ETL. */
export type RunnableEtl = Pick<EtlSource | EtlRecord, 'name' | 'language' | 'source'>

/** What an ETL is given: its columns, and what is promised of them and of the rows. */
export interface EtlInput {
  columns: readonly Column[]
  determinism: Certainty
}

export type EtlGroupResult = { ok: true; frame: Frame } | { ok: false; error: AppError }

/** Rows of the input that are through, where they go through one by one; else the engine's estimate from 0 to 1, null where it has none. */
export type FileProgress = { rows: number } | { fraction: number | null }

export interface FileRequest {
  etl: RunnableEtl
  inputPath: string
  inputColumns: readonly Column[]
  outputPath: string
  signal?: AbortSignal | undefined
  onProgress?: ((progress: FileProgress) => void) | undefined
  /** Called once, before the end, with what a script has said by console, if it has; also of one that fails. */
  onSaid?: ((lines: readonly string[]) => void) | undefined
}

export interface GroupsRequest {
  etl: RunnableEtl
  inputColumns: readonly Column[]
  groups: readonly (readonly Row[])[]
  /** The columns of training, held against the output; null before the first training run: each group's own then. */
  outputColumns: readonly Column[] | null
  signal?: AbortSignal | undefined
}
