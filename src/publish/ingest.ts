// An application's own rows: checked against the table's columns, all or nothing, and kept with the job until written.

import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { type Column, encodeValue, type Row, type Value } from '../columns.ts'
import { AppError } from '../errors.ts'
import { featureSchema, type TableRows, type WarehouseTable } from '../warehouse/port.ts'
import { describeGiven, isObject, readCell } from './cells.ts'

export const maxRows = 100_000
const maxBytes = 32 * 1024 * 1024
const maxFaultsListed = 10
/** Rows that are checked between two turns of the event loop. */
const rowsPerTurn = 2000

/** The table that an application names, as `users` or `feature_store.users`. */
export function findIngestTable(tables: readonly WarehouseTable[], name: string): WarehouseTable {
  const open = tables.filter((table) => table.schema === featureSchema)
  const found = open.find((table) => table.name === name || `${table.schema}.${table.name}` === name)
  if (found !== undefined) return found
  const names = open.map((table) => table.name).sort()
  throw new AppError(
    'BAD_USER_INPUT',
    `There is no table ${JSON.stringify(name.slice(0, 100))} to write to. These take rows: ${names.join(', ')}.`,
    { details: { tables: names } },
  )
}

export interface IngestFault {
  /** From 0. */
  row: number
  /** Null when the row itself is at fault. */
  column: string | null
  given: string
  expected: string
}

export interface CheckedRows {
  rows: readonly Row[]
  /** The rows' JSON text, the form in which they wait to be written. */
  text: string
}

/**
 * Reads every row, or throws BAD_USER_INPUT with the first faults and their number. A row is an object of column names
 * and values; a column left out is null. More rows or bytes than one call may bring are TOO_LARGE.
 */
export async function checkRows(table: WarehouseTable, given: unknown): Promise<CheckedRows> {
  if (!Array.isArray(given) || given.length === 0) {
    throw new AppError(
      'BAD_USER_INPUT',
      `rows is ${Array.isArray(given) ? 'an empty list' : describeGiven(given)}; it must be a list of at least one object.`,
    )
  }
  if (given.length > maxRows) {
    throw new AppError(
      'TOO_LARGE',
      `rows holds ${given.length} rows; one call may bring ${maxRows}. Send the rest in further calls.`,
    )
  }
  const reader = createRowReader(table.columns)
  const rows: Row[] = []
  const texts: string[] = []
  let bytes = 0
  for (const [index, object] of given.entries()) {
    const row = reader.read(index, object)
    if (row !== null && reader.faultCount() === 0) {
      const text = `[${row.map(encodeValue).join(',')}]`
      bytes += Buffer.byteLength(text) + 1
      if (bytes > maxBytes) throw tooManyBytes(index)
      rows.push(row)
      texts.push(text)
    }
    if (index % rowsPerTurn === rowsPerTurn - 1) await setImmediate()
  }
  if (reader.faultCount() > 0) throw faulty(table, given.length, reader.faults, reader.faultCount())
  return { rows, text: `[${texts.join(',\n')}]` }
}

/** Reads one object after another, and keeps the first faults found. */
function createRowReader(columns: readonly Column[]) {
  const known = new Set(columns.map((column) => column.name))
  const faults: IngestFault[] = []
  let count = 0

  function fault(row: number, column: string | null, given: string, expected: string) {
    count++
    if (faults.length < maxFaultsListed) faults.push({ row, column, given, expected })
  }

  function read(index: number, object: unknown): Row | null {
    if (!isObject(object)) {
      fault(index, null, describeGiven(object), 'an object of column names and values')
      return null
    }
    for (const name of Object.keys(object)) {
      if (!known.has(name)) {
        fault(
          index,
          name.slice(0, 100),
          'a column that the table does not have',
          `one of ${[...known].join(', ')}`,
        )
      }
    }
    return columns.map((column): Value => {
      const given = Object.hasOwn(object, column.name) ? object[column.name] : null
      const reading = readCell(column, given)
      if ('value' in reading) return reading.value
      fault(index, column.name, describeGiven(given), reading.expected)
      return null
    })
  }

  return { read, faults, faultCount: () => count }
}

function tooManyBytes(index: number): AppError {
  return new AppError(
    'TOO_LARGE',
    `rows is over ${maxBytes / 1024 / 1024} MB of JSON at row ${index}; send it in several calls.`,
  )
}

function faulty(
  table: WarehouseTable,
  rowCount: number,
  faults: readonly IngestFault[],
  count: number,
): AppError {
  const lines = faults.map(
    ({ row, column, given, expected }) =>
      `row ${row}${column === null ? '' : `, column ${JSON.stringify(column)}`}: given ${given}, expected ${expected}`,
  )
  const more = count > faults.length ? `; and ${count - faults.length} more` : ''
  return new AppError(
    'BAD_USER_INPUT',
    `Nothing was written: ${count} ${count === 1 ? 'fault' : 'faults'} in ${rowCount} rows for ${table.schema}.${table.name}: ${lines.join('; ')}${more}.`,
    { details: { faults, faultCount: count } },
  )
}

const compress = promisify(gzip)
const decompress = promisify(gunzip)

/** What a job keeps of its rows until they are written. */
export async function packRows(
  table: WarehouseTable,
  checked: CheckedRows,
): Promise<Uint8Array<ArrayBuffer>> {
  const names = JSON.stringify(table.columns.map((column) => column.name))
  return new Uint8Array(await compress(`{"columns":${names},"rows":${checked.text}}`, { level: 1 }))
}

/** The rows of `packRows`, read again by the table's columns as they are now. */
export async function unpackRows(table: WarehouseTable, payload: Uint8Array): Promise<TableRows> {
  const text = (await decompress(payload)).toString()
  const packed = JSON.parse(text) as { columns: string[]; rows: unknown[][] }
  const byName = new Map(table.columns.map((column) => [column.name, column]))
  const columns = packed.columns.map((name) => {
    const column = byName.get(name)
    if (column !== undefined) return column
    throw changed(table, name)
  })
  const rows = packed.rows.map((cells) =>
    columns.map((column, i): Value => {
      const reading = readCell(column, cells[i])
      if ('value' in reading) return reading.value
      throw changed(table, column.name)
    }),
  )
  return { table: table.name, columns: packed.columns, rows }
}

function changed(table: WarehouseTable, column: string): AppError {
  return new AppError(
    'SCHEMA_MISMATCH',
    `Column ${JSON.stringify(column)} of ${table.schema}.${table.name} has changed since the rows were accepted; send them again.`,
  )
}
