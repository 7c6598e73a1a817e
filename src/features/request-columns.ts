// Columns that a request brings beside the index keys: their types, and values held against them.

import { AppError } from '../errors.ts'
import { type Column, type ColumnType, usualStorage } from '../values/columns.ts'
import { integerRange, parseStorage, type Storage } from '../values/storage-text.ts'
import { sameName } from './followed.ts'

/** As a caller declares it. */
export interface RequestColumn {
  name: string
  type: ColumnType
  nullable: boolean
  /** In DuckDB's words; the usual one of its type when it is left out. */
  storage?: string | undefined
}

const usual: Readonly<Partial<Record<ColumnType, string>>> = usualStorage

/** Of the types that have more than their usual storage. */
const plainStorages: Readonly<Partial<Record<ColumnType, readonly string[]>>> = {
  INT32: ['TINYINT', 'SMALLINT', 'INTEGER', 'UTINYINT', 'USMALLINT'],
  INT64: ['BIGINT', 'UINTEGER'],
  FLOAT64: ['DOUBLE', 'FLOAT'],
  TIMESTAMP: ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'],
}

/** Rejects with BAD_USER_INPUT what is no type, or named twice. */
export function toRequestColumns(asked: readonly RequestColumn[]): Column[] {
  return asked.map(({ name, type, nullable, storage }, i) => {
    if (name === '' || name.includes('\0'))
      throw new AppError('BAD_USER_INPUT', 'A request column needs a name that is not empty, without NUL.')
    if (asked.findIndex((other) => sameName(other.name, name)) !== i)
      throw new AppError('BAD_USER_INPUT', `The request column ${JSON.stringify(name)} is given twice.`)
    return { name, type, nullable, storage: storageOf({ name, type, storage }) }
  })
}

function storageOf({ name, type, storage }: Omit<RequestColumn, 'nullable'>): string {
  const text = storage ?? usual[type]
  const what = `The request column ${JSON.stringify(name)} of type ${type}`
  if (text === undefined)
    throw new AppError(
      'BAD_USER_INPUT',
      `${what} needs a storage that says of what: DECIMAL(18,2), DOUBLE[], STRUCT(street VARCHAR).`,
    )
  const parsed = parseStorage(text)
  if (isOfType(parsed, type)) return parsed.kind === 'plain' ? parsed.name : text.trim()
  throw new AppError('BAD_USER_INPUT', `${what} cannot be held as ${JSON.stringify(text)}.`)
}

function isOfType(storage: Storage, type: ColumnType): boolean {
  switch (storage.kind) {
    case 'decimal':
      return type === 'DECIMAL' && isSound(storage)
    case 'list':
      return type === 'LIST' && isSound(storage)
    case 'struct':
      return type === 'STRUCT' && isSound(storage)
    case 'plain':
      return (plainStorages[type] ?? [usual[type]]).includes(storage.name)
  }
}

const plainNames = new Set([...Object.values(usualStorage), ...Object.values(plainStorages).flat()])

function isSound(storage: Storage): boolean {
  switch (storage.kind) {
    case 'decimal':
      return storage.precision >= 1 && storage.precision <= 38 && storage.scale <= storage.precision
    case 'list':
      return isSound(storage.item)
    case 'struct':
      return storage.fields.length > 0 && storage.fields.every((field) => isSound(field.storage))
    case 'plain':
      return plainNames.has(storage.name) || integerRange(storage.name) !== undefined
  }
}
