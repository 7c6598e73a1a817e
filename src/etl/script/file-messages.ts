// What the gateway and the thread that runs scripts over files say to each other.

import type { Failure } from '../../processes/engine-messages.ts'
import type { Column } from '../../values/columns.ts'
import type { FileProgress } from '../request.ts'
import type { LoadedScript } from './load.ts'

/** What the thread is started with. */
export interface FileThreadOptions {
  /** Absolute folders that hold the files. */
  folders: readonly string[]
  /** Of the thread's own Parquet engine. */
  parquetMemoryMb: number
  temporaryFolder: string
  timeoutMs: number
  memoryMb: number
}

export interface FileWork {
  script: LoadedScript
  inputPath: string
  inputColumns: readonly Column[]
  outputPath: string
}

export type ToFileThread =
  | { op: 'run'; id: number; work: FileWork }
  | { op: 'abort'; id: number }
  | { op: 'close' }

/** `log` is a line as pino writes it. */
export type FromFileThread =
  | { op: 'progress'; id: number; progress: FileProgress }
  | { op: 'said'; id: number; lines: readonly string[] }
  | { op: 'done'; id: number; columns: Column[]; rowCount: bigint }
  | { op: 'failed'; id: number; failure: Failure }
  | { op: 'log'; line: string }
