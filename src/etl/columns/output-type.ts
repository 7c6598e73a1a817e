// How a column of an ETL's output is held: what its values showed, or what the script declares, as a type and its storage.

import { quoteName } from '../../sql/sql-text.ts'
import { type Column, type ColumnType, usualStorage } from '../../values/columns.ts'
import type { Storage } from '../../values/storage-text.ts'
import { kind, type Shape } from '../script/isolate/shape.ts'

/** A storage type, taken apart. */
export type OutputType =
  | { type: Exclude<ColumnType, 'LIST' | 'STRUCT' | 'DECIMAL'> }
  | { type: 'DECIMAL'; precision: number; scale: number }
  | { type: 'LIST'; element: OutputType }
  | { type: 'STRUCT'; fields: readonly (readonly [name: string, type: OutputType])[] }

export interface TypedColumn {
  name: string
  type: OutputType
  nullable: boolean
  /** Declared by `export const columns`: other forms of a value are converted then, such as a timestamp's text. */
  declared: boolean
}

function storageOf(type: OutputType): string {
  switch (type.type) {
    case 'DECIMAL':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'LIST':
      return `${storageOf(type.element)}[]`
    case 'STRUCT':
      return `STRUCT(${type.fields.map(([name, field]) => `${quoteName(name)} ${storageOf(field)}`).join(', ')})`
    default:
      return usualStorage[type.type]
  }
}

export function columnOf({ name, type, nullable }: TypedColumn): Column {
  return { name, type: type.type, nullable, storage: storageOf(type) }
}

/** Two kinds of values that no one type holds. */
export class MixedTypesError extends Error {
  readonly kinds: readonly string[]
  constructor(kinds: readonly string[]) {
    super(`mixes ${kinds.join(' and ')}`)
    this.kinds = kinds
  }
}

const typeByKind: readonly (readonly [number, string])[] = [
  [kind.BOOLEAN, 'BOOLEAN'],
  [kind.INTEGER, 'INT64'],
  [kind.LARGE, 'INT64 (beyond 2^53)'],
  [kind.HUGE, 'integers beyond 64 bits'],
  [kind.FLOAT, 'FLOAT64'],
  [kind.STRING, 'STRING'],
  [kind.DATE, 'TIMESTAMP'],
  [kind.BYTES, 'BYTES'],
  [kind.LIST, 'LIST'],
  [kind.OBJECT, 'STRUCT'],
]

export function kindNames(kinds: number): string[] {
  return typeByKind.filter(([bit]) => (kinds & bit) !== 0).map(([, name]) => name)
}

/** A nested value may be JSON where its own type would mix; a column may not. Throws MixedTypesError. */
export function inferType(shape: Shape): OutputType {
  try {
    return inferExact(shape)
  } catch (error) {
    const kinds = shape.kinds & ~kind.NULL
    const isNested = kinds === kind.LIST || kinds === kind.OBJECT
    if (error instanceof MixedTypesError && isNested) return { type: 'JSON' }
    throw error
  }
}

function inferExact(shape: Shape): OutputType {
  const kinds = shape.kinds & ~kind.NULL
  if (kinds === 0) return { type: 'STRING' }
  switch (kinds) {
    case kind.BOOLEAN:
      return { type: 'BOOLEAN' }
    case kind.INTEGER:
    case kind.LARGE:
    case kind.INTEGER | kind.LARGE:
      return { type: 'INT64' }
    case kind.FLOAT:
    case kind.INTEGER | kind.FLOAT:
      return { type: 'FLOAT64' }
    case kind.STRING:
      return { type: 'STRING' }
    case kind.DATE:
      return { type: 'TIMESTAMP' }
    case kind.BYTES:
      return { type: 'BYTES' }
    case kind.LIST:
      return {
        type: 'LIST',
        element: shape.element === null ? { type: 'STRING' } : inferExact(shape.element),
      }
    case kind.OBJECT:
      return inferStruct(shape)
    default:
      throw new MixedTypesError(kindNames(kinds))
  }
}

function inferStruct({ fields }: Shape): OutputType {
  const folded = new Set(fields?.names.map((name) => name.toLowerCase()))
  const isStruct = fields !== null && fields.names.length > 0 && folded.size === fields.names.length
  if (!isStruct || !fields.names.every(isName)) throw new MixedTypesError(['objects of other shapes'])
  return {
    type: 'STRUCT',
    fields: fields.names.map((name, i) => {
      const shape = fields.shapes[i]
      return [name, shape === undefined ? { type: 'STRING' } : inferExact(shape)] as const
    }),
  }
}

/** Whether the engine takes it for a column's or a field's name. */
export function isName(name: string): boolean {
  return name !== '' && !name.includes('\0') && name.isWellFormed()
}

const declarable = [
  'BOOLEAN',
  'INT32',
  'INT64',
  'FLOAT64',
  'STRING',
  'BYTES',
  'DATE',
  'TIMESTAMP',
  'JSON',
] as const

/** A type as a script declares it, or null. DECIMAL alone has 38 digits, 9 of them behind the point. */
export function parseDeclared(text: string): OutputType | null {
  const type = declarable.find((one) => one === text)
  if (type !== undefined) return { type }
  const decimal = /^DECIMAL(?:\((\d+)(?:,\s*(\d+))?\))?$/.exec(text)
  if (decimal === null) return null
  const precision = Number(decimal[1] ?? 38)
  const scale = Number(decimal[2] ?? (decimal[1] === undefined ? 9 : 0))
  return precision >= 1 && precision <= 38 && scale <= precision
    ? { type: 'DECIMAL', precision, scale }
    : null
}

export const declarableText = `${declarable.join(', ')}, DECIMAL or DECIMAL(digits, digits behind the point)`

const typeByStorage = new Map<string, OutputType>(
  Object.entries(usualStorage).map(([type, storage]) => [
    storage,
    { type: type as keyof typeof usualStorage },
  ]),
)

/** The type that is stored so; null for one that no script's output is held in. */
export function outputTypeOf(storage: Storage): OutputType | null {
  switch (storage.kind) {
    case 'decimal':
      return { type: 'DECIMAL', precision: storage.precision, scale: storage.scale }
    case 'list': {
      const element = outputTypeOf(storage.item)
      return element === null ? null : { type: 'LIST', element }
    }
    case 'struct': {
      const fields: (readonly [string, OutputType])[] = []
      for (const { name, storage: held } of storage.fields) {
        const type = outputTypeOf(held)
        if (type === null) return null
        fields.push([name, type])
      }
      return { type: 'STRUCT', fields }
    }
    case 'plain':
      return typeByStorage.get(storage.name) ?? null
  }
}
