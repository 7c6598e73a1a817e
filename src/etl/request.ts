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
  /** Held against the output, which they are the columns of; left out, the output's own are. */
  outputColumns?: readonly Column[] | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: FileProgress) => void) | undefined
  /** Called once, before the end, with what a script has said by console, if it has; also of one that fails. */
  onSaid?: ((lines: readonly string[]) => void) | undefined
}

/** Rows to try an ETL on, each group by itself. */
export type SampleRequest = Omit<GroupsRequest, 'outputColumns'>

export interface SampleResult {
  columns: readonly Column[]
  /** How many the group gave that gave most. */
  mostRows: number
}

export interface GroupsRequest {
  etl: RunnableEtl
  inputColumns: readonly Column[]
  groups: readonly (readonly Row[])[]
  /** The columns of training, held against the output; null before the first training run: each group's own then. */
  outputColumns: readonly Column[] | null
  signal?: AbortSignal | undefined
}

/** With the first failure. */
export function throwIfAllFailed(results: readonly EtlGroupResult[]): void {
  const [first] = results
  if (first?.ok === false && results.every(({ ok }) => !ok)) throw first.error
}
