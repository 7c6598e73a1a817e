// How a feature view may follow the warehouse: by key where that is sound, else in full.

import { AppError } from '../errors.ts'
import { quoteName } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import type { KeyType } from '../values/entity-key.ts'
import { keyForm } from '../values/key-forms.ts'
import type { Warehouse, WarehouseTable } from '../warehouse/port.ts'
import { namesOf } from './drift.ts'
import { sameName } from './followed.ts'

export type RefreshAsked = 'AUTO' | 'BY_KEY' | 'FULL' | 'MANUAL'
export type Refresh = Exclude<RefreshAsked, 'AUTO'>

export interface Policy {
  refresh: Refresh
  refreshNote: string | null
  /** The base tables that the query reads, as schema.name. */
  tables: string[]
}

/**
 * Refreshing by key is sound when every base table has the key's columns, of the same types, and the rows of one key
 * are proven to be made of the tables' rows of that key alone: a new row then says whose result it changes.
 */
export async function choosePolicy(request: {
  warehouse: Warehouse
  sql: string
  key: KeyType
  asked: RefreshAsked
}): Promise<Policy> {
  const { warehouse, sql, key, asked } = request
  const { tables: read, changing, whyNotLocal } = await warehouse.describe(sql, { key: key.names })
  const tables = namesOf(read)
  if (typeof changing === 'string' && asked !== 'MANUAL') {
    throw new AppError(
      'BAD_USER_INPUT',
      `The query cannot be served in real time: ${changing} gives another result at each run, so serving would differ from training. Write as_of() for the moment that is asked about, or take it from a column; or create a feature view with refresh MANUAL, which serves the rows of the time they were first looked up.`,
    )
  }
  if (asked === 'FULL' || asked === 'MANUAL') return { refresh: asked, refreshNote: null, tables }

  const obstacle = (await findObstacle(warehouse, tables, key)) ?? notLocal(whyNotLocal, key.label)
  if (obstacle === null) return { refresh: 'BY_KEY', refreshNote: null, tables }
  if (asked === 'BY_KEY') {
    throw new AppError(
      'BAD_USER_INPUT',
      `This view cannot be refreshed BY_KEY: ${obstacle}, so a new row does not say whose result it changes. Ask for FULL or AUTO.`,
    )
  }
  return { refresh: 'FULL', refreshNote: `Refreshed in full: ${obstacle}.`, tables }
}

function notLocal(reason: string | null | undefined, indexKey: string): string | null {
  if (reason === null) return null
  const because = reason ?? 'the warehouse proves nothing of it'
  return `its rows of one ${indexKey} may depend on rows of others (${because})`
}

async function findObstacle(
  warehouse: Warehouse,
  tables: readonly string[],
  key: KeyType,
): Promise<string | null> {
  const known = new Map(
    (await warehouse.tables()).map((table) => [`${table.schema}.${table.name}`.toLowerCase(), table]),
  )
  for (const name of tables) {
    for (const part of key.columns) {
      const obstacle = await findObstacleOf(part, warehouse, { name, table: known.get(name.toLowerCase()) })
      if (obstacle !== null) return obstacle
    }
  }
  return null
}

/** Of one of the key's columns. */
async function findObstacleOf(
  part: Column,
  warehouse: Warehouse,
  { name, table }: { name: string; table: WarehouseTable | undefined },
): Promise<string | null> {
  const column = table?.columns.find((candidate) => sameName(candidate.name, part.name))
  if (table === undefined || column === undefined) return `the table ${name} has no column ${part.name}`
  if (column.type !== part.type)
    return `the column ${column.name} of the table ${name} is of type ${column.type}, the query's of type ${part.type}`
  const own = await nativeOf(warehouse, table, column)
  return isSameText(own, part.native)
    ? null
    : `the column ${column.name} of the table ${name} is of type ${own}, the query's of type ${part.native}`
}

/** Of a column of texts, what the engine calls its type when it stands in a statement. */
async function nativeOf(
  warehouse: Warehouse,
  { schema, name }: WarehouseTable,
  column: Column,
): Promise<string | undefined> {
  if (column.type !== 'STRING') return undefined
  const sql = `SELECT ${quoteName(column.name)} FROM ${quoteName(schema)}.${quoteName(name)}`
  const described = await warehouse.describe(sql)
  return described.columns[0]?.native
}

/** Whether both types tell the same texts apart; what is not known of one is not held against it. */
function isSameText(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return true
  const form = keyForm(a)
  return form !== undefined && form === keyForm(b)
}
