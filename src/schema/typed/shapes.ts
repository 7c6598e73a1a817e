// What a column is in GraphQL, to the leaf: a scalar, a list, or an object of a struct's fields.

import { memberNames } from '../../features/names.ts'
import type { Column, ColumnType } from '../../values/columns.ts'
import { parseStorage, type Storage } from '../../values/storage-text.ts'

export type ScalarName =
  | 'Boolean'
  | 'Int'
  | 'BigInt'
  | 'Float'
  | 'Decimal'
  | 'String'
  | 'Bytes'
  | 'Date'
  | 'Timestamp'
  | 'JSON'

export type Shape =
  | { kind: 'scalar'; scalar: ScalarName }
  | { kind: 'list'; item: Shape }
  | { kind: 'object'; typeName: string; members: readonly Member[] }

export interface Member {
  /** In GraphQL. */
  name: string
  /** In the rows: a column's or a struct field's. */
  key: string
  shape: Shape
}

const scalarOfColumn: Record<Exclude<ColumnType, 'LIST' | 'STRUCT'>, ScalarName> = {
  BOOLEAN: 'Boolean',
  INT32: 'Int',
  INT64: 'BigInt',
  FLOAT64: 'Float',
  DECIMAL: 'Decimal',
  STRING: 'String',
  BYTES: 'Bytes',
  DATE: 'Date',
  TIMESTAMP: 'Timestamp',
  JSON: 'JSON',
}

/** Of what stands within lists and structs. */
const scalarOfStorage: Readonly<Record<string, ScalarName>> = {
  BOOLEAN: 'Boolean',
  TINYINT: 'Int',
  SMALLINT: 'Int',
  INTEGER: 'Int',
  UTINYINT: 'Int',
  USMALLINT: 'Int',
  BIGINT: 'BigInt',
  FLOAT: 'Float',
  DOUBLE: 'Float',
  VARCHAR: 'String',
  BLOB: 'Bytes',
  DATE: 'Date',
  TIMESTAMP: 'Timestamp',
  'TIMESTAMP WITH TIME ZONE': 'Timestamp',
}

/** Undefined for a list or a struct. */
export function scalarOf({ type }: Pick<Column, 'type'>): ScalarName | undefined {
  return type === 'LIST' || type === 'STRUCT' ? undefined : scalarOfColumn[type]
}

/** `typeName` is what a struct's type is called; those within it are called by their way from there. */
export function shapeOf(column: Column, typeName: string): Shape {
  const scalar = scalarOf(column)
  return scalar === undefined
    ? shapeOfStorage(parseStorage(column.storage), typeName)
    : { kind: 'scalar', scalar }
}

function shapeOfStorage(storage: Storage, typeName: string): Shape {
  switch (storage.kind) {
    case 'decimal':
      return { kind: 'scalar', scalar: 'Decimal' }
    case 'list':
      return { kind: 'list', item: shapeOfStorage(storage.item, typeName) }
    case 'plain':
      return { kind: 'scalar', scalar: scalarOfStorage[storage.name] ?? 'JSON' }
    case 'struct': {
      const names = memberNames(storage.fields.map(({ name }) => name))
      const members = storage.fields.flatMap(({ name: key, storage: held }) => {
        const name = names.get(key) ?? null
        return name === null ? [] : [{ name, key, shape: shapeOfStorage(held, `${typeName}_${name}`) }]
      })
      // A struct of which nothing can be named is what it is as a whole.
      return members.length === 0 ? { kind: 'scalar', scalar: 'JSON' } : { kind: 'object', typeName, members }
    }
  }
}

/** Of the objects in it. */
export function typeNamesOf(shape: Shape): readonly string[] {
  switch (shape.kind) {
    case 'scalar':
      return []
    case 'list':
      return typeNamesOf(shape.item)
    case 'object':
      return [shape.typeName, ...shape.members.flatMap((member) => typeNamesOf(member.shape))]
  }
}
