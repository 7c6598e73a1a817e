// A column's Arrow type, and its cells as Arrow's buffers: exact decimals, microseconds in UTC, nested lists and structs.

import {
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'
import { parseDays, parseMicros } from '../../values/calendar.ts'
import {
  type Column,
  type ColumnType,
  encodeValue,
  fieldOf,
  type Value,
  type ValueObject,
} from '../../values/columns.ts'
import { writeDecimal } from '../../values/decimal.ts'
import { formatJson } from '../../values/json-text.ts'
import { parseStorage, type Storage } from '../../values/storage-text.ts'

export interface ArrowColumn {
  type: DataType
  toData(values: readonly Value[]): Data
}

export function createArrowColumn(column: Column): ArrowColumn {
  return byColumnType[column.type](parseStorage(column.storage))
}

const byColumnType: Record<ColumnType, (storage: Storage) => ArrowColumn> = {
  BOOLEAN: booleans,
  INT32: () => int32s(),
  INT64: () => int64s(),
  FLOAT64: () => float64s(),
  DECIMAL: (storage) =>
    storage.kind === 'decimal' ? decimals(storage.precision, storage.scale) : decimals(38, 0),
  STRING: () => texts(),
  BYTES: () => binaries(),
  DATE: () => dates(),
  TIMESTAMP: () => timestamps(),
  LIST: fromStorage,
  STRUCT: fromStorage,
  JSON: () => jsonTexts(),
}

const byStorageName: Record<string, () => ArrowColumn> = {
  BOOLEAN: booleans,
  TINYINT: int32s,
  SMALLINT: int32s,
  INTEGER: int32s,
  UTINYINT: int32s,
  USMALLINT: int32s,
  UINTEGER: int64s,
  BIGINT: int64s,
  UBIGINT: () => decimals(20, 0),
  FLOAT: float64s,
  DOUBLE: float64s,
  BLOB: binaries,
  DATE: dates,
  TIMESTAMP: timestamps,
  TIMESTAMP_S: timestamps,
  TIMESTAMP_MS: timestamps,
  TIMESTAMP_NS: timestamps,
  'TIMESTAMP WITH TIME ZONE': timestamps,
  JSON: jsonTexts,
}

function fromStorage(storage: Storage): ArrowColumn {
  switch (storage.kind) {
    case 'decimal':
      return decimals(storage.precision, storage.scale)
    case 'list':
      return lists(fromStorage(storage.item))
    case 'struct':
      return structs(
        storage.fields.map((field) => ({ name: field.name, column: fromStorage(field.storage) })),
      )
    case 'plain':
      return (byStorageName[storage.name] ?? texts)()
  }
}

/** How many values there are, and Arrow's validity bits: one for each that is not null. */
function presence(values: readonly Value[]): { length: number; nullBitmap: Uint8Array; nullCount: number } {
  const nullBitmap = new Uint8Array((values.length + 7) >> 3)
  let nullCount = 0
  for (let i = 0; i < values.length; i++) {
    if (values[i] === null) nullCount += 1
    else setBit(nullBitmap, i)
  }
  return { length: values.length, nullBitmap, nullCount }
}

function setBit(bits: Uint8Array, i: number): void {
  bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7))
}

function booleans(): ArrowColumn {
  const type = new Bool()
  return {
    type,
    toData(values) {
      const data = new Uint8Array((values.length + 7) >> 3)
      values.forEach((value, i) => {
        if (value === true) setBit(data, i)
      })
      return makeData({ type, ...presence(values), data })
    },
  }
}

function int32s(): ArrowColumn {
  const type = new Int32()
  return {
    type,
    toData: (values) =>
      makeData({ type, ...presence(values), data: Int32Array.from(values, (value) => Number(value ?? 0)) }),
  }
}

function float64s(): ArrowColumn {
  const type = new Float64()
  return {
    type,
    toData: (values) =>
      makeData({ type, ...presence(values), data: Float64Array.from(values, (value) => Number(value ?? 0)) }),
  }
}

function int64s(): ArrowColumn {
  const type = new Int64()
  return {
    type,
    toData: (values) =>
      makeData({
        type,
        ...presence(values),
        data: BigInt64Array.from(values, (value) => BigInt(scalar(value))),
      }),
  }
}

function decimals(precision: number, scale: number): ArrowColumn {
  const type = new Decimal(scale, precision, 128)
  return {
    type,
    toData(values) {
      const words = new BigUint64Array(values.length * 2)
      values.forEach((value, i) => {
        const unscaled = writeDecimal(String(scalar(value)), precision, scale) ?? 0n
        words[2 * i] = BigInt.asUintN(64, unscaled)
        words[2 * i + 1] = BigInt.asUintN(64, unscaled >> 64n)
      })
      return makeData({ type, ...presence(values), data: new Uint32Array(words.buffer) })
    },
  }
}

function scalar(value: Value | undefined): number | bigint | string {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string' ? value : 0
}

function dates(): ArrowColumn {
  const type = new DateDay()
  return {
    type,
    toData: (values) =>
      makeData({
        type,
        ...presence(values),
        data: Int32Array.from(values, (value) => (value === null ? 0 : (parseDays(String(value)) ?? 0))),
      }),
  }
}

function timestamps(): ArrowColumn {
  const type = new TimestampMicrosecond('UTC')
  return {
    type,
    toData: (values) =>
      makeData({
        type,
        ...presence(values),
        data: BigInt64Array.from(values, (value) =>
          value === null ? 0n : (parseMicros(String(value)) ?? 0n),
        ),
      }),
  }
}

function texts(): ArrowColumn {
  const type = new Utf8()
  const toBytes = (value: Value) => Buffer.from(typeof value === 'string' ? value : encodeValue(value))
  return { type, toData: (values) => makeData({ type, ...byteStrings(values, toBytes) }) }
}

function jsonTexts(): ArrowColumn {
  const type = new Utf8()
  const toBytes = (value: Value) => Buffer.from(formatJson(value))
  return { type, toData: (values) => makeData({ type, ...byteStrings(values, toBytes) }) }
}

function binaries(): ArrowColumn {
  const type = new Binary()
  const toBytes = (value: Value) => (value instanceof Uint8Array ? value : Buffer.alloc(0))
  return { type, toData: (values) => makeData({ type, ...byteStrings(values, toBytes) }) }
}

function byteStrings(values: readonly Value[], toBytes: (value: Value) => Uint8Array) {
  const none = new Uint8Array(0)
  const pieces = values.map((value) => (value === null ? none : toBytes(value)))
  const data = Buffer.concat(pieces)
  return { ...presence(values), valueOffsets: toOffsets(pieces), data }
}

function toOffsets(pieces: readonly { length: number }[]): Int32Array {
  const offsets = new Int32Array(pieces.length + 1)
  let end = 0
  pieces.forEach((piece, i) => {
    end += piece.length
    offsets[i + 1] = end
  })
  return offsets
}

function lists(item: ArrowColumn): ArrowColumn {
  const type = new List(new Field('item', item.type, true))
  return {
    type,
    toData(values) {
      const arrays = values.map((value): readonly Value[] => (Array.isArray(value) ? value : []))
      const valueOffsets = toOffsets(arrays)
      const child = item.toData(arrays.flat(1))
      return makeData({ type, ...presence(values), valueOffsets, child })
    },
  }
}

function structs(fields: readonly { name: string; column: ArrowColumn }[]): ArrowColumn {
  const type = new Struct(fields.map((field) => new Field(field.name, field.column.type, true)))
  return {
    type,
    toData(values) {
      const objects = values.map((value) => (isObject(value) ? value : {}))
      const children = fields.map((field) =>
        field.column.toData(objects.map((object) => fieldOf(object, field.name))),
      )
      return makeData({ type, ...presence(values), children })
    },
  }
}

function isObject(value: Value): value is ValueObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  )
}
