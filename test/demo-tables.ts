// A warehouse, or a gateway, in which the demo's tables stand, as after its first flow.

import { createDemoTables, demoTables } from '../src/demo/tables.ts'
import type { Warehouse } from '../src/warehouse/port.ts'
import type { createClient } from './http/client.ts'

export async function withDemoTables(opening: Promise<Warehouse>): Promise<Warehouse> {
  const warehouse = await opening
  try {
    await createDemoTables(warehouse)
    return warehouse
  } catch (error) {
    await warehouse.close()
    throw error
  }
}

/** Of a gateway in another process, by what its clients have. */
export async function createTablesOver({ data }: Pick<ReturnType<typeof createClient>, 'data'>) {
  const document =
    'mutation ($name: String!, $columns: [ColumnInput!]!) { createTable(name: $name, columns: $columns) { name } }'
  for (const table of demoTables) await data(document, { ...table })
}
