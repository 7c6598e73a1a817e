// The thread that runs scripts over files: an engine and children of its own, so that the rows of millions pass by the
// gateway's own thread, which answers lookups meanwhile, and by its heap, which is large to collect.

import { join } from 'node:path'
import { createParquetEngine } from '../../parquet/engine.ts'
import { serveEngine } from '../../processes/engine-child.ts'
import { createScriptFiles, type ScriptFileRequest } from './file.ts'
import type { FileThreadOptions, FileTold } from './file-client.ts'
import { createSandbox } from './sandbox.ts'

serveEngine<FileThreadOptions>(async ({ folders, parquetMemoryMb, temporaryFolder, ...limits }, log) => {
  const parquet = createParquetEngine({
    folders,
    memoryMb: parquetMemoryMb,
    // What the gateway's own engine spills is beside it: each empties its folder as it opens.
    temporaryFolder: join(temporaryFolder, 'script-etls'),
  })
  const sandbox = createSandbox({ ...limits, log })
  const files = createScriptFiles({ parquet, sandbox, timeoutMs: limits.timeoutMs, temporaryFolder })
  return {
    handlers: {
      run(request: ScriptFileRequest, { signal, onProgress }) {
        const tell: (told: FileTold) => void = onProgress
        return files.run({ ...request, signal, onProgress: tell, onSaid: (said) => tell({ said }) })
      },
    },
    async close() {
      await sandbox.close()
      await parquet.close()
    },
  }
})
