// Column: a name, a type and whether it holds nulls, of a query's, an ETL's, a dataset's or a table's rows.

import { columnTypes, encodeValue } from '../values/columns.ts'
import { tableReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import { JsonText } from './json-text.ts'

export type ColumnInputRef = ReturnType<typeof addColumn>['columnInput']
export type ColumnTypeRef = ReturnType<typeof addColumn>['columnType']

export function addColumn(builder: Builder) {
  const columnType = builder.enumType('ColumnType', {
    description: 'What a column holds, the same in the warehouse, in ETLs, online and in files.',
    values: columnTypes,
  })
  builder.objectType('Column', {
    description: 'A column of rows.',
    authScopes: tableReaders,
    fields: (t) => ({
      name: t.exposeString('name'),
      type: t.expose('type', { type: columnType }),
      nullable: t.exposeBoolean('nullable'),
    }),
  })
  builder.objectType('ColumnProfile', {
    description: "What a dataset's column holds.",
    authScopes: { train: true },
    fields: (t) => ({
      name: t.exposeString('name'),
      type: t.expose('type', { type: columnType }),
      nulls: t.exposeInt('nulls'),
      distinct: t.exposeInt('distinct', {
        description: 'How many values differ: an estimate that may be off by a quarter.',
      }),
      min: t.field({
        type: 'JSON',
        nullable: true,
        description: 'Null where there is no value, or values have no order.',
        resolve: ({ min }) => new JsonText(encodeValue(min)),
      }),
      max: t.field({
        type: 'JSON',
        nullable: true,
        resolve: ({ max }) => new JsonText(encodeValue(max)),
      }),
    }),
  })
  const columnInput = builder.inputType('ColumnInput', {
    description: 'A column of a table that is to be made.',
    fields: (t) => ({
      name: t.string({ required: true }),
      type: t.field({ type: columnType, required: true }),
      nullable: t.boolean({ defaultValue: true }),
      storage: t.string({
        description:
          'How it is held: DECIMAL(18,2), DOUBLE[], STRUCT(street VARCHAR, number INTEGER). DECIMAL, LIST and STRUCT need it; the others have a usual one.',
      }),
    }),
  })
  return { columnType, columnInput }
}
