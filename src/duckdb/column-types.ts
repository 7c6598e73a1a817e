// Every DuckDB type: the column type it becomes, the type it is cast to on every path, and how its values are read and written.

import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import { quoteName } from '../sql/sql-text.ts'
import { formatDays, formatMicros, parseDays, parseMicros } from '../values/calendar.ts'
import { type ColumnType, fieldOf, type Value, type ValueObject } from '../values/columns.ts'
import { readDecimal, writeDecimal } from '../values/decimal.ts'
import { formatJson, parseJson } from '../values/json-text.ts'

type Present<T> = Exclude<T, null | undefined>

/** A value of the engine that is not null as a `Value`. Without a reader the two are the same. */
export type Reader = (value: Present<DuckDBValue>) => Value
/** A `Value` that is not null as the engine's. Throws ValueMismatch. */
export type Writer = (value: Present<Value>) => DuckDBValue

export interface Carrier {
  type: ColumnType
  /** What a column is cast to before its values are read or written to Parquet; for most types the type itself. */
  storage: string
  read: Reader | null
  write: Writer
}

/** The value is not one of the type. */
export class ValueMismatch extends Error {
  override readonly name = 'ValueMismatch'
}

function mismatch(value: Value, expected: string): never {
  throw new ValueMismatch(
    `${typeof value === 'string' ? JSON.stringify(value) : String(value)} is not ${expected}`,
  )
}

type OfId<Id extends DuckDBTypeId> = Extract<DuckDBType, { typeId: Id }>

function boolean(): Carrier {
  const write: Writer = (value) => (typeof value === 'boolean' ? value : mismatch(value, 'true or false'))
  return { type: 'BOOLEAN', storage: 'BOOLEAN', read: null, write }
}

function int32(storage: string, min: number, max: number): Carrier {
  const write: Writer = (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : mismatch(value, `an integer from ${min} to ${max}`)
  return { type: 'INT32', storage, read: null, write }
}

function int64(): Carrier {
  const write: Writer = (value) => {
    const isWhole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
    if (!isWhole) return mismatch(value, 'an integer of 64 bits')
    const integer = BigInt(value)
    return BigInt.asIntN(64, integer) === integer ? integer : mismatch(value, 'an integer of 64 bits')
  }
  return { type: 'INT64', storage: 'BIGINT', read: readInt64, write }
}

function readInt64(value: Present<DuckDBValue>): Value {
  if (typeof value !== 'bigint') return value as number
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function float64(storage: string): Carrier {
  const write: Writer = (value) => (typeof value === 'number' ? value : mismatch(value, 'a number'))
  return { type: 'FLOAT64', storage, read: null, write }
}

function decimal(width: number, scale: number): Carrier {
  const write: Writer = (value) => {
    const isNumeric = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
    const scaled = isNumeric ? writeDecimal(String(value), width, scale) : null
    if (scaled === null) return mismatch(value, `a DECIMAL(${width},${scale})`)
    return new DuckDBDecimalValue(scaled, width, scale)
  }
  const read: Reader = (value) => readDecimal((value as DuckDBDecimalValue).value, scale)
  return { type: 'DECIMAL', storage: `DECIMAL(${width},${scale})`, read, write }
}

function text(): Carrier {
  const write: Writer = (value) => (typeof value === 'string' ? value : mismatch(value, 'a text'))
  return { type: 'STRING', storage: 'VARCHAR', read: null, write }
}

function json(): Carrier {
  return { type: 'JSON', storage: 'JSON', read: (value) => readJson(String(value)), write: formatJson }
}

/** A text, or what the engine takes for JSON and the standard does not: NaN and infinities, and a comma at an end. */
const beyondJson = /"(?:[^"\\]|\\.)*"|-?\b(?:nan|inf(?:inity)?)\b|,(?=\s*[\]}])/gi

/** What is no number in JSON is null, as it is in a column of floats. */
function readJson(value: string): Value {
  try {
    return parseJson(value)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return parseJson(
      value.replace(beyondJson, (part) => (/^["]/.test(part) ? part : part === ',' ? '' : 'null')),
    )
  }
}

function bytes(): Carrier {
  const write: Writer = (value) =>
    value instanceof Uint8Array ? new DuckDBBlobValue(value) : mismatch(value, 'bytes')
  return { type: 'BYTES', storage: 'BLOB', read: (value) => (value as DuckDBBlobValue).bytes, write }
}

function date(): Carrier {
  const write: Writer = (value) => {
    const days = typeof value === 'string' ? parseDays(value) : null
    return days === null ? mismatch(value, 'a date like 2026-01-31') : new DuckDBDateValue(days)
  }
  return {
    type: 'DATE',
    storage: 'DATE',
    read: (value) => formatDays((value as DuckDBDateValue).days),
    write,
  }
}

function timestamp(storage: string, create: (micros: bigint) => DuckDBValue): Carrier {
  const write: Writer = (value) => {
    const micros = typeof value === 'string' ? parseMicros(value) : null
    return micros === null ? mismatch(value, 'a timestamp like 2026-01-31T12:30:00.123456Z') : create(micros)
  }
  const read: Reader = (value) => formatMicros((value as DuckDBTimestampValue).micros)
  return { type: 'TIMESTAMP', storage, read, write }
}

function list(item: DuckDBType): Carrier {
  const { storage, read: readItem, write: writeItem } = carrierOf(item)
  const read: Reader = (value) =>
    (value as DuckDBListValue).items.map((part) =>
      part === null || readItem === null ? (part as Value) : readItem(part),
    )
  const write: Writer = (value) =>
    Array.isArray(value)
      ? new DuckDBListValue(value.map((part: Value) => (part === null ? null : writeItem(part))))
      : mismatch(value, 'a list')
  return { type: 'LIST', storage: `${storage}[]`, read, write }
}

/** The fields of an unnamed struct, `row(1, 2)`, are called v1, v2. */
function struct({ entryNames, entryTypes }: OfId<DuckDBTypeId.STRUCT>): Carrier {
  const fields = entryTypes.map((type, i) => ({ name: entryNames[i] || `v${i + 1}`, ...carrierOf(type) }))
  const members = fields.map((field) => `${quoteName(field.name)} ${field.storage}`)
  const read: Reader = (value) => {
    const { entries } = value as DuckDBStructValue
    return Object.fromEntries(
      fields.map(({ name, read: readField }) => {
        const part = entries[name] ?? null
        return [name, part === null || readField === null ? (part as Value) : readField(part)]
      }),
    )
  }
  const write: Writer = (value) => {
    if (typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) {
      return mismatch(value, 'an object')
    }
    const parts = fields.map(({ name, write: writeField }): [string, DuckDBValue] => {
      const part = fieldOf(value as ValueObject, name)
      return [name, part === null ? null : writeField(part)]
    })
    return new DuckDBStructValue(Object.fromEntries(parts))
  }
  return { type: 'STRUCT', storage: `STRUCT(${members.join(', ')})`, read, write }
}

/** Lossless as text, and no column type fits. */
const asText = (_type: unknown) => text()
/** Structured, but not as a column can be: the engine's own JSON of it. */
const asJson = (_type: unknown) => json()

const carriers: { [Id in DuckDBTypeId]: (type: OfId<Id>) => Carrier } = {
  [DuckDBTypeId.BOOLEAN]: boolean,
  [DuckDBTypeId.TINYINT]: () => int32('TINYINT', -128, 127),
  [DuckDBTypeId.SMALLINT]: () => int32('SMALLINT', -32_768, 32_767),
  [DuckDBTypeId.INTEGER]: () => int32('INTEGER', -2_147_483_648, 2_147_483_647),
  [DuckDBTypeId.UTINYINT]: () => int32('UTINYINT', 0, 255),
  [DuckDBTypeId.USMALLINT]: () => int32('USMALLINT', 0, 65_535),
  [DuckDBTypeId.UINTEGER]: int64,
  [DuckDBTypeId.BIGINT]: int64,
  // Beyond 64 signed bits: exact as decimals. Parquet knows no wider integer, and DuckDB would write a double.
  [DuckDBTypeId.UBIGINT]: () => decimal(20, 0),
  [DuckDBTypeId.HUGEINT]: () => decimal(38, 0),
  [DuckDBTypeId.UHUGEINT]: () => decimal(38, 0),
  [DuckDBTypeId.BIGNUM]: asText,
  [DuckDBTypeId.FLOAT]: () => float64('FLOAT'),
  [DuckDBTypeId.DOUBLE]: () => float64('DOUBLE'),
  [DuckDBTypeId.DECIMAL]: (type) => decimal(type.width, type.scale),
  [DuckDBTypeId.VARCHAR]: (type) => (type.alias === 'JSON' ? json() : text()),
  [DuckDBTypeId.BLOB]: bytes,
  [DuckDBTypeId.DATE]: date,
  [DuckDBTypeId.TIMESTAMP]: () => timestamp('TIMESTAMP', (micros) => new DuckDBTimestampValue(micros)),
  [DuckDBTypeId.TIMESTAMP_S]: () => timestamp('TIMESTAMP', (micros) => new DuckDBTimestampValue(micros)),
  [DuckDBTypeId.TIMESTAMP_MS]: () => timestamp('TIMESTAMP', (micros) => new DuckDBTimestampValue(micros)),
  [DuckDBTypeId.TIMESTAMP_TZ]: () =>
    timestamp('TIMESTAMP WITH TIME ZONE', (micros) => new DuckDBTimestampTZValue(micros)),
  // A TIMESTAMP would lose the nanoseconds.
  [DuckDBTypeId.TIMESTAMP_NS]: asText,
  [DuckDBTypeId.TIME]: asText,
  [DuckDBTypeId.TIME_TZ]: asText,
  [DuckDBTypeId.TIME_NS]: asText,
  [DuckDBTypeId.INTERVAL]: asText,
  [DuckDBTypeId.UUID]: asText,
  [DuckDBTypeId.ENUM]: asText,
  [DuckDBTypeId.BIT]: asText,
  [DuckDBTypeId.GEOMETRY]: asText,
  [DuckDBTypeId.LIST]: (type) => list(type.valueType),
  [DuckDBTypeId.ARRAY]: (type) => list(type.valueType),
  [DuckDBTypeId.STRUCT]: struct,
  [DuckDBTypeId.MAP]: asJson,
  [DuckDBTypeId.UNION]: asJson,
  [DuckDBTypeId.VARIANT]: asJson,
  [DuckDBTypeId.SQLNULL]: asText,
  [DuckDBTypeId.STRING_LITERAL]: asText,
  [DuckDBTypeId.INTEGER_LITERAL]: int64,
  [DuckDBTypeId.ANY]: asText,
  [DuckDBTypeId.INVALID]: asText,
}

/** How columns of a type are carried. The storage type of a carrier is carried as itself. */
export function carrierOf(type: DuckDBType): Carrier {
  const create = carriers[type.typeId] as (type: DuckDBType) => Carrier
  return create(type)
}
