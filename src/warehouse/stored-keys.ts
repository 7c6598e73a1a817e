// What an append tells of the tables that it changed: the stored values of the columns that were asked for.

import type { Value } from '../values/columns.ts'
import type { AppendRequest, TableChange, TableRows } from './port.ts'

/** A column that was asked for, and the table's columns of that name: names that differ in case alone are one. */
export interface WantedKey {
  column: string
  found: readonly string[]
}

export function wantedKeys(
  keys: AppendRequest['keys'],
  table: string,
  columns: readonly { name: string }[],
): WantedKey[] {
  const asked = new Set((keys ?? []).filter((key) => key.table === table).flatMap((key) => key.columns))
  return [...asked].map((column) => ({
    column,
    found: columns.map(({ name }) => name).filter((name) => name.toLowerCase() === column.toLowerCase()),
  }))
}

type StoredKeys = NonNullable<TableChange['keys']>

/** Of rows whose values are stored as they were given. */
export function givenKeys(wanted: readonly WantedKey[], { columns, rows }: TableRows): StoredKeys {
  return wanted.map(({ column, found }) => ({
    column,
    values: found.flatMap((name) => distinct(rows.map((row) => row[columns.indexOf(name)] ?? null))),
  }))
}

/** Of rows that hold nothing but the columns asked for, in their order. */
export function readKeys(wanted: readonly WantedKey[], rows: readonly (readonly Value[])[]): StoredKeys {
  return givenKeys(wanted, { table: '', columns: wanted.flatMap(({ found }) => found), rows })
}

function distinct(values: readonly Value[]): Value[] {
  return [...new Set(values)].filter((value) => value !== null)
}

/** Each table once. What is not known of one change is not known of its table. */
export function mergeChanges(changes: readonly TableChange[]): TableChange[] {
  return [...Map.groupBy(changes, ({ table }) => table)].map(([table, own]) => {
    const keys = own.flatMap((change) => change.keys ?? [])
    if (own.some((change) => change.keys === null)) return { table, keys: null }
    const byColumn = [...Map.groupBy(keys, ({ column }) => column)]
    const known = byColumn.filter(([, parts]) => parts.length === own.length)
    return {
      table,
      keys: known.map(([column, parts]) => ({
        column,
        values: distinct(parts.flatMap(({ values }) => values)),
      })),
    }
  })
}
