// The table that rows are for, found alike in every warehouse.

import { AppError } from '../errors.ts'
import { spellTable } from '../sql/sql-text.ts'
import { featureSchema, type Intake, type TableRows, type WarehouseTable } from './port.ts'

/** What `TableRows` call a table: by its name alone in `featureSchema`, else with its schema. */
export function rowsTableName({ schema, name }: Pick<WarehouseTable, 'schema' | 'name'>): string {
  return schema === featureSchema && !name.includes('.') ? name : `${schema}.${name}`
}

/** Where it may stand: a dot may be part of a name. */
export function schemasOf(rows: readonly Pick<TableRows, 'table'>[]): string[] {
  const named = rows.flatMap(({ table }) =>
    [...table.matchAll(/\./g)].map(({ index }) => table.slice(0, index)),
  )
  return [...new Set([featureSchema, ...named])]
}

/** Throws BAD_USER_INPUT when there is no such table that takes rows, or one of the columns is not its own. */
export function findRowsTable<Table extends WarehouseTable>(
  tables: readonly Table[],
  rows: TableRows,
): { table: Table & { intake: Intake }; places: readonly number[] } {
  const open = tables.filter((table): table is Table & { intake: Intake } => table.intake !== undefined)
  const table = open.find((each) => rowsTableName(each) === rows.table)
  if (table === undefined) {
    const known = open.map(spellTable).join(', ')
    throw badInput(`There is no table "${rows.table}" to append to; there is ${known}.`)
  }
  const places = rows.columns.map((name) => {
    const place = table.columns.findIndex((column) => column.name === name)
    if (place >= 0) return place
    const known = table.columns.map((column) => column.name).join(', ')
    throw badInput(`Table ${rows.table} has no column "${name}"; it has ${known}.`)
  })
  return { table, places }
}

export function badInput(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}
