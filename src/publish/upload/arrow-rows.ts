// Rows out of an Arrow IPC stream or file: each type of Arrow by the type in which Parquet holds its values, and its values by their bits.

import { createReadStream, type ReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import {
  type Data,
  DataType,
  Field,
  Precision,
  type RecordBatch,
  RecordBatchReader,
  Vector,
} from 'apache-arrow'
import { AppError } from '../../errors.ts'
import { quoteName } from '../../sql/sql-text.ts'
import { formatDays, formatMicros } from '../../values/calendar.ts'
import type { Column, Row, Value } from '../../values/columns.ts'
import { readDecimal } from '../../values/decimal.ts'

type Read = (index: number) => Value
interface Carried {
  /** In the engine's words. */
  storage: string
  /** Nulls are told before. */
  reader(data: Data): Read
}

/** Rows that are put together at once. */
const rowsPerBatch = 4096

export interface ArrowRows {
  columns: readonly Column[]
  batches: AsyncIterable<readonly Row[]>
}

interface ArrowBody {
  bodyPath: string
  signal: AbortSignal
}

export async function readArrow(body: ArrowBody): Promise<ArrowRows> {
  const carried = await withReader(body, async ({ schema }) =>
    schema.fields.map((field) => ({ name: field.name, ...carry(field) })),
  )
  const columns = carried.map(({ name, storage }) => ({
    name,
    type: 'STRING' as const,
    nullable: true,
    storage,
  }))
  async function* batches() {
    const { reader, close } = await openReader(body)
    try {
      for await (const batch of reader as AsyncIterable<RecordBatch>) {
        body.signal.throwIfAborted()
        const readers = carried.map((column, i) => nullable(column, required(batch.data.children[i])))
        for (let from = 0; from < batch.numRows; from += rowsPerBatch) {
          const count = Math.min(rowsPerBatch, batch.numRows - from)
          yield Array.from({ length: count }, (_, i) => readers.map((read) => read(from + i)))
        }
      }
    } finally {
      await close()
    }
  }
  return { columns, batches: batches() }
}

async function withReader<T>(body: ArrowBody, work: (reader: RecordBatchReader) => Promise<T>): Promise<T> {
  const { reader, close } = await openReader(body)
  return work(reader).finally(close)
}

const magic = Buffer.from('ARROW1')

/** A stream is read as it comes, a file by the index at its end. */
async function openReader({ bodyPath, signal }: ArrowBody) {
  const file = await open(bodyPath)
  let stream: ReadStream | null = null
  const close = async () => {
    stream?.destroy()
    await file.close()
  }
  try {
    const { buffer } = await file.read(Buffer.alloc(magic.length), 0, magic.length, 0)
    if (!buffer.equals(magic)) stream = createReadStream(bodyPath, { signal, highWaterMark: 256 * 1024 })
    const reader: RecordBatchReader = await (stream === null
      ? RecordBatchReader.from(file)
      : RecordBatchReader.from(stream))
    await reader.open({ autoDestroy: false })
    if (reader.schema === undefined) throw new Error('it has no schema')
    return { reader, close }
  } catch (error) {
    await close()
    throw error
  }
}

function nullable(column: Carried, data: Data): Read {
  const read = column.reader(data)
  return data.nullCount === 0 ? read : (index) => (data.getValid(index) ? read(index) : null)
}

function required<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('a part of it is missing')
  return part
}

/** By its bits, which stand in an array of numbers or bigints. */
const plain = (storage: string, read: (bits: number | bigint) => Value): Carried => ({
  storage,
  reader: ({ values }) => {
    const bits = values as ArrayLike<number | bigint>
    return (index) => read(bits[index] ?? 0)
  },
})

const whole = (bits: number | bigint): Value =>
  typeof bits === 'bigint' && Number.isSafeInteger(Number(bits)) ? Number(bits) : bits

/** What Arrow's own vector gives. */
const asGiven = (storage: string): Carried => ({
  storage,
  reader(data) {
    const vector = new Vector([data])
    return (index) => vector.get(index) as Value
  },
})

const integers: Readonly<Record<string, string>> = {
  Int8: 'TINYINT',
  Int16: 'SMALLINT',
  Int32: 'INTEGER',
  Int64: 'BIGINT',
  Uint8: 'SMALLINT',
  Uint16: 'INTEGER',
  Uint32: 'BIGINT',
  Uint64: 'DECIMAL(20,0)',
}

function carry(field: Field): Carried {
  const { type } = field
  if (DataType.isDictionary(type)) return dictionary(type.dictionary)
  if (DataType.isNull(type)) return { storage: 'INTEGER', reader: () => () => null }
  if (DataType.isInt(type))
    return plain(integers[String(type)] ?? 'BIGINT', type.bitWidth === 64 && !type.isSigned ? String : whole)
  if (DataType.isList(type) || DataType.isFixedSizeList(type) || DataType.isLargeList(type))
    return list(type, carry(required(type.children[0])))
  if (DataType.isStruct(type)) return struct(type.children)
  return carryMoment(type) ?? carryOther(type) ?? refuse(field)
}

const unitsPerSecond = [1n, 1000n, 1_000_000n, 1_000_000_000n]

function carryMoment(type: DataType): Carried | null {
  if (DataType.isDate(type))
    return plain('DATE', (bits) =>
      formatDays(type.unit === 0 ? Number(bits) : Math.floor(Number(bits) / 86_400_000)),
    )
  if (!DataType.isTimestamp(type)) return null
  const perSecond = required(unitsPerSecond[type.unit])
  return plain(type.timezone ? 'TIMESTAMP WITH TIME ZONE' : 'TIMESTAMP', (bits) => {
    const nanos = BigInt(bits) * (1_000_000_000n / perSecond)
    if (nanos % 1000n !== 0n)
      throw new AppError(
        'BAD_USER_INPUT',
        'A timestamp of the body has nanoseconds, of which tables keep none: round it to microseconds.',
      )
    return formatMicros(nanos / 1000n)
  })
}

function carryOther(type: DataType): Carried | null {
  if (DataType.isDecimal(type) && type.bitWidth === 128) return decimal(type.precision, type.scale)
  if (DataType.isFloat(type)) return asGiven(type.precision === Precision.DOUBLE ? 'DOUBLE' : 'FLOAT')
  const storage = givenStorages.find(([is]) => is(type))?.[1]
  return storage === undefined ? null : asGiven(storage)
}

const givenStorages: readonly [(type: DataType) => boolean, storage: string][] = [
  [DataType.isBool, 'BOOLEAN'],
  [DataType.isUtf8, 'VARCHAR'],
  [DataType.isLargeUtf8, 'VARCHAR'],
  [DataType.isUtf8View, 'VARCHAR'],
  [DataType.isBinary, 'BLOB'],
  [DataType.isLargeBinary, 'BLOB'],
  [DataType.isBinaryView, 'BLOB'],
  [DataType.isFixedSizeBinary, 'BLOB'],
]

/** Four words of 32 bits each, the lowest first. */
function decimal(precision: number, scale: number): Carried {
  return {
    storage: `DECIMAL(${precision},${scale})`,
    reader({ values }) {
      const words = values as Uint32Array
      return (index) => {
        const bits = [3, 2, 1, 0].reduce((sum, i) => (sum << 32n) | BigInt(words[4 * index + i] ?? 0), 0n)
        return readDecimal(BigInt.asIntN(128, bits), scale)
      }
    },
  }
}

function list(type: DataType, item: Carried): Carried {
  const length = DataType.isFixedSizeList(type) ? type.listSize : null
  return {
    storage: `${item.storage}[]`,
    reader({ children: [child], valueOffsets }) {
      const read = nullable(item, required(child))
      const offset = (index: number) =>
        length === null ? Number((valueOffsets as ArrayLike<number | bigint>)[index] ?? 0) : index * length
      return (index) => {
        const from = offset(index)
        return Array.from({ length: offset(index + 1) - from }, (_, i) => read(from + i))
      }
    },
  }
}

function struct(fields: readonly Field[]): Carried {
  const carried = fields.map((field) => ({ name: field.name, ...carry(field) }))
  return {
    storage: `STRUCT(${carried.map(({ name, storage }) => `${quoteName(name)} ${storage}`).join(', ')})`,
    reader({ children }) {
      const readers = carried.map((part, i) => [part.name, nullable(part, required(children[i]))] as const)
      return (index) => Object.fromEntries(readers.map(([name, read]) => [name, read(index)]))
    },
  }
}

/** Its values come in pieces, to which later batches may add. */
function dictionary(type: DataType): Carried {
  const item = carry(new Field('dictionary', type, true))
  return {
    storage: item.storage,
    reader({ values, dictionary: found }) {
      const pieces = required(found).data.map((data) => ({ length: data.length, read: nullable(item, data) }))
      const indexes = values as ArrayLike<number | bigint>
      return (index) => {
        let at = Number(indexes[index] ?? 0)
        for (const { length, read } of pieces) {
          if (at < length) return read(at)
          at -= length
        }
        throw new Error('an index lies beyond its dictionary')
      }
    },
  }
}

function refuse({ name, type }: Field): never {
  throw new AppError(
    'BAD_USER_INPUT',
    `Column ${JSON.stringify(name)} of the body is of Arrow's type ${type}, which no table's column is filled from; cast it.`,
  )
}
