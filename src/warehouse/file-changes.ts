// What rows out of files have changed: the keys in the files where they are stored as they are, else any row of the table.

import type { Column, Row } from '../values/columns.ts'
import type { AppendFilesRequest, StoredKeys, TableChange, TableFiles, WarehouseTable } from './port.ts'
import { readKeys, wantedKeys } from './stored-keys.ts'

export async function changeOfFiles(
  {
    table,
    part,
    keys,
    maxKeys,
  }: {
    table: WarehouseTable
    part: TableFiles
    keys: AppendFilesRequest['keys']
    maxKeys: number
  },
  {
    isKept,
    distinct,
  }: {
    /** Whether a column stores what it is given. */
    isKept: (name: string) => boolean
    /** Null when there are more. */
    distinct: (columns: readonly Column[], max: number) => Promise<readonly Row[] | null>
  },
): Promise<TableChange> {
  const place = `${table.schema}.${table.name}`
  const filled = new Set([...(table.intake?.defaults ?? []), ...(table.intake?.computed ?? [])])
  const brought = new Map(part.columns.map((column) => [column.name, column]))
  const found: StoredKeys[] = []
  for (const wanted of wantedKeys(keys, part.table, table.columns)) {
    const values = []
    for (const names of wanted.found) {
      const columns = names.flatMap((name) => brought.get(name) ?? [])
      if (columns.length < names.length) {
        if (names.some((name) => !brought.has(name) && filled.has(name))) return { table: place, keys: null }
        continue
      }
      if (!names.every(isKept)) return { table: place, keys: null }
      const rows = await distinct(columns, maxKeys)
      if (rows === null) return { table: place, keys: null }
      values.push(...(readKeys([{ columns: names, found: [names] }], rows)[0]?.values ?? []))
    }
    found.push({ columns: wanted.columns, values })
  }
  return { table: place, keys: found }
}
