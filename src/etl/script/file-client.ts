// Scripts over files as the gateway asks for them: run in a thread that is started on need, and again after it has ended.

import type { Logger } from 'pino'
import { startEngine } from '../../processes/engine-process.ts'
import type { Column } from '../../values/columns.ts'
import type { FileProgress } from '../request.ts'
import type { ScriptFileRequest } from './file.ts'

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

/** What it tells of a run under way. */
export type FileTold = FileProgress | { said: readonly string[] }

export function createFileThread({ log, ...options }: FileThreadOptions & { log: Logger }) {
  const thread = startEngine({
    name: 'ETL engine for files',
    entry: new URL('./file-thread.ts', import.meta.url),
    options,
    memoryMb: null,
    isLazy: true,
    log,
  })
  return {
    async run({ signal, onProgress, onSaid, ...request }: ScriptFileRequest) {
      const { call } = await thread
      const hear = (told: FileTold) => ('said' in told ? onSaid?.(told.said) : onProgress?.(told))
      return call<{ columns: Column[]; rowCount: bigint }>('run', request, { signal, onProgress: hear })
    },
    close: async () => (await thread).close(),
  }
}
