// A warehouse whose calls are timed and traced.

import type { Metrics } from '../telemetry/metrics.ts'
import { observe } from '../telemetry/observe.ts'
import type { Warehouse } from './port.ts'

/** A scan counts until its first rows may be read: how fast they are is up to the reader. */
export function observeWarehouse(warehouse: Warehouse, { warehouseSeconds }: Metrics['stores']): Warehouse {
  const observed = <T>(name: string, work: () => Promise<T>) =>
    observe(
      {
        span: `warehouse ${name}`,
        attributes: { 'db.system.name': warehouse.name, 'db.operation.name': name },
        seconds: (outcome) => warehouseSeconds(name, outcome),
      },
      work,
    )

  const { lookupMany } = warehouse
  return {
    ...warehouse,
    ...(lookupMany && {
      lookupMany: (request) => observed('lookup many', () => lookupMany(request)),
    }),
    describe: (sql, options) => observed('describe', () => warehouse.describe(sql, options)),
    atMoment: (...asked) => observed('describe', () => warehouse.atMoment(...asked)),
    exportParquet: (request) => observed('export', () => warehouse.exportParquet(request)),
    lookup: (request) => observed('lookup', () => warehouse.lookup(request)),
    scan: (request) => observed('scan', () => warehouse.scan(request)),
    append: (request) => observed('append', () => warehouse.append(request)),
    appendFiles: (request) => observed('append', () => warehouse.appendFiles(request)),
    erase: (request) => observed('erase', () => warehouse.erase(request)),
  }
}
