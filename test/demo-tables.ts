// A warehouse in which the demo's tables stand, as after its first flow.

import { createDemoTables } from '../src/demo/tables.ts'
import type { Warehouse } from '../src/warehouse/port.ts'

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
