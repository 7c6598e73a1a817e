// Rows of the embedded warehouse that go: values are bound, and compared in the type that reading gives.

import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api'
import { carrierOf } from '../../duckdb/column-types.ts'
import { readRows } from '../../duckdb/decode.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { KeyValues } from '../../values/entity-key.ts'
import { findErasedTable } from '../erased-table.ts'
import { appendOnce } from '../ledger.ts'
import type { EraseRequest, EraseResult } from '../port.ts'
import { columnsOf, readKeys } from '../stored-keys.ts'
import { transactionOf } from './append.ts'
import type { DuckdbTable, TableList } from './schema.ts'
import { tableName } from './staging.ts'

export async function erase(
  connection: DuckDBConnection,
  tables: TableList,
  request: EraseRequest,
): Promise<EraseResult> {
  const { table, places, wanted } = findErasedTable(tables.all, request)
  const place = `${table.schema}.${table.name}`
  const read = columnsOf(wanted).map((name) =>
    castOf(
      table,
      table.columns.findIndex((c) => c.name === name),
    ),
  )
  let rows = 0
  const result = await appendOnce(transactionOf(connection), request, {
    async write() {
      const compared = places.map((column, i) => `${comparable(table, column)} = $${i + 1}`)
      const prepared = await connection.prepare(
        `DELETE FROM ${tableName(table)} WHERE ${compared.join(' AND ')} RETURNING ${['1', ...read].join(', ')}`,
      )
      try {
        await bind(connection, prepared, table, { places, values: request.values })
        const gone = await prepared.run()
        const cells = await readRows(gone, gone.columnTypes().map(carrierOf))
        rows = cells.length
        return rows === 0
          ? []
          : [
              {
                table: place,
                keys: readKeys(
                  wanted,
                  cells.map(([, ...keys]) => keys),
                ),
              },
            ]
      } finally {
        prepared.destroySync()
      }
    },
    changesOfBefore: async () => [{ table: place, keys: null }],
  })
  return { ...result, rows }
}

/** In the type that reading gives it. */
function castOf({ columns }: DuckdbTable, place: number): string {
  const { name = '', storage } = columns[place] ?? {}
  return `CAST(${quoteName(name)} AS ${storage})`
}

/** Texts are the same when their characters are, whatever the column's collation. */
function comparable(table: DuckdbTable, place: number): string {
  const cast = castOf(table, place)
  return table.columns[place]?.type === 'STRING' ? `${cast} COLLATE "C"` : cast
}

async function bind(
  connection: DuckDBConnection,
  prepared: DuckDBPreparedStatement,
  table: DuckdbTable,
  { places, values }: { places: readonly number[]; values: KeyValues },
) {
  const typed = await connection.prepare(
    `SELECT ${places.map((column) => castOf(table, column)).join(', ')} FROM ${tableName(table)}`,
  )
  try {
    for (const [i, value] of values.entries()) {
      const type = typed.columnType(i)
      prepared.bindValue(i + 1, carrierOf(type).write(value), type)
    }
  } finally {
    typed.destroySync()
  }
}
