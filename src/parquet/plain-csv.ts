// CSV without quotes into a Parquet file, by the engine alone: many times as fast as a cell at a time. It takes only what every
// reading of it would take alike; a file that holds anything else is refused as a whole, without a word on where.

import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteName, quotePath, quoteText } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import { integerRange, parseStorage } from '../values/storage-text.ts'
import { type WrittenFile, writeParquet } from './parquet-file.ts'

export interface PlainCsvRequest {
  /** With a header, which is passed over: UTF-8 without quotes, empty lines and bytes of zero, each line with as many fields. */
  bodyPath: string
  lineEnd: '\n' | '\r\n'
  /** What the fields are called, in their order. */
  fields: readonly string[]
  path: string
  /** Of the file; those that no field brings are null in every row. */
  columns: readonly Column[]
  rowCount: number
  longestLineBytes: number
}

export async function writePlainCsv(
  connection: DuckDBConnection,
  request: PlainCsvRequest,
): Promise<WrittenFile> {
  const { bodyPath, lineEnd, fields, path, columns, rowCount, longestLineBytes } = request
  const cells = columns.map((column) => {
    const cell = fields.includes(column.name) ? readingOf(column) : `CAST(NULL AS ${column.storage})`
    if (cell === null) throw new Error(`The column ${column.name} cannot be read so`)
    return `${cell} AS ${quoteName(column.name)}`
  })
  const texts = fields.map((name) => `${quoteText(name)}: 'VARCHAR'`)
  const select = `SELECT ${cells.join(', ')} FROM read_csv(${quotePath(bodyPath)}, auto_detect = false, header = false, skip = 1,
    delim = ',', quote = '', escape = '', comment = '', new_line = '${lineEnd === '\n' ? '\\n' : '\\r\\n'}', nullstr = '', strict_mode = true,
    max_line_size = ${longestLineBytes}, buffer_size = ${longestLineBytes}, columns = {${texts.join(', ')}})`
  const confirm = async (arrived: bigint) => {
    if (arrived !== BigInt(rowCount)) throw new Error(`Of ${rowCount} rows ${arrived} were read`)
  }
  return writeParquet(connection, { select, columns, path, isIntermediate: true, confirm })
}

/** Whether a column's texts can be read so. */
export function isPlainColumn(column: Column): boolean {
  return readingOf(column) !== null
}

const day = '[12][0-9]{3}-[01][0-9]-[0-3][0-9]'
const time = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?'

/** The engine's expression for a column's value out of the text under its name; it fails where the text may be none of the type. */
function readingOf({ name, storage, nullable }: Column): string | null {
  const text = quoteName(name)
  const reading = readingOfText(text, storage)
  if (reading === null) return null
  const missing = nullable ? 'NULL' : refusal(text)
  return `CAST(CASE WHEN ${text} IS NULL THEN ${missing} ${reading} END AS ${storage})`
}

function readingOfText(text: string, storage: string): string | null {
  const matching = (pattern: string, value: string) =>
    `WHEN regexp_full_match(${text}, ${quoteText(pattern)}) THEN ${value} ELSE ${refusal(text)}`
  if (storage === 'VARCHAR') return `ELSE ${text}`
  if (integerRange(storage) !== undefined) return matching('-?[0-9]{1,39}', `CAST(${text} AS ${storage})`)
  if (storage === 'BOOLEAN')
    return `WHEN ${text} IN ('true', 'True', 'TRUE') THEN true WHEN ${text} IN ('false', 'False', 'FALSE') THEN false ELSE ${refusal(text)}`
  if (storage === 'DOUBLE') {
    const pattern = '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,4})?'
    return `WHEN regexp_full_match(${text}, ${quoteText(pattern)}) AND isfinite(CAST(${text} AS DOUBLE)) THEN CAST(${text} AS DOUBLE) ELSE ${refusal(text)}`
  }
  if (storage === 'DATE') return matching(day, `CAST(${text} AS DATE)`)
  const moment = `CAST(left(${text}, -1) AS TIMESTAMP)`
  if (storage === 'TIMESTAMP') return matching(`${day}[T ]${time}Z`, moment)
  if (storage === 'TIMESTAMP WITH TIME ZONE')
    return matching(`${day}[T ]${time}Z`, `make_timestamptz(epoch_us(${moment}))`)
  const parsed = parseStorage(storage)
  if (parsed.kind !== 'decimal') return null
  const { precision, scale } = parsed
  const before = precision === scale ? '0' : `(0|[1-9][0-9]{0,${precision - scale - 1}})`
  const behind = scale === 0 ? '' : `([.][0-9]{1,${scale}})?`
  return matching(`-?${before}${behind}`, `CAST(${text} AS ${storage})`)
}

/** Of the text, so that the engine does not compute it beforehand; of a text that is null there is no error. */
function refusal(text: string): string {
  return `error('gateway: not plain' || left(coalesce(${text}, ''), 0))`
}
