// Column: a name, a type and whether it holds nulls, of a query's, an ETL's or a dataset's rows.

import { columnTypes } from '../values/columns.ts'
import { catalogReaders } from './authorization.ts'
import type { Builder } from './builder.ts'

export function addColumn(builder: Builder) {
  const columnType = builder.enumType('ColumnType', {
    description: 'What a column holds, the same in the warehouse, in ETLs, online and in files.',
    values: columnTypes,
  })
  builder.objectType('Column', {
    description: 'A column of rows.',
    authScopes: catalogReaders,
    fields: (t) => ({
      name: t.exposeString('name'),
      type: t.expose('type', { type: columnType }),
      nullable: t.exposeBoolean('nullable'),
    }),
  })
}
