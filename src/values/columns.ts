// Columns, values and rows: the one shape in which data passes between the warehouse, ETLs, the online store and JSON.

export const columnTypes = [
  'BOOLEAN',
  'INT32',
  'INT64',
  'FLOAT64',
  'DECIMAL',
  'STRING',
  'BYTES',
  'DATE',
  'TIMESTAMP',
  'LIST',
  'STRUCT',
  'JSON',
] as const

export type ColumnType = (typeof columnTypes)[number]

/** The storage of the types that have a usual one, see `Column.storage`; the others need one that says of what. */
export const usualStorage = {
  BOOLEAN: 'BOOLEAN',
  INT32: 'INTEGER',
  INT64: 'BIGINT',
  FLOAT64: 'DOUBLE',
  STRING: 'VARCHAR',
  BYTES: 'BLOB',
  DATE: 'DATE',
  TIMESTAMP: 'TIMESTAMP',
  JSON: 'JSON',
} as const satisfies Partial<Record<ColumnType, string>>

export interface Column {
  name: string
  type: ColumnType
  nullable: boolean
  /** The type in which a dataset's Parquet holds the column, in DuckDB's words: `DECIMAL(18,3)`, `STRUCT(a INTEGER)`. */
  storage: string
  /**
   * Of a warehouse's column of texts, the engine's own type, in its words: `uuid`, `bpchar`, `VARCHAR`, `time(3)`. It says
   * which texts are equal.
   */
  native?: string
}

/**
 * A cell, already in the form an ETL sees. By column type:
 * - INT32, FLOAT64: number (NaN and infinities are themselves). INT64: number when safe, else bigint.
 * - DECIMAL: number up to 15 significant digits, else the exact decimal text.
 * - BYTES: Uint8Array. DATE: `YYYY-MM-DD`. TIMESTAMP: RFC 3339 in UTC with its microseconds (see `formatTimestamp`).
 * - LIST: array. STRUCT: plain object. JSON: whatever it holds; its unsafe integers are bigints.
 */
export type Value = null | boolean | number | bigint | string | Uint8Array | readonly Value[] | ValueObject
export interface ValueObject {
  readonly [name: string]: Value
}

/** A field's value; null where there is none. */
export function fieldOf(object: ValueObject, name: string): Value {
  return Object.hasOwn(object, name) ? (object[name] ?? null) : null
}

/** The cells of one row, in the order of the frame's columns. */
export type Row = readonly Value[]

export interface Frame {
  columns: readonly Column[]
  rows: readonly Row[]
}

/**
 * One cell as JSON text. Bigints and long decimals are strings, NaN and infinities null, bytes base64:
 * nothing is rounded. Parsing the text and writing it again gives the same text.
 */
export function encodeValue(value: Value): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Number.isFinite(value) ? JSON.stringify(value) : 'null'
    case 'boolean':
      return value ? 'true' : 'false'
    case 'bigint':
      return `"${value}"`
    case 'object':
      return encodeObject(value)
  }
}

function encodeObject(value: null | Uint8Array | readonly Value[] | ValueObject): string {
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
  if (Array.isArray(value)) return `[${value.map(encodeValue).join(',')}]`
  const fields = Object.entries(value as ValueObject)
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${encodeValue(field)}`).join(',')}}`
}

/** A function from a row to its JSON object text, with the columns' names escaped once. */
export function createRowEncoder(columns: readonly Column[]): (row: Row) => string {
  const prefixes = columns.map((column, i) => `${i === 0 ? '{' : ','}${JSON.stringify(column.name)}:`)
  if (prefixes.length === 0) return () => '{}'
  return (row) => {
    let text = ''
    for (let i = 0; i < prefixes.length; i++) text += prefixes[i] + encodeValue(row[i] ?? null)
    return `${text}}`
  }
}

/** A frame as the JSON text of an array of objects. */
export function encodeFrame(frame: Frame): string {
  return encodeRows(frame.rows, createRowEncoder(frame.columns))
}

/** The same, for many frames of the same columns. */
export function encodeRows(rows: readonly Row[], encode: (row: Row) => string): string {
  const [first] = rows
  return rows.length === 1 && first !== undefined ? `[${encode(first)}]` : `[${rows.map(encode).join(',')}]`
}

const microsPerSecond = 1_000_000n

/** Microseconds since the epoch as RFC 3339 in UTC: no fraction when it is zero, milliseconds when they say it all, else microseconds. */
export function formatTimestamp(micros: bigint): string {
  let seconds = micros / microsPerSecond
  let fraction = micros % microsPerSecond
  if (fraction < 0n) {
    fraction += microsPerSecond
    seconds -= 1n
  }
  const date = new Date(Number(seconds) * 1000).toISOString().replace(/\.000Z$/, '')
  if (fraction === 0n) return `${date}Z`
  const digits = fraction.toString().padStart(6, '0')
  return `${date}.${digits.endsWith('000') ? digits.slice(0, 3) : digits}Z`
}
