// The embedded warehouse as the gateway uses it: its engine runs in a process of its own, which a statement may bring down.

import { processMemoryMb, startApart } from '../parquet/apart.ts'
import type { WarehouseOptions } from './options.ts'
import type { ExportProgress, Warehouse } from './port.ts'

/** Constants are computed while a statement is planned, and may take any time. */
const describeLimit = {
  ms: 15_000,
  message:
    'The statement took longer than 15 s to be planned; let it compute from tables rather than from constants.',
}

export async function createDuckdbWarehouseApart({ log, ...options }: WarehouseOptions): Promise<Warehouse> {
  const apart = await startApart({
    name: 'warehouse',
    entry: new URL('./duckdb-process.ts', import.meta.url),
    options,
    memoryMb: processMemoryMb(options.memoryMb),
    log,
  })

  return {
    name: 'duckdb',
    describe: (sql, { signal, key } = {}) =>
      apart.call('describe', { sql, key }, { signal, limit: describeLimit }),
    exportParquet: ({ signal, onProgress, ...request }) =>
      apart.call('exportParquet', request, {
        signal,
        onProgress: (progress: ExportProgress) => onProgress?.(progress),
      }),
    lookup: ({ signal, ...request }) => apart.call('lookup', request, { signal }),
    scan: ({ signal, ...request }) => apart.stream('scan', request, { signal }),
    append: (request) => apart.call('append', request),
    tables: () => apart.call('tables', null),
    version: () => apart.call('version', null),
    ping: () => apart.call('ping', null),
    close: apart.close,
  }
}
