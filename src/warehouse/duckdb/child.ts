// The process that runs the embedded warehouse's engine.

import { callAgain } from '../../concurrency/retry.ts'
import { messageOf } from '../../errors.ts'
import { serveEngine } from '../../processes/engine-child.ts'
import type { WarehouseOptions } from '../options.ts'
import type {
  AppendFilesRequest,
  AppendRequest,
  DescribeOptions,
  EraseRequest,
  ExportRequest,
  HeldSnapshot,
  LookupManyRequest,
  LookupRequest,
  NewTable,
  ScanRequest,
  SignedChanges,
  TableRows,
  Warehouse,
} from '../port.ts'
import { createDuckdbWarehouse } from './duckdb.ts'

type Given<Request> = Omit<Request, 'signal' | 'onProgress'>

serveEngine<Omit<WarehouseOptions, 'log'>>(async (options, log) => {
  const warehouse = await openOnceFree({ ...options, log })
  /** Those that were told last. */
  let told: SignedChanges | null | undefined
  const snapshots = new Map<string, HeldSnapshot>()
  return {
    handlers: {
      describe: ({ sql, ...asked }: { sql: string } & Given<DescribeOptions>, { signal }) =>
        warehouse.describe(sql, { ...asked, signal }),
      atMoment: ({ sql, expression }: { sql: string; expression: string }, { signal }) =>
        warehouse.atMoment(sql, expression, { signal }),
      exportParquet: (request: Given<ExportRequest>, { signal, onProgress }) =>
        warehouse.exportParquet({ ...request, signal, onProgress }),
      async holdSnapshot(_: null, { signal }) {
        const held = await warehouse.holdSnapshot({ statements: [], signal })
        snapshots.set(held.id, held)
        return { id: held.id }
      },
      async releaseSnapshot({ id }: { id: string }) {
        const held = snapshots.get(id)
        snapshots.delete(id)
        await held?.release()
      },
      lookup: (request: Given<LookupRequest>, { signal }) => warehouse.lookup({ ...request, signal }),
      lookupMany: async (request: Given<LookupManyRequest>, { signal }) =>
        warehouse.lookupMany?.({ ...request, signal }),
      scan: (request: Given<ScanRequest>, { signal }) => warehouse.scan({ ...request, signal }),
      append: (request: AppendRequest) => warehouse.append(request),
      appendFiles: (request: AppendFilesRequest) => warehouse.appendFiles(request),
      erase: (request: EraseRequest) => warehouse.erase(request),
      findMisfit: (rows: TableRows) => warehouse.findMisfit(rows),
      tables: () => warehouse.tables(),
      createTable: (table: NewTable) => warehouse.createTable(table),
      version: () => warehouse.version(),
      async readSigns() {
        told = await warehouse.signs?.read(async () => [])
        return told?.changes ?? null
      },
      keepSigns: async () => told?.done(),
      copyTo: async ({ file }: { file: string }) => warehouse.copyTo?.(file, async () => undefined),
      examine: async () => warehouse.examine?.(),
      ping: () => warehouse.ping(),
    },
    close: () => warehouse.close(),
  }
})

const waitMs = 50
const attempts = 100

/** A process that was ended a moment ago may still hold the file. */
function openOnceFree(options: WarehouseOptions): Promise<Warehouse> {
  return callAgain(
    () => createDuckdbWarehouse(options),
    (failures, error) => {
      const isHeld = /could not set lock|conflicting lock/i.test(messageOf(error))
      return isHeld && failures < attempts ? waitMs : null
    },
  )
}
