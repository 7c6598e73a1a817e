// What the gateway and an ETL's child process say to each other.

import type { PackedRows } from '../../parquet/packed-columns.ts'
import type { Header } from './isolate/collect.ts'
import type { Failure } from './isolate/evaluation.ts'
import type { OutputColumn } from './isolate/pack.ts'
import type { ScriptSource } from './script.ts'

/**
 * A batch of results by column. `data` holds what has a fixed size, then the texts as UTF-8: `tails` has the length in
 * bytes of each column of texts or cells, in order. Lengths of texts are in bytes.
 */
export interface OutputRows extends Header {
  columns: readonly OutputColumn[]
  fixed: number
  tails: readonly number[]
  data: Uint8Array
}

/** Works on the script loaded under `key`; `missing` comes back when this child has not (or no longer) loaded it. */
export type Work =
  | { op: 'rows'; names: string; rows: PackedRows }
  | { op: 'groups'; form: 'transform' | 'extract'; spec: string; text: string }
  | { op: 'frameAdd'; names: string; rows: PackedRows }
  | { op: 'frameRun'; spec: string; timeoutMs: number }
  | { op: 'frameTake'; limit: number }
  | { op: 'frameDrop' }

export type Request = { id: number; key: string } & ({ op: 'load'; script: ScriptSource } | Work)

/** What work gives: a batch of results, the texts of `groups`, or a text. */
export type Told = string | readonly string[] | OutputRows

/** Of a script that has said something by console: `Said` of isolate/said.ts as JSON. */
type WithSaid = { said?: string | undefined }

/** The text of `rows` and `frameTake` is a failure's, or empty. `alive` comes between, whenever one group has used up its time and the next begins. */
export type Reply =
  | ({ id: number; text: string } & WithSaid)
  | { id: number; texts: readonly string[] }
  | ({ id: number; rows: OutputRows } & WithSaid)
  | ({ id: number; failure: Failure } & WithSaid)
  | { id: number; missing: true }
  | { id: number; alive: true }
