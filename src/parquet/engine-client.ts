// Runs SQL ETLs in a process of their own, started with the first: one that hangs or takes too much memory ends that process.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { processMemoryMb, startEngine } from '../processes/engine-process.ts'
import type { ParquetEngine, ParquetEngineOptions } from './engine.ts'

export type SqlRunner = Pick<ParquetEngine, 'checkSql' | 'promiseSql' | 'runSql' | 'runSqlGroups'>

const planLimit = { ms: 15_000, message: 'The SQL took longer than 15 s to be planned.' }
/** For those who set no limit of their own. */
const groupsLimit = { ms: 60_000, message: 'The SQL took longer than 60 s.' }

export async function createSqlRunner({
  log,
  ...options
}: ParquetEngineOptions & { log: Logger }): Promise<SqlRunner & { close(): Promise<void> }> {
  const engine = await startEngine({
    name: 'SQL ETLs',
    entry: new URL('./engine-child.ts', import.meta.url),
    options: { ...options, temporaryFolder: join(options.temporaryFolder, 'sql-etls') },
    memoryMb: processMemoryMb(options.memoryMb),
    isLazy: true,
    log,
  })
  return {
    checkSql: (sql) => engine.call('checkSql', sql, { limit: planLimit }),
    promiseSql: (request) => engine.call('promiseSql', request, { limit: planLimit }),
    runSql: ({ signal, onProgress, ...request }) =>
      engine.call('runSql', request, {
        signal,
        onProgress: (fraction: number | null) => onProgress?.(fraction),
      }),
    runSqlGroups: ({ signal, ...request }) =>
      engine.call('runSqlGroups', request, { signal, limit: groupsLimit }),
    close: engine.close,
  }
}
