// Whether a view's query still gives what it was saved with, and reads what it read: tables change under it.

import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import { AppError } from '../errors.ts'
import { qualifiedName } from '../sql/sql-text.ts'
import type { BaseTable, Warehouse } from '../warehouse/port.ts'
import { placesOf } from '../warehouse/saved-columns.ts'

export interface Fit {
  /** In what the tables no longer fit; null where they do. */
  drift: string | null
  /** The base tables that it reads now, as schema.name; null where that cannot be told. */
  tables: readonly string[] | null
}

/** What concerns the warehouse alone, an outage say, rejects. */
export async function examineFit(
  warehouse: Pick<Warehouse, 'describe'>,
  { query }: { query: Pick<SavedQueryRecord, 'sql' | 'columns'> },
): Promise<Fit> {
  try {
    const { columns, tables } = await warehouse.describe(query.sql)
    placesOf(query.columns, columns)
    return { drift: null, tables: namesOf(tables) }
  } catch (error) {
    if (!(error instanceof AppError) || !/^(SCHEMA_MISMATCH|INVALID_SQL)$/.test(error.code)) throw error
    const drift =
      error.code === 'SCHEMA_MISMATCH'
        ? error.message
        : `The tables have changed since the query was saved, and it no longer runs: ${error.message}`
    return { drift, tables: null }
  }
}

export function namesOf(tables: readonly BaseTable[]): string[] {
  return [...new Set(tables.map(qualifiedName))]
}
