// Every PostgreSQL type: the type it is stored as, and how its texts are selected, read, loaded into Parquet and written.

import pg from 'pg'
import { carrierOf, ValueMismatch } from '../../duckdb/column-types.ts'
import { refuse } from '../../duckdb/engine-error.ts'
import { decimalType, listType, type StorageType, storageTypes } from '../../duckdb/storage-types.ts'
import { parseDays, parseMicros } from '../../values/calendar.ts'
import type { ColumnType, Value, ValueObject } from '../../values/columns.ts'
import { readDecimal, writeDecimal } from '../../values/decimal.ts'
import { formatJson, parseJson } from '../../values/json-text.ts'
import { loadDate, loadTimestamp, readDate, readTimestamp, writeDate, writeTimestamp } from './calendar.ts'

type Present = Exclude<Value, null>

/** How a column of a type travels: always as text, so that every path reads the same. */
interface Form {
  storage: StorageType
  /** The server's expression for what is read; without it the value itself. */
  select?: (value: string) => string
  /** The text as a value; without it the text itself. */
  read?: (text: string) => Value
  /** The Parquet engine's expression for the same; without it a cast. */
  load?: (text: string) => string
  /** A value of the storage type as the server's text; without it the value as text. */
  write?: (value: Present) => string
  /** A value as JSON for `json_to_recordset`; without it the written text. */
  json?: (value: Present) => string
  /** The server reads no text that `write` could give: values come in as JSON alone. */
  isJsonOnly?: boolean
  /** Keys are compared as values of the type, which an index serves; without it by their texts, where those are equal when the values are. */
  comparesValues?: true
}

export interface PostgresCarrier extends Required<Omit<Form, 'comparesValues' | 'storage'>> {
  /** The server's name of the type, without what does not bear on which values are equal. */
  native: string
  storageType: StorageType
  type: ColumnType
  /** In the words of the Parquet engine. */
  storage: string
  /** Whether the engine reads the text as a value of that type without being told how; then `load` only casts. */
  isPlain: boolean
  /** Throws ValueMismatch. */
  encode(value: Present): string
  /** The type that keys are compared in; null when by text. */
  keyType: string | null
}

const plainTypes = new Set(['BOOLEAN', 'SMALLINT', 'INTEGER', 'BIGINT', 'FLOAT', 'DOUBLE', 'VARCHAR'])
const text: Form = { storage: storageTypes.text, comparesValues: true }
/** Lossless as text, and no column type fits. */
const asText: Form = { storage: storageTypes.text }
const float = (storage: StorageType, round: (value: number) => number): Form => ({
  storage,
  read: (value) => round(Number(value)),
  write: (value) => (Object.is(value, -0) ? '-0' : String(value)),
  comparesValues: true,
})
const integer = (storage: StorageType): Form => ({ storage, read: Number, comparesValues: true })
const asJson = (select?: Form['select']): Form => ({
  storage: storageTypes.json,
  read: parseJson,
  write: formatJson,
  json: formatJson,
  ...(select && { select, isJsonOnly: true }),
})

function readInt64(value: string): Value {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : BigInt(value)
}

/** `1 mon -2 days +03:00:00` as the Parquet engine writes it: `1 month -2 days 03:00:00`. */
function selectInterval(value: string): string {
  const plain = `replace(${value}::text, '+', '')`
  return `replace(regexp_replace(${plain}, '(-1 (year|mon|day))s', '\\1', 'g'), 'mon', 'month')`
}

const interval: Form = { ...text, select: selectInterval }
const timestamp = (storage: StorageType, type: string): Form => ({
  storage,
  read: readTimestamp,
  load: (value) => loadTimestamp(value, type),
  write: (value) => writeTimestamp(String(value)),
  comparesValues: true,
})

/** Without a precision a numeric has no one scale: exact as text, as is one that is too wide. */
function numeric(modifier: number): Form {
  if (modifier < 0) return text
  const precision = ((modifier - 4) >> 16) & 0xffff
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024
  const width = scale < 0 ? precision - scale : Math.max(precision, scale)
  const places = Math.max(scale, 0)
  if (width > 38) return text
  return {
    storage: decimalType(width, places),
    read(value) {
      const scaled = writeDecimal(value, width, places)
      if (scaled === null)
        throw refuse(`A numeric(${precision},${scale}) holds ${value}, which no DECIMAL can.`, null)
      return readDecimal(scaled, places)
    },
    comparesValues: true,
  }
}

export type Builtin = keyof typeof pg.types.builtins

const forms: Record<Builtin, Form | ((modifier: number) => Form)> = {
  BOOL: { storage: storageTypes.boolean, read: (value) => value.startsWith('t'), comparesValues: true },
  BYTEA: {
    storage: storageTypes.bytes,
    read: (value) => Buffer.from(value.slice(2), 'hex'),
    load: (value) => `unhex(substr(${value}, 3))`,
    write: (value) => `\\x${Buffer.from(value as Uint8Array).toString('hex')}`,
    comparesValues: true,
  },
  INT2: integer(storageTypes.int16),
  INT4: integer(storageTypes.int32),
  INT8: { storage: storageTypes.int64, read: readInt64, comparesValues: true },
  OID: integer(storageTypes.int64),
  FLOAT4: float(storageTypes.float32, Math.fround),
  FLOAT8: float(storageTypes.float64, (value) => value),
  NUMERIC: numeric,
  TEXT: text,
  VARCHAR: text,
  // Trailing blanks mean nothing in it.
  BPCHAR: { ...text, select: (value) => `${value}::text` },
  UUID: text,
  DATE: {
    storage: storageTypes.date,
    read: readDate,
    load: loadDate,
    write: (value) => writeDate(String(value)),
    comparesValues: true,
  },
  TIMESTAMP: timestamp(storageTypes.timestamp, 'TIMESTAMP'),
  TIMESTAMPTZ: timestamp(storageTypes.timestampTz, 'TIMESTAMPTZ'),
  JSON: asJson(),
  JSONB: asJson(),
  INTERVAL: interval,
  TIME: text,
  TIMETZ: asText,
  CHAR: asText,
  XML: asText,
  BIT: asText,
  VARBIT: asText,
  MONEY: asText,
  INET: text,
  CIDR: text,
  MACADDR: text,
  MACADDR8: text,
  PATH: asText,
  POLYGON: asText,
  CIRCLE: asText,
  TSVECTOR: asText,
  TSQUERY: asText,
  GTSVECTOR: asText,
  TID: asText,
  XID: asText,
  CID: asText,
  TXID_SNAPSHOT: asText,
  PG_LSN: asText,
  PG_NODE_TREE: asText,
  PG_NDISTINCT: asText,
  PG_DEPENDENCIES: asText,
  SMGR: asText,
  ABSTIME: asText,
  RELTIME: asText,
  TINTERVAL: asText,
  ACLITEM: asText,
  REFCURSOR: asText,
  REGPROC: asText,
  REGPROCEDURE: asText,
  REGOPER: asText,
  REGOPERATOR: asText,
  REGCLASS: asText,
  REGTYPE: asText,
  REGCONFIG: asText,
  REGDICTIONARY: asText,
  REGNAMESPACE: asText,
  REGROLE: asText,
}

const builtinById = new Map(
  Object.entries(pg.types.builtins).map(([name, oid]) => [Number(oid), name as Builtin] as const),
)

export function isBuiltin(oid: number): boolean {
  return builtinById.has(oid)
}

export function builtinOf(oid: number): Builtin | undefined {
  return builtinById.get(oid)
}

/** What the catalog tells of a type that is not in the table. */
export interface TypeEntry {
  name: string
  /** `e` enum, `d` domain, `c` composite, `r` range … */
  kind: string
  isArray: boolean
  elementOid: number
  baseOid: number
  baseModifier: number
}

export type TypeEntries = ReadonlyMap<number, TypeEntry>

const record = 2249

export function postgresCarrier(oid: number, modifier: number, entries: TypeEntries): PostgresCarrier {
  const builtin = builtinById.get(oid)
  if (builtin !== undefined) {
    const form = forms[builtin]
    // Not char(n), which is BPCHAR.
    const native = builtin === 'CHAR' ? '"char"' : builtin.toLowerCase()
    return complete(typeof form === 'function' ? form(modifier) : form, native)
  }
  const entry = entries.get(oid)
  const native = entry?.kind === 'e' ? 'enum' : (entry?.name ?? 'record')
  if (entry?.isArray) return complete(list(postgresCarrier(entry.elementOid, modifier, entries)), native)
  if (entry?.kind === 'd') return postgresCarrier(entry.baseOid, entry.baseModifier, entries)
  if (entry?.kind === 'c' || oid === record)
    return complete(
      asJson((value) => `to_json(${value})`),
      native,
    )
  return complete(asText, native)
}

function complete(form: Form, native: string): PostgresCarrier {
  const { type, storage, write: check } = carrierOf(form.storage)
  const write = form.write ?? String
  return {
    type,
    storage,
    storageType: form.storage,
    native,
    isPlain: form.load === undefined && plainTypes.has(storage),
    select: form.select ?? ((value) => value),
    read: form.read ?? ((value) => value),
    load: form.load ?? ((value) => `CAST(${value} AS ${storage})`),
    write,
    json: form.json ?? ((value) => JSON.stringify(write(value))),
    isJsonOnly: form.isJsonOnly ?? false,
    encode(value) {
      check(value)
      if (typeof value === 'string' && value.includes('\0')) {
        throw new ValueMismatch(
          `${JSON.stringify(value)} holds a NUL character, which PostgreSQL cannot hold`,
        )
      }
      return write(value)
    },
    keyType: form.comparesValues === undefined ? null : `pg_catalog.${native}`,
  }
}

/** As a JSON array of the items' texts. Arrays of more than one dimension look like those of one, until they are read. */
function list(item: PostgresCarrier): Form {
  const isPlain = item.select('x') === 'x'
  return {
    storage: listType(item.storageType),
    select: (value) =>
      isPlain
        ? `array_to_json(${value}::text[])`
        : `CASE WHEN ${value} IS NOT NULL THEN coalesce((SELECT json_agg((${item.select(`(${value})[place]`)})::text ORDER BY place) FROM generate_subscripts(${value}, 1) place), '[]') END`,
    read: (value) => (JSON.parse(value) as unknown[]).map((part) => readItem(item, part)),
    load: (value) =>
      `CASE WHEN ${value} LIKE '[[%' THEN error('${severalDimensions}') ELSE list_transform(CAST(CAST(${value} AS JSON) AS VARCHAR[]), lambda item: ${item.load('item')}) END`,
    write: (value) =>
      `{${itemsOf(value)
        .map((part) => writeItem(item, part))
        .join(',')}}`,
    json: (value) =>
      `[${itemsOf(value)
        .map((part) => (part === null ? 'null' : item.json(part)))
        .join(',')}]`,
    isJsonOnly: item.isJsonOnly,
  }
}

const itemsOf = (value: Present) => value as readonly Value[]

const severalDimensions =
  'An array has more than one dimension, which a LIST cannot hold; make it JSON with to_jsonb().'

function readItem(item: PostgresCarrier, part: unknown): Value {
  if (Array.isArray(part)) throw refuse(severalDimensions, null)
  return part === null ? null : item.read(String(part))
}

function writeItem(item: PostgresCarrier, part: Value): string {
  return part === null ? 'NULL' : quoteItem(item.write(part))
}

/** An element of an array's text. */
export function quoteItem(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}

/** Whether a value that a key may have is one the server's type can hold. */
export function isWithinRange(type: ColumnType, value: Value | ValueObject): boolean {
  if (type === 'DATE') {
    const days = parseDays(String(value))
    return days === null || Math.abs(days) === 2_147_483_647 || (days >= -2_440_588 && days < 2_145_042_906)
  }
  if (type !== 'TIMESTAMP') return true
  const micros = parseMicros(String(value))
  if (micros === null || /infinity/.test(String(value))) return true
  return micros >= -210_866_803_200_000_000n && micros < 9_224_318_016_000_000_000n
}
