// The process that runs SQL ETLs.

import { serveEngine } from '../processes/engine-child.ts'
import {
  createParquetEngine,
  type ParquetEngineOptions,
  type RunSqlGroupsRequest,
  type RunSqlRequest,
} from './engine.ts'
import type { SqlPromiseRequest } from './etl-promise.ts'

serveEngine<ParquetEngineOptions>(async (options) => {
  const engine = createParquetEngine(options)
  return {
    handlers: {
      checkSql: (sql: string) => engine.checkSql(sql),
      promiseSql: (request: SqlPromiseRequest) => engine.promiseSql(request),
      runSql: (request: Omit<RunSqlRequest, 'signal' | 'onProgress'>, { signal, onProgress }) =>
        engine.runSql({ ...request, signal, onProgress }),
      runSqlGroups: (request: Omit<RunSqlGroupsRequest, 'signal'>, { signal }) =>
        engine.runSqlGroups({ ...request, signal }),
    },
    close: engine.close,
  }
})
