// One table's rows on their way into the embedded warehouse: as they are where their types are the table's own, else cast by the engine.

import { setImmediate } from 'node:timers/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { createRowAppender } from '../../duckdb/append-rows.ts'
import { withAppender } from '../../duckdb/appender.ts'
import { carrierOf, ValueMismatch } from '../../duckdb/column-types.ts'
import { readRows } from '../../duckdb/decode.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { AppendRequest, TableChange, TableRows } from '../port.ts'
import { badInput, findRowsTable } from '../rows-table.ts'
import { columnsOf, givenKeys, readKeys, type WantedKey, wantedKeys } from '../stored-keys.ts'
import type { DuckdbTable, TableList } from './schema.ts'
import { insertStaged } from './staging.ts'

/** Rows that are handed to the engine between two turns of the event loop. */
const rowsPerTurn = 4096

export interface Target {
  table: DuckdbTable
  rows: TableRows
  wanted: readonly WantedKey[]
  /** The engine casts the values, or fills columns that are left out. */
  isCast: boolean
  /** What is stored in the columns wanted; null when only the engine knows. */
  known: TableChange['keys']
}

/** The columns of the rows that the engine casts. */
export function toBeCast(tables: TableList, rows: TableRows): { table: DuckdbTable; cast: TableRows } {
  const { table } = findRowsTable(tables.all, rows)
  const columns = castColumns(table, rows.columns)
  const places = columns.map((name) => rows.columns.indexOf(name))
  const cells = rows.rows.map((row) => places.map((place) => row[place] ?? null))
  return { table, cast: { table: rows.table, columns, rows: columns.length === 0 ? [] : cells } }
}

export function createTarget(tables: TableList, keys: AppendRequest['keys'], rows: TableRows): Target {
  const { table } = findRowsTable(tables.all, rows)
  const { defaults, computed } = table.intake
  const wanted = wantedKeys(keys, rows.table, table.columns)
  const isFilled = [...defaults, ...computed].some((name) => !rows.columns.includes(name))
  const isKept = columnsOf(wanted).every((name) => keepsValues(table, name))
  return {
    table,
    rows,
    wanted,
    isCast: isFilled || castColumns(table, rows.columns).length > 0 || !isKept,
    known: isKept && !isFilled ? givenKeys(wanted, rows) : null,
  }
}

/** Those whose values come in another type than their own. */
function castColumns({ columns, ownTypes }: DuckdbTable, among: readonly string[]): string[] {
  return columns
    .filter(({ storage }, i) => storage !== ownTypes[i])
    .map(({ name }) => name)
    .filter((name) => among.includes(name))
}

/** Whether a value is read again as it was written: not one that is cast, nor one that is rounded to 32 bits. */
export function keepsValues(table: DuckdbTable, name: string): boolean {
  const column = table.columns.find((each) => each.name === name)
  return column !== undefined && column.storage !== 'FLOAT' && castColumns(table, [name]).length === 0
}

export function changeOf({ table, rows }: Target, keys: TableChange['keys']): TableChange[] {
  return rows.rows.length === 0 ? [] : [{ table: `${table.schema}.${table.name}`, keys }]
}

/** What is stored in the columns wanted. */
export async function writeTarget(
  connection: DuckDBConnection,
  target: Target,
): Promise<TableChange['keys']> {
  if (target.rows.rows.length === 0) return null
  if (target.isCast) return writeCast(connection, target)
  await writeAsTheyAre(connection, target)
  return target.known
}

async function writeCast(
  connection: DuckDBConnection,
  { table, rows, wanted }: Target,
): Promise<TableChange['keys']> {
  const names = columnsOf(wanted)
  const storageOf = new Map(table.columns.map(({ name, storage }) => [name, storage]))
  const read = names.map((name) => `CAST(${quoteName(name)} AS ${storageOf.get(name)})`)
  const returning = names.length === 0 ? '' : ` RETURNING ${read.join(', ')}`
  const result = await naming(rows, () => insertStaged(connection, table, rows, returning))
  if (names.length === 0) return []
  const carriers = result.columnTypes().map(carrierOf)
  return readKeys(wanted, await readRows(result, carriers))
}

async function writeAsTheyAre(connection: DuckDBConnection, { table, rows }: Target): Promise<void> {
  const cells = table.columns.map(({ name }) => {
    const cell = rows.columns.indexOf(name)
    return { name, cell: cell < 0 ? null : cell }
  })
  const place = { table: table.name, schema: table.schema }
  await naming(rows, () =>
    withAppender(connection, place, async (appender) => {
      const target = createRowAppender(appender, cells)
      for (let from = 0; from < rows.rows.length; from += rowsPerTurn) {
        if (from > 0) await setImmediate()
        target.append(rows.rows.slice(from, from + rowsPerTurn), from)
      }
    }),
  )
}

/** A value that is not of its type is told with its table. */
async function naming<T>({ table }: TableRows, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ValueMismatch) throw badInput(`Table ${table}, ${error.message}.`)
    throw error
  }
}
