// A spine of JSON rows as typed cells: keys of their views' types, times as times, other columns of the type that their values have.

import { AppError } from '../../errors.ts'
import { createCellReader, describeExpected, describeGiven, isObject } from '../../values/cells.ts'
import {
  type Column,
  type ColumnType,
  type Frame,
  type Row,
  usualStorage,
  type Value,
} from '../../values/columns.ts'
import { createKeyType } from '../../values/entity-key.ts'

/** What of a spine has a type of its own, whatever its values look like. */
export interface NeededColumns {
  references: readonly { keys: readonly { key: Column; column: string }[] }[]
  requestColumns: readonly Column[]
  timestampColumn: string
}

type Read = (given: unknown) => { value: Value } | { expected: string }

/** How the values of a column are read. */
export interface SpineReader {
  column: Column
  read: Read
}

/** Throws BAD_USER_INPUT with the row and the column of the first value that does not fit. */
export function frameOfRows(given: unknown, needed: NeededColumns): Frame {
  if (!Array.isArray(given) || given.length === 0 || !given.every(isObject))
    throw new AppError(
      'BAD_USER_INPUT',
      'The rows of a spine are a JSON array of objects, with one at least.',
    )
  const objects: readonly Record<string, unknown>[] = given
  const names = namesOf(objects)
  const readers = names.map((name) => spineReader(name, needed) ?? inferred(name, objects))
  const rows = objects.map((object, row): Row => readers.map((reader) => readCell(reader, object, row)))
  return { columns: readers.map(({ column }) => column), rows }
}

/** Every row has every column: names that few rows have make a table of many times what was sent. */
const maxCells = 10_000_000

function namesOf(objects: readonly Record<string, unknown>[]): string[] {
  const names = new Map<string, string>()
  for (const object of objects)
    for (const name of Object.keys(object)) {
      const known = names.get(name.toLowerCase())
      if (known === undefined) names.set(name.toLowerCase(), name)
      else if (known !== name)
        throw new AppError(
          'BAD_USER_INPUT',
          `The rows of the spine have ${JSON.stringify(known)} and ${JSON.stringify(name)}, which differ in case alone; name a column in one way, or two in two.`,
        )
    }
  if (objects.length * names.size <= maxCells) return [...names.values()]
  throw new AppError(
    'TOO_LARGE',
    `The spine has ${objects.length} rows of ${names.size} columns; at most ${maxCells} values are taken as rows. Send it as Parquet, an Arrow stream or CSV, or write it to a table.`,
  )
}

/** Throws BAD_USER_INPUT. */
export function readCell({ column, read }: SpineReader, object: Record<string, unknown>, row: number): Value {
  const cell = Object.hasOwn(object, column.name) ? object[column.name] : null
  if (cell === null || cell === undefined) return null
  const reading = read(cell)
  if ('value' in reading) return reading.value
  throw new AppError(
    'BAD_USER_INPUT',
    `Row ${row} of the spine has ${describeGiven(cell)} in ${JSON.stringify(column.name)}; it must be ${reading.expected}.`,
    { details: { row, column: column.name } },
  )
}

/** Null for a column whose values alone tell its type. `readerOf` reads cells of a type, in the form that they have come in. */
export function spineReader(
  name: string,
  { references, requestColumns, timestampColumn }: NeededColumns,
  readerOf: (column: Column) => Read = createCellReader,
): SpineReader | null {
  const key = references.flatMap(({ keys }) => keys).find(({ column }) => column === name)?.key
  if (key !== undefined) return keyReader(name, key)
  const brought = requestColumns.find((column) => column.name === name)
  if (brought !== undefined) {
    const column = { ...brought, nullable: true }
    return { column, read: readerOf(column) }
  }
  if (name !== timestampColumn) return null
  const column: Column = { name, type: 'TIMESTAMP', nullable: true, storage: usualStorage.TIMESTAMP }
  const read = createCellReader(column)
  return { column, read: (cell) => read(inUtc(cell)) }
}

function inferred(name: string, objects: readonly Record<string, unknown>[]): SpineReader {
  const type = typeOf(objects.map((object) => object[name]))
  const column: Column = { name, type, nullable: true, storage: usualStorage[type] }
  return { column, read: createCellReader(column) }
}

/** Any spelling that a lookup takes. */
function keyReader(name: string, { native: _, ...key }: Column): SpineReader {
  const type = createKeyType([key])
  const column = { ...key, name, nullable: true }
  return {
    column,
    read(given) {
      const value = type.ofCells([given as Value])?.values[0]
      return value === undefined ? { expected: describeExpected(column) } : { value }
    },
  }
}

type Inferred = Extract<ColumnType, keyof typeof usualStorage>

function typeOf(cells: readonly unknown[]): Inferred {
  const present = cells.filter((cell) => cell !== null && cell !== undefined)
  const are = (test: (cell: unknown) => boolean) => present.every(test)
  if (are((cell) => typeof cell === 'string')) return 'STRING'
  if (are((cell) => typeof cell === 'boolean')) return 'BOOLEAN'
  if (are((cell) => Number.isSafeInteger(cell) || typeof cell === 'bigint')) return 'INT64'
  return are((cell) => typeof cell === 'number') ? 'FLOAT64' : 'JSON'
}

/** What has no zone is UTC; a day is its first moment. */
function inUtc(cell: unknown): unknown {
  if (typeof cell !== 'string') return cell
  if (/^[+-]?\d{4,6}-\d\d-\d\d$/.test(cell)) return `${cell}T00:00:00Z`
  return /T\d\d:\d\d(:\d\d(\.\d+)?)?$|\d \d\d:\d\d(:\d\d(\.\d+)?)?$/.test(cell) ? `${cell}Z` : cell
}
