// One table's rows on their way into PostgreSQL: by COPY where what is stored is sure to be what was given, else by INSERT, which gives it back.

import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { ValueMismatch } from '../../duckdb/column-types.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Value } from '../../values/columns.ts'
import type { AppendRequest, TableChange, TableRows } from '../port.ts'
import { type Present, rowTexts } from '../row-texts.ts'
import { findRowsTable } from '../rows-table.ts'
import { columnsOf, createKeyReader, givenKeys, type WantedKey, wantedKeys } from '../stored-keys.ts'
import type { PostgresCarrier } from './column-types.ts'
import type { Keeps } from './kept.ts'
import type { TextRow } from './messages.ts'
import type { ListedTable } from './schema.ts'
import type { Session } from './session.ts'
import { qualifiedName } from './text.ts'
import type { Way } from './written.ts'

/** Rows are sent in texts of about so many characters. */
const copyLength = 256 * 1024
const insertLength = 4 * 1024 * 1024

export interface Target {
  table: ListedTable
  way: Way
  rows: TableRows
  wanted: readonly WantedKey[]
  columns: readonly TargetColumn[]
  /** What is stored in the columns wanted; null when only the server knows. */
  known: TableChange['keys']
  byCopy: boolean
  /** The rows as the statement takes them. */
  texts: readonly string[]
  /** Instead of the texts so many rows of CSV, which it is fed. */
  csv?: { count: number; feed(copy: Writable): Promise<void> }
}

export interface TargetColumn {
  name: string
  carrier: PostgresCarrier
  keeps: Keeps
  ownType: string
}

export function findColumns(rows: TableRows, known: readonly ListedTable[]) {
  const { table, places } = findRowsTable(known, rows)
  const columns = places.flatMap((place, i): TargetColumn[] => {
    const [name, carrier, keeps] = [rows.columns[i], table.carriers[place], table.keeps[place]]
    if (name === undefined || carrier === undefined || keeps === undefined) return []
    return [{ name, carrier, keeps, ownType: table.ownTypes[place] ?? '' }]
  })
  return { table, columns }
}

/** Throws before anything is sent. */
export async function createTarget(
  { table, columns }: { table: ListedTable; columns: readonly TargetColumn[] },
  way: Way,
  { rows, keys }: { rows: TableRows; keys: AppendRequest['keys'] },
): Promise<Target> {
  const wanted = wantedKeys(keys, rows.table, table.columns)
  const isKept =
    !way.isBent && columnsOf(wanted).every((name) => isKeptAsGiven(name, { table, columns, rows }))
  const byCopy = isKept && way.mayCopy && columns.every(({ carrier }) => !carrier.isJsonOnly)
  const texts: string[] = []
  for (const text of byCopy ? copyTexts(rows, columns) : insertTexts(rows, columns)) {
    texts.push(text)
    await setImmediate()
  }
  const known = isKept ? givenKeys(wanted, rows) : null
  return { table, way, rows, wanted, columns, known, byCopy, texts }
}

function isKeptAsGiven(
  name: string,
  { table, columns, rows }: Pick<Target, 'table' | 'columns' | 'rows'>,
): boolean {
  const index = columns.findIndex((column) => column.name === name)
  const column = columns[index]
  if (column === undefined)
    return ![...(table.intake?.defaults ?? []), ...(table.intake?.computed ?? [])].includes(name)
  return rows.rows.every((row) => isKept(column, row[index] ?? null))
}

/** Whether the value is sure to be taken, and stored as it is. */
function isKept({ carrier, keeps }: TargetColumn, value: Value): boolean {
  if (value === null) return true
  try {
    return keeps(value, carrier.encode(value))
  } catch (error) {
    if (error instanceof ValueMismatch) return false
    throw error
  }
}

/** How many rows were stored, and what is stored of them in the columns wanted; null when that cannot be told. */
export async function writeTarget(
  session: Session,
  target: Target,
): Promise<{ count: number; keys: TableChange['keys'] }> {
  const { table, rows, wanted, columns, texts, known } = target
  const place = qualifiedName(table.schema, table.name)
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  if (target.csv !== undefined) {
    await target.csv.feed(session.copyFrom(`COPY ${place} (${names}) FROM STDIN (FORMAT csv)`))
    return { count: target.csv.count, keys: known }
  }
  if (texts.length === 0) return { count: 0, keys: known }
  if (target.byCopy) {
    await pipeline(Readable.from(texts), session.copyFrom(`COPY ${place} (${names}) FROM STDIN`))
    return { count: rows.rows.length, keys: known }
  }
  const { selected, keysOf } = createKeyReader(wanted, table)
  const returning = target.way.hasRules ? '' : ` RETURNING ${['1', ...selected].join(', ')}`
  const stored: TextRow[] = []
  for (const text of texts) {
    const sql = `INSERT INTO ${place} (${names}) OVERRIDING SYSTEM VALUE ${selectFrom(columns)}${returning}`
    for (const [, ...cells] of await session.query(sql, [text])) stored.push(cells)
  }
  return { count: stored.length, keys: target.way.hasRules ? null : keysOf(stored) }
}

/** The rows of a text of `insertTexts`, `$1`, in the columns' own types. */
export function selectFrom(columns: readonly TargetColumn[], selected?: string): string {
  const types = columns.map(({ ownType }, i) => `c${i} ${ownType}`).join(', ')
  const cells = columns.map((_, i) => `c${i}`).join(', ')
  return `SELECT ${selected ?? cells} FROM pg_catalog.json_to_recordset($1::json) AS t(${types})`
}

/** In the server's text format. */
function* copyTexts(rows: TableRows, columns: readonly TargetColumn[]): Generator<string> {
  const encoded = columns.map(({ name, carrier }) => ({
    name,
    encode: (value: Present) => escapeText(carrier.encode(value)),
  }))
  const join = (cells: readonly (string | null)[]) => cells.map((text) => text ?? '\\N').join('\t')
  for (const lines of rowTexts(rows, encoded, { length: copyLength, join })) yield `${lines.join('\n')}\n`
}

/** As JSON arrays of objects. */
export function* insertTexts(rows: TableRows, columns: readonly TargetColumn[]): Generator<string> {
  const encoded = columns.map(({ name, carrier }) => ({
    name,
    encode(value: Present) {
      carrier.encode(value)
      return carrier.json(value)
    },
  }))
  const join = (cells: readonly (string | null)[]) =>
    `{${cells.map((text, c) => `"c${c}":${text ?? 'null'}`).join(',')}}`
  for (const texts of rowTexts(rows, encoded, { length: insertLength, join })) yield `[${texts.join(',')}]`
}

const special = /[\\\n\r\t]/
const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escapeText(text: string): string {
  return special.test(text)
    ? text.replace(/[\\\n\r\t]/g, (character) => escapes[character] ?? character)
    : text
}
