// The warehouses there are: an adapter is one file and one line here; the URL's scheme picks it.

import { ConfigError } from '../config/config-error.ts'
import type { WarehouseOptions } from './options.ts'
import type { Warehouse } from './port.ts'

const adapters: Record<string, () => Promise<(options: WarehouseOptions) => Promise<Warehouse>>> = {
  duckdb: async () => (await import('./duckdb/client.ts')).createDuckdbWarehouseProcess,
  postgres: async () => (await import('./postgres/postgres.ts')).createPostgresWarehouse,
  postgresql: async () => (await import('./postgres/postgres.ts')).createPostgresWarehouse,
  trino: async () => (await import('./trino/trino.ts')).createTrinoWarehouse,
}

export async function createWarehouse(options: WarehouseOptions): Promise<Warehouse> {
  const scheme = options.url.slice(0, Math.max(0, options.url.indexOf(':')))
  const load = adapters[scheme]
  if (load === undefined) {
    const known = Object.keys(adapters).map((name) => `${name}:`)
    throw new ConfigError(
      `WAREHOUSE_URL: there is no warehouse for "${scheme}:"; there is ${known.join(', ')}`,
    )
  }
  const create = await load()
  return create(options)
}
