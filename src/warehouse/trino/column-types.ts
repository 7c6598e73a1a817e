// Every Trino type: the type it is stored as, and how its cells are selected, read, loaded into Parquet, and written as
// literals. A cell is what the protocol's JSON carries; whatever JSON would round or a session would shift is selected
// in a form that it does not.

import { carrierOf } from '../../duckdb/column-types.ts'
import { refuse } from '../../duckdb/engine-error.ts'
import {
  decimalType,
  listType,
  type StorageType,
  storageTypes,
  structType,
} from '../../duckdb/storage-types.ts'
import { quoteName, quoteText } from '../../sql/sql-text.ts'
import { formatDays } from '../../values/calendar.ts'
import type { ColumnType, Value } from '../../values/columns.ts'
import { formatDecimal, readDecimal, writeDecimal } from '../../values/decimal.ts'
import { formatJson, parseJson } from '../../values/json-text.ts'
import { keyForm } from '../../values/key-forms.ts'
import { dateLiteral, dayZero, readTimestamp, timestampForParquet, timestampLiteral } from './calendar.ts'
import type { Cell } from './session.ts'
import { parseTrinoType, type TrinoType } from './type-text.ts'

type Present = Exclude<Value, null>
type PresentCell = Exclude<Cell, null>

interface Form {
  storage: StorageType
  /** The engine's expression for what is read; without it the value itself. `depth` numbers a lambda's variable. */
  select?: (value: string, depth: number) => string
  /** The cell as a value; without it the cell itself. */
  read?: (cell: PresentCell) => Value
  /** The cell as text for the Parquet engine; without it `String`. */
  text?: (cell: PresentCell) => string
  /** The Parquet engine's expression for the value of that text; without it a cast. */
  load?: (text: string, depth: number) => string
  /** A value as a literal; null when no row can hold it. Without it the type cannot be a key. */
  literal?: (value: Present) => string | null
  /** What keys are compared by; without it the value itself, which connectors can search by. */
  key?: (value: string) => string
}

export interface TrinoCarrier {
  /** The engine's name of the type, with how fine its values are. */
  native: string
  storageType: StorageType
  type: ColumnType
  /** In the words of the Parquet engine. */
  storage: string
  /** Whether the engine reads the text as a value of that type without being told how. */
  isPlain: boolean
  isSelectedAsItIs: boolean
  select(value: string, depth?: number): string
  read(cell: PresentCell): Value
  text(cell: PresentCell): string
  load(text: string, depth?: number): string
  /** Null when the type cannot be a key; else throws ValueMismatch. */
  literal: ((value: Present) => string | null) | null
  key(value: string): string
}

const plainTypes = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'TIMESTAMP',
])

const asVarchar = (value: string) => `CAST(${value} AS varchar)`
const quoted = (value: Present) => quoteText(String(value))
const number = (cell: PresentCell): string => (Object.is(cell, -0) ? '-0' : String(cell))

/** Lossless as text, and no column type fits. */
const asText: Form = { storage: storageTypes.text, select: asVarchar, literal: quoted, key: asVarchar }
const varchar: Form = { storage: storageTypes.text, literal: quoted }
const withoutPadding = (value: string) => `rtrim(CAST(${value} AS varchar))`
const integer = (storage: StorageType): Form => ({
  storage,
  literal: (value) => `BIGINT '${value}'`,
})
const float = (storage: StorageType, type: string, round: (value: number) => number): Form => ({
  storage,
  read: (cell) => round(Number(cell)),
  text: number,
  literal(value) {
    if (Number.isNaN(value)) return `CAST(nan() AS ${type})`
    if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
      return `CAST(${value > 0 ? '' : '-'}infinity() AS ${type})`
    return `${type} '${number(value as number)}'`
  },
})

function readInt64(cell: PresentCell): Value {
  const value = Number(cell)
  return Number.isSafeInteger(value) ? value : BigInt(String(cell))
}

/** As the number of days: the same in every calendar and for years of any length. */
const date: Form = {
  storage: storageTypes.date,
  select: (value) => `date_diff('day', ${dayZero}, ${value})`,
  read: (cell) => formatDays(Number(cell)),
  load: (text) => `${dayZero} + CAST(${text} AS INTEGER)`,
  literal: dateLiteral,
}

const literalOf = (type: string) => (value: Present) => `${type} ${quoted(value)}`
/** As text, and compared as a value. */
const asValue = (type: string): Form => ({
  storage: storageTypes.text,
  select: asVarchar,
  literal: literalOf(type),
})

/** Finer than microseconds: a TIMESTAMP would lose them. */
function timestamp({ numbers }: TrinoType): Form {
  const [precision = 3] = numbers
  if (precision > 6) return asValue('TIMESTAMP')
  return {
    storage: storageTypes.timestamp,
    read: readTimestamp,
    text: timestampForParquet,
    literal: (value) => timestampLiteral(value, ''),
  }
}

function timestampTz({ numbers }: TrinoType): Form {
  const [precision = 3] = numbers
  if (precision > 6) return asText
  return {
    storage: storageTypes.timestampTz,
    select: (value) => `CAST(${value} AT TIME ZONE 'UTC' AS timestamp(${precision}))`,
    read: readTimestamp,
    text: timestampForParquet,
    load: (text) => `CAST(${text} || '+00' AS TIMESTAMPTZ)`,
    literal: (value) => timestampLiteral(value, ' UTC'),
  }
}

function decimal({ numbers }: TrinoType): Form {
  const [width = 38, places = 0] = numbers
  return {
    storage: decimalType(width, places),
    read(cell) {
      const scaled = writeDecimal(String(cell), width, places)
      if (scaled === null) throw new Error(`A decimal(${width},${places}) holds ${cell}`)
      return readDecimal(scaled, places)
    },
    literal(value) {
      const scaled = writeDecimal(String(value), width, places)
      return scaled === null ? null : `DECIMAL '${formatDecimal(scaled, places)}'`
    },
  }
}

/** In order of the row's fields: those without a name, or with one that came before, are called by their place. */
export function fieldsOf({ parts }: TrinoType) {
  const seen = new Set<string>()
  return parts.map(({ name, type }, i) => {
    const isOwn = name !== null && name !== '' && !seen.has(name.toLowerCase())
    const own = isOwn ? name : `v${i + 1}`
    seen.add(own.toLowerCase())
    return { name: own, carrier: carrierOfType(type) }
  })
}

function partOf({ parts, name }: TrinoType, index: number): TrinoCarrier {
  const part = parts[index]
  if (part === undefined) throw new Error(`A type ${name} has no part ${index + 1}`)
  return carrierOfType(part.type)
}

const asCells = (cell: PresentCell) => cell as readonly Cell[]

function array(type: TrinoType): Form {
  const item = partOf(type, 0)
  return {
    storage: listType(item.storageType),
    ...(!item.isSelectedAsItIs && {
      select: (value, depth) => `transform(${value}, x${depth} -> ${item.select(`x${depth}`, depth + 1)})`,
    }),
    read: (cell) => asCells(cell).map((part) => (part === null ? null : item.read(part))),
    text: (cell) => JSON.stringify(asCells(cell).map((part) => (part === null ? null : item.text(part)))),
    load: (text, depth) =>
      `list_transform(CAST(CAST(${text} AS JSON) AS VARCHAR[]), lambda x${depth}: ${item.load(`x${depth}`, depth + 1)})`,
  }
}

function row(type: TrinoType): Form {
  const fields = fieldsOf(type)
  const isPlain = fields.every(({ carrier }) => carrier.isSelectedAsItIs)
  return {
    storage: structType(fields.map(({ name, carrier }) => ({ name, type: carrier.storageType }))),
    ...(!isPlain && {
      select: (value, depth) => {
        const parts = fields.map(({ carrier }, i) => carrier.select(`${value}[${i + 1}]`, depth))
        return `IF(${value} IS NULL, NULL, ROW(${parts.join(', ')}))`
      },
    }),
    read: (cell) =>
      Object.fromEntries(
        fields.map(({ name, carrier }, i) => {
          const part = asCells(cell)[i] ?? null
          return [name, part === null ? null : carrier.read(part)]
        }),
      ),
    text: (cell) =>
      JSON.stringify(
        fields.map(({ carrier }, i) => {
          const part = asCells(cell)[i] ?? null
          return part === null ? null : carrier.text(part)
        }),
      ),
    load(text, depth) {
      const parts = `CAST(CAST(${text} AS JSON) AS VARCHAR[])`
      const members = fields.map(
        ({ name, carrier }, i) => `${quoteName(name)} := ${carrier.load(`(${parts})[${i + 1}]`, depth)}`,
      )
      return `CASE WHEN ${text} IS NOT NULL THEN struct_pack(${members.join(', ')}) END`
    },
  }
}

/** As JSON: an object by the keys' texts. */
function map(type: TrinoType): Form {
  const item = partOf(type, 1)
  const text = (cell: PresentCell): string => {
    const entries = Object.entries(cell as Record<string, Cell>).sort(([a], [b]) => (a < b ? -1 : 1))
    const members = entries.map(
      ([key, part]) => `${JSON.stringify(key)}:${part === null ? 'null' : jsonOf(item.read(part))}`,
    )
    return `{${members.join(',')}}`
  }
  return {
    storage: storageTypes.json,
    ...(!item.isSelectedAsItIs && {
      select: (value, depth) =>
        `transform_values(${value}, (k${depth}, x${depth}) -> ${item.select(`x${depth}`, depth + 1)})`,
    }),
    read: (cell) => parseJson(text(cell)),
    text,
  }
}

/** Bytes are base64 there, as everywhere in JSON. */
function jsonOf(value: Value): string {
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(',')}]`
  if (typeof value !== 'object' || value === null) return formatJson(value)
  return `{${Object.entries(value)
    .map(([key, part]) => `${JSON.stringify(key)}:${jsonOf(part)}`)
    .join(',')}}`
}

/** What has neither a text nor a column type. */
function withoutText({ name }: TrinoType): Form {
  throw refuse(
    `The result has a column of type ${name}, which has no text; take from it what is to be seen, cardinality(…) or CAST(… AS varbinary), say.`,
    null,
  )
}

/** Types that are not here are the plugins' own: as text, where they have one. */
const forms: Record<string, Form | ((type: TrinoType) => Form)> = {
  boolean: { storage: storageTypes.boolean, literal: String },
  tinyint: integer(storageTypes.int8),
  smallint: integer(storageTypes.int16),
  integer: integer(storageTypes.int32),
  // As text: JSON's reader would round what is beyond 2^53.
  bigint: { ...integer(storageTypes.int64), select: asVarchar, read: readInt64 },
  real: float(storageTypes.float32, 'REAL', Math.fround),
  double: float(storageTypes.float64, 'DOUBLE', (value) => value),
  decimal,
  varchar,
  char: { storage: storageTypes.text, select: withoutPadding, literal: quoted, key: withoutPadding },
  varbinary: {
    storage: storageTypes.bytes,
    read: (cell) => Buffer.from(String(cell), 'base64'),
    load: (text) => `from_base64(${text})`,
    literal: (value) => `X'${Buffer.from(value as Uint8Array).toString('hex')}'`,
  },
  date,
  timestamp,
  'timestamp with time zone': timestampTz,
  uuid: { storage: storageTypes.text, literal: literalOf('UUID') },
  json: { storage: storageTypes.json, read: (cell) => parseJson(String(cell)) },
  array,
  map,
  row,
  unknown: asText,
  time: asValue('TIME'),
  'time with time zone': asText,
  'interval day to second': asText,
  'interval year to month': asText,
  ipaddress: asValue('IPADDRESS'),
  hyperloglog: withoutText,
  p4hyperloglog: withoutText,
  setdigest: withoutText,
  qdigest: withoutText,
  tdigest: withoutText,
  function: withoutText,
}

function carrierOfType(type: TrinoType): TrinoCarrier {
  const found = forms[type.name] ?? asText
  const form = typeof found === 'function' ? found(type) : found
  const { type: columnType, storage, write: check } = carrierOf(form.storage)
  const { select, literal, load } = form
  const [places] = type.name.startsWith('time') ? type.numbers : []
  const native = places === undefined ? type.name : `${type.name}(${places})`
  const keys = columnType === 'STRING' ? keyForm(native) : undefined
  return {
    native,
    storageType: form.storage,
    type: columnType,
    storage,
    isPlain: load === undefined && plainTypes.has(storage),
    isSelectedAsItIs: select === undefined,
    select: (value, depth = 0) => select?.(value, depth) ?? value,
    read: form.read ?? ((cell) => cell as Value),
    text: form.text ?? String,
    load: (text, depth = 0) => load?.(text, depth) ?? `CAST(${text} AS ${storage})`,
    literal:
      literal === undefined
        ? null
        : (value) => {
            check(value)
            const canonical = keys === undefined ? value : keys.parse(String(value))
            if (canonical === undefined) return null
            return typeof canonical === 'string' && !canonical.isWellFormed() ? null : literal(canonical)
          },
    key: form.key ?? ((value) => value),
  }
}

export function trinoCarrier(typeText: string): TrinoCarrier {
  return carrierOfType(parseTrinoType(typeText))
}
