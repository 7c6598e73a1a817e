// What training is asked for, and what a training set is answered with.

import type { DatasetRecord } from '../catalog/datasets.ts'
import type { SavedQueryNotes } from '../catalog/saved-queries.ts'
import type { RepeatKey } from './repeated.ts'
import type { TrainingSetRequest } from './sets/sets.ts'

export interface QueryTrainRequest extends SavedQueryNotes {
  sql: string
  name: string
  save: boolean
  waitMs: number
  /** What as_of() is, in microseconds since 1970, UTC: now, unless it is said. */
  asOf?: bigint | undefined
  idempotencyKey?: string | null | undefined
}

export interface CreateTrainingSetRequest extends TrainingSetRequest {
  waitMs: number
  repeat?: RepeatKey | undefined
}

/** `notPointInTime` names the views without a time, whose rows are those of now. */
export interface MadeTrainingSet {
  dataset: DatasetRecord
  notPointInTime: readonly string[]
}

export interface ExtractTrainRequest {
  /** Of a saved query, or its name. */
  queryId: string
  /** Where the ETL lies, or its id in the catalog. */
  etlPath: string
  etlName?: string | null | undefined
  /** As of `QueryTrainRequest`. */
  asOf?: bigint | undefined
  save: boolean
  waitMs: number
}
