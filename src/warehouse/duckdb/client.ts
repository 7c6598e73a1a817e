// The embedded warehouse as the gateway uses it: its engine runs in a process of its own, which a statement may bring down.

import { duckdbAsOf } from '../../duckdb/as-of-join.ts'
import { processMemoryMb, startEngine } from '../../processes/engine-process.ts'
import type { WarehouseOptions } from '../options.ts'
import type { ExportProgress, SignedChanges, Warehouse } from '../port.ts'
import { composeWith } from '../set-statement.ts'

/** Constants are computed while a statement is planned, and may take any time. */
const describeLimit = {
  ms: 15_000,
  message:
    'The statement took longer than 15 s to be planned; let it compute from tables rather than from constants.',
}

export async function createDuckdbWarehouseProcess({
  log,
  ...options
}: WarehouseOptions): Promise<Warehouse> {
  const engine = await startEngine({
    name: 'warehouse',
    entry: new URL('./child.ts', import.meta.url),
    options,
    memoryMb: processMemoryMb(options.memoryMb),
    log,
  })

  /** Settled unless appends are held back. */
  let mayAppend = Promise.resolve()

  return {
    name: 'duckdb',
    joinsLaterally: duckdbAsOf.hasLateral,
    describe: (sql, { signal, ...asked } = {}) =>
      engine.call('describe', { sql, ...asked }, { signal, limit: describeLimit }),
    atMoment: (sql, expression, { signal } = {}) =>
      engine.call('atMoment', { sql, expression }, { signal, limit: describeLimit }),
    exportParquet: ({ signal, onProgress, ...request }) =>
      engine.call('exportParquet', request, {
        signal,
        onProgress: (progress: ExportProgress) => onProgress?.(progress),
      }),
    composeTrainingSet: (set) => composeWith(duckdbAsOf, set, ['asof']),
    async holdSnapshot({ signal }) {
      const { id }: { id: string } = await engine.call('holdSnapshot', null, { signal })
      return { id, release: () => engine.call('releaseSnapshot', { id }) }
    },
    lookup: ({ signal, ...request }) => engine.call('lookup', request, { signal }),
    lookupMany: ({ signal, ...request }) => engine.call('lookupMany', request, { signal }),
    scan: ({ signal, ...request }) => engine.stream('scan', request, { signal }),
    async append(request) {
      await mayAppend
      return engine.call('append', request)
    },
    async appendFiles(request) {
      await mayAppend
      return engine.call('appendFiles', request)
    },
    async erase(request) {
      await mayAppend
      return engine.call('erase', request)
    },
    findMisfit: (rows) => engine.call('findMisfit', rows),
    async copyTo(file, alongside) {
      const held = Promise.withResolvers<void>()
      mayAppend = held.promise
      try {
        // An append that is on its way is in the warehouse alone, which its job, told again, finds out.
        await alongside()
        await engine.call('copyTo', { file })
      } finally {
        held.resolve()
      }
    },
    examine: () => engine.call('examine', null),
    tables: () => engine.call('tables', null),
    async createTable(table) {
      await mayAppend
      return engine.call('createTable', table)
    },
    version: () => engine.call('version', null),
    signs: {
      async read() {
        const changes: SignedChanges['changes'] | null = await engine.call('readSigns', null)
        return changes && { changes, done: () => engine.call('keepSigns', null) }
      },
    },
    ping: () => engine.call('ping', null),
    close: engine.close,
  }
}
