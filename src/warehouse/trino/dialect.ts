// Trino's sheet: the types and the names of its tables.

import { quoteName } from '../../sql/sql-text.ts'
import type { Dialect } from '../dialect.ts'
import { internalSchema } from '../port.ts'

const types: Readonly<Record<string, string>> = {
  UTINYINT: 'smallint',
  USMALLINT: 'integer',
  UINTEGER: 'bigint',
  UBIGINT: 'decimal(20,0)',
  HUGEINT: 'decimal(38,0)',
  UHUGEINT: 'decimal(38,0)',
  FLOAT: 'real',
  BLOB: 'varbinary',
  TIMESTAMP: 'timestamp(6)',
  TIMESTAMPTZ: 'timestamp(6) with time zone',
  'TIMESTAMP WITH TIME ZONE': 'timestamp(6) with time zone',
}

export const trinoDialect: Dialect = {
  types,
  decimal: (precision, scale) => `decimal(${precision},${scale})`,
  list: (item) => `array(${item})`,
  struct: (fields) => `row(${fields.map(({ name, type }) => `${quoteName(name)} ${type}`).join(', ')})`,
  ignoresCase: true,
  closedSchemas: [internalSchema, 'information_schema'],
}
