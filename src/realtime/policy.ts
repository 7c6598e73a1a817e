// How a feature view may follow the warehouse: by key where that is sound, else in full.

import type { Column } from '../columns.ts'
import { AppError } from '../errors.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { sameName } from './followed.ts'
import { keysComeFromTables } from './key-origin.ts'

export type RefreshAsked = 'AUTO' | 'BY_KEY' | 'FULL' | 'MANUAL'
export type Refresh = Exclude<RefreshAsked, 'AUTO'>

export interface Policy {
  refresh: Refresh
  refreshNote: string | null
  /** The base tables that the query reads, as schema.name. */
  tables: string[]
}

/**
 * Refreshing by key is sound when every base table has the key's column, of the same type, and the result's keys are
 * values of those columns: a new row then says whose result it changes. A row that changes other keys' results (a rank, a global average) is what parity finds.
 */
export async function choosePolicy(request: {
  warehouse: Warehouse
  sql: string
  keyColumn: Column
  asked: RefreshAsked
}): Promise<Policy> {
  const { warehouse, sql, keyColumn, asked } = request
  const { tables: read } = await warehouse.describe(sql)
  const tables = [...new Set(read.map((table) => `${table.schema}.${table.name}`))]
  if (asked === 'FULL' || asked === 'MANUAL') return { refresh: asked, refreshNote: null, tables }

  const obstacle =
    (await findObstacle(warehouse, tables, keyColumn)) ??
    ((await keysComeFromTables({ warehouse, sql, indexKey: keyColumn.name, tables })) === false
      ? foreignKeys(keyColumn.name)
      : null)
  if (obstacle === null) return { refresh: 'BY_KEY', refreshNote: null, tables }
  if (asked === 'BY_KEY') {
    throw new AppError(
      'BAD_USER_INPUT',
      `This view cannot be refreshed BY_KEY: ${obstacle}, so a new row does not say whose result it changes. Ask for FULL or AUTO.`,
    )
  }
  return { refresh: 'FULL', refreshNote: `Refreshed in full: ${obstacle}.`, tables }
}

export function foreignKeys(indexKey: string): string {
  return `the query's column ${indexKey} holds values that no table it reads holds under that name`
}

async function findObstacle(
  warehouse: Warehouse,
  tables: readonly string[],
  keyColumn: Column,
): Promise<string | null> {
  const known = new Map(
    (await warehouse.tables()).map((table) => [`${table.schema}.${table.name}`.toLowerCase(), table.columns]),
  )
  for (const name of tables) {
    const columns = known.get(name.toLowerCase()) ?? []
    const column = columns.find((candidate) => sameName(candidate.name, keyColumn.name))
    if (column === undefined) return `the table ${name} has no column ${keyColumn.name}`
    if (column.type !== keyColumn.type) {
      return `the column ${column.name} of the table ${name} is of type ${column.type}, the query's of type ${keyColumn.type}`
    }
  }
  return null
}
