// Rows in Parquet files on their way into the embedded warehouse: the engine reads them itself.

import type { DuckDBConnection } from '@duckdb/node-api'
import { distinctValues } from '../../parquet/distinct-values.ts'
import { readFiles } from '../../parquet/file-faults.ts'
import { quoteName } from '../../sql/sql-text.ts'
import { changeOfFiles } from '../file-changes.ts'
import type { AppendFilesRequest, TableChange, TableFiles } from '../port.ts'
import { findRowsTable } from '../rows-table.ts'
import { keepsValues } from './append-target.ts'
import type { TableList } from './schema.ts'
import { tableName } from './staging.ts'

function tableOf(tables: TableList, { table, columns }: TableFiles) {
  return findRowsTable(tables.all, { table, columns: columns.map(({ name }) => name), rows: [] }).table
}

export async function writeFiles(
  connection: DuckDBConnection,
  tables: TableList,
  part: TableFiles,
): Promise<void> {
  const names = part.columns.map(({ name }) => quoteName(name))
  const values = part.columns.map(({ name, storage }) => `CAST(${quoteName(name)} AS ${storage})`)
  await connection.run(
    `INSERT INTO ${tableName(tableOf(tables, part))} (${names.join(', ')}) SELECT ${values.join(', ')} FROM ${readFiles(part.files)}`,
  )
}

export function changeOf(
  connection: DuckDBConnection,
  tables: TableList,
  { part, keys, maxKeys }: { part: TableFiles; keys: AppendFilesRequest['keys']; maxKeys: number },
): Promise<TableChange> {
  const table = tableOf(tables, part)
  return changeOfFiles(
    { table, part, keys, maxKeys },
    {
      isKept: (name) => keepsValues(table, name),
      distinct: (columns, max) => distinctValues(connection, { files: part.files, columns, max }),
    },
  )
}
