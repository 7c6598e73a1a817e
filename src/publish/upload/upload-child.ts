// The process that reads what clients upload.

import { createParquetEngine, type ParquetEngineOptions } from '../../parquet/engine.ts'
import { serveEngine } from '../../processes/engine-child.ts'
import type { Column } from '../../values/columns.ts'
import { type PrepareRequest, prepareUpload } from './prepare.ts'
import { prepareSpine, type SpineFileRequest } from './spine.ts'

serveEngine<ParquetEngineOptions>(async (options) => {
  const engine = createParquetEngine(options)
  return {
    handlers: {
      start: async () => null,
      prepare: (request: Omit<PrepareRequest, 'signal'>, { signal }) =>
        prepareUpload(engine, { ...request, signal }),
      spine: (request: Omit<SpineFileRequest, 'signal'>, { signal }) =>
        prepareSpine(engine, { ...request, signal }),
      scan: async ({ path, columns }: { path: string; columns: readonly Column[] }, { signal }) => ({
        batches: engine.scan(path, { columns, signal }),
      }),
    },
    close: engine.close,
  }
})
