// An application's own rows: checked against the table's columns, all or nothing, and kept with the job until written.

import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { AppError } from '../errors.ts'
import { spellTable } from '../sql/sql-text.ts'
import { createCellReader, describeGiven, isObject } from '../values/cells.ts'
import { encodeValue, type Row, type Value } from '../values/columns.ts'
import { featureSchema, type TableRows, type Warehouse, type WarehouseTable } from '../warehouse/port.ts'
import { rowsTableName } from '../warehouse/rows-table.ts'
import { findTable } from './tables.ts'

export const maxRows = 100_000
const maxBytes = 32 * 1024 * 1024
export const maxFaultsListed = 10
/** Rows that are checked between two turns of the event loop. */
const rowsPerTurn = 2000

/** The table that an application names, as `users`, `feature_store.users` or `sales.orders`. */
export function findIngestTable(tables: readonly WarehouseTable[], name: string): WarehouseTable {
  const open = tables.filter((table) => table.intake !== undefined)
  const found = findTable(open, name)
  if (found !== undefined) return found
  const names = open.map((table) => (table.schema === featureSchema ? table.name : spellTable(table))).sort()
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

/** Rows that bring the same columns. */
export interface CheckedPart extends TableRows {
  /** The place of each row among those that were given. */
  places: readonly number[]
}

export interface CheckedRows {
  count: number
  parts: readonly CheckedPart[]
  /** The parts' JSON text, the form in which they wait to be written. */
  text: string
}

/**
 * Reads every row, or throws BAD_USER_INPUT with the first faults and their number. A row is an object of column names
 * and values; a column left out gets its default, or null where it has none. More rows or bytes than one call may bring
 * are TOO_LARGE.
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
  const reader = createRowReader(table)
  const parts = createParts(table)
  for (const [index, object] of given.entries()) {
    const row = reader.read(index, object)
    if (row !== null && reader.faultCount() === 0) parts.add(index, row)
    if (index % rowsPerTurn === rowsPerTurn - 1) await setImmediate()
  }
  if (reader.faultCount() > 0) throw faulty(table, given.length, reader.faults, reader.faultCount())
  return { count: given.length, ...parts.all() }
}

export type Cells = ReadonlyMap<string, Value>

/** Puts rows together that bring the same columns, and bounds their text. */
function createParts(table: WarehouseTable) {
  const name = rowsTableName(table)
  const byColumns = new Map<string, { columns: string[]; rows: Row[]; texts: string[]; places: number[] }>()
  let bytes = 0
  return {
    add(index: number, cells: Cells) {
      const columns = [...cells.keys()]
      const key = JSON.stringify(columns)
      const part = byColumns.get(key) ?? { columns, rows: [], texts: [], places: [] }
      byColumns.set(key, part)
      const row = [...cells.values()]
      const text = `[${row.map(encodeValue).join(',')}]`
      bytes += Buffer.byteLength(text) + 1
      if (bytes > maxBytes) throw tooManyBytes(index)
      part.rows.push(row)
      part.texts.push(text)
      part.places.push(index)
    },
    all(): Pick<CheckedRows, 'parts' | 'text'> {
      const parts = [...byColumns.values()]
      const texts = parts.map(
        ({ columns, texts }) => `{"columns":${JSON.stringify(columns)},"rows":[${texts.join(',\n')}]}`,
      )
      return {
        parts: parts.map(({ columns, rows, places }) => ({ table: name, columns, rows, places })),
        text: `[${texts.join(',')}]`,
      }
    },
  }
}

/** Reads one object after another, and keeps the first faults found. */
export function createRowReader({ columns, intake }: WarehouseTable, createReader = createCellReader) {
  const computed = new Set(intake?.computed)
  const defaults = new Set(intake?.defaults)
  const readers = columns
    .filter(({ name }) => !computed.has(name))
    .map((column) => ({ name: column.name, read: createReader(column) }))
  const known = new Set(readers.map(({ name }) => name))
  const faults: IngestFault[] = []
  let count = 0

  function fault(row: number, column: string | null, given: string, expected: string) {
    count++
    if (faults.length < maxFaultsListed) faults.push({ row, column, given, expected })
  }

  function faultOfName(row: number, name: string) {
    const given = computed.has(name)
      ? 'a column that the table computes by itself'
      : 'a column that the table does not have'
    fault(row, name.slice(0, 100), given, `one of ${[...known].join(', ')}`)
  }

  function read(index: number, object: unknown): Cells | null {
    if (!isObject(object)) {
      fault(index, null, describeGiven(object), 'an object of column names and values')
      return null
    }
    for (const name of Object.keys(object)) if (!known.has(name)) faultOfName(index, name)
    const cells = new Map<string, Value>()
    for (const { name, read: readCell } of readers) {
      const isThere = Object.hasOwn(object, name)
      if (!isThere && defaults.has(name)) continue
      const given = isThere ? object[name] : null
      const reading = readCell(given)
      if ('value' in reading) cells.set(name, reading.value)
      else fault(index, name, describeGiven(given), reading.expected)
    }
    if (cells.size === 0) fault(index, null, 'an object without a column', `one of ${[...known].join(', ')}`)
    return cells
  }

  return { read, faults, faultCount: () => count }
}

/** BAD_USER_INPUT when there is a value that the warehouse's engine does not take for its column. */
export async function assertTaken(
  warehouse: Pick<Warehouse, 'findMisfit'>,
  table: WarehouseTable,
  { count, parts }: Pick<CheckedRows, 'count' | 'parts'>,
): Promise<void> {
  for (const { places, ...rows } of parts) {
    const misfit = await warehouse.findMisfit(rows)
    if (misfit === null) continue
    const value = rows.rows[misfit.row]?.[rows.columns.indexOf(misfit.column)]
    const expected = `what the warehouse takes for the column (${misfit.reason})`
    const fault = {
      row: places[misfit.row] ?? 0,
      column: misfit.column,
      given: describeGiven(value),
      expected,
    }
    throw faulty(table, count, [fault], 1)
  }
}

function tooManyBytes(index: number): AppError {
  return new AppError(
    'TOO_LARGE',
    `rows is over ${maxBytes / 1024 / 1024} MB of JSON at row ${index}; send it in several calls.`,
  )
}

export function faulty(
  table: Pick<WarehouseTable, 'schema' | 'name'>,
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
export async function packRows({ text }: CheckedRows): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await compress(`{"parts":${text}}`, { level: 1 }))
}

interface PackedPart {
  columns: string[]
  rows: unknown[][]
}

export interface UnpackedRows {
  parts: readonly TableRows[]
  /** Jobs from before all rows were written at once went on by batches, which some of them may have begun. */
  inBatches: boolean
}

/** The rows of `packRows`, read again by the table's columns as they are now. */
export async function unpackRows(table: WarehouseTable, payload: Uint8Array): Promise<UnpackedRows> {
  const packed = JSON.parse((await decompress(payload)).toString()) as { parts: PackedPart[] } | PackedPart
  const inBatches = !('parts' in packed)
  const parts = (inBatches ? [packed] : packed.parts).map((part) => unpackPart(table, part))
  return { parts, inBatches }
}

function unpackPart(table: WarehouseTable, { columns, rows }: PackedPart): TableRows {
  const byName = new Map(table.columns.map((column) => [column.name, column]))
  const readers = columns.map((name) => {
    const column = byName.get(name)
    if (column === undefined) throw changed(table, name)
    return { name, read: createCellReader(column) }
  })
  const read = rows.map((cells) =>
    readers.map(({ name, read }, i): Value => {
      const reading = read(cells[i])
      if ('value' in reading) return reading.value
      throw changed(table, name)
    }),
  )
  return { table: rowsTableName(table), columns, rows: read }
}

function changed(table: WarehouseTable, column: string): AppError {
  return new AppError(
    'SCHEMA_MISMATCH',
    `Column ${JSON.stringify(column)} of ${table.schema}.${table.name} has changed since the rows were accepted; send them again.`,
  )
}
