// The thread that runs scripts over files: an engine and children of its own, so that the rows of millions pass by the
// gateway's own thread, which answers lookups meanwhile, and by its heap, which is large to collect.

import { parentPort, workerData } from 'node:worker_threads'
import { pino } from 'pino'
import { createParquetEngine } from '../../parquet/engine.ts'
import { toFailure } from '../../processes/engine-messages.ts'
import type { FileProgress } from '../request.ts'
import { createScriptFiles } from './file.ts'
import type { FileThreadOptions, FromFileThread, ToFileThread } from './file-messages.ts'
import { createSandbox } from './sandbox.ts'

const { folders, parquetMemoryMb, temporaryFolder, timeoutMs, memoryMb } = workerData as FileThreadOptions

function tell(message: FromFileThread): void {
  parentPort?.postMessage(message)
}

const log = pino(
  { level: 'warn', base: null, timestamp: false },
  { write: (line) => tell({ op: 'log', line }) },
)
const parquet = await createParquetEngine({ folders, memoryMb: parquetMemoryMb, temporaryFolder })
const sandbox = createSandbox({ timeoutMs, memoryMb, log })
const files = createScriptFiles({ parquet, sandbox, timeoutMs, temporaryFolder })
const running = new Map<number, AbortController>()

async function run({ id, work }: Extract<ToFileThread, { op: 'run' }>): Promise<void> {
  const controller = new AbortController()
  running.set(id, controller)
  try {
    const onProgress = (progress: FileProgress) => tell({ op: 'progress', id, progress })
    const onSaid = (lines: readonly string[]) => tell({ op: 'said', id, lines })
    const request = { ...work, signal: controller.signal, onProgress, onSaid }
    const { columns, rowCount } = await files.run(request)
    tell({ op: 'done', id, columns, rowCount })
  } catch (error) {
    tell({ op: 'failed', id, failure: toFailure(error) })
  } finally {
    running.delete(id)
  }
}

parentPort?.on('message', async (message: ToFileThread) => {
  switch (message.op) {
    case 'run':
      return run(message)
    case 'abort':
      return running.get(message.id)?.abort(new Error('aborted'))
    case 'close':
      await sandbox.close()
      await parquet.close()
      parentPort?.close()
  }
})
