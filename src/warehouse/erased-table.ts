// The table whose rows are to go, found alike in every warehouse, with the places of the columns that say which.

import type { EraseRequest, WarehouseTable } from './port.ts'
import { findRowsTable } from './rows-table.ts'
import { type WantedKey, wantedKeys } from './stored-keys.ts'

/** Throws BAD_USER_INPUT as `findRowsTable` does. */
export function findErasedTable<Table extends WarehouseTable>(
  tables: readonly Table[],
  { table: name, columns, keys }: EraseRequest,
) {
  const { table, places } = findRowsTable(tables, { table: name, columns, rows: [] })
  const wanted: readonly WantedKey[] = wantedKeys(keys, name, table.columns)
  return { table, places, wanted }
}
