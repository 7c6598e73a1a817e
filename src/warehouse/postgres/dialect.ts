// PostgreSQL's sheet: the types and the names of its tables.

import type { Column } from '../../values/columns.ts'
import type { AsOfDialect, Dialect } from '../dialect.ts'
import { internalSchema } from '../port.ts'

/** Where the server's word for a type is another than the Parquet engine's. */
const types: Readonly<Record<string, string>> = {
  TINYINT: 'smallint',
  UTINYINT: 'smallint',
  USMALLINT: 'integer',
  UINTEGER: 'bigint',
  UBIGINT: 'numeric(20,0)',
  HUGEINT: 'numeric(38,0)',
  UHUGEINT: 'numeric(38,0)',
  FLOAT: 'real',
  DOUBLE: 'double precision',
  VARCHAR: 'text',
  BLOB: 'bytea',
  JSON: 'jsonb',
}

export const postgresDialect: Dialect = {
  types,
  decimal: (precision, scale) => `numeric(${precision},${scale})`,
  list: (item) => `${item}[]`,
  // Composite types stand by themselves, and would have to be made first.
  struct: () => 'jsonb',
  ignoresCase: false,
  closedSchemas: [internalSchema, 'information_schema', 'pg_catalog', 'pg_toast', 'pg_temp'],
}

const isZoned = ({ storage }: Column) => storage === 'TIMESTAMP WITH TIME ZONE'

export const postgresAsOf: AsOfDialect = {
  hasLateral: true,
  materialized: 'MATERIALIZED ',
  notMaterialized: 'NOT MATERIALIZED ',
  moment: (value, column) => (isZoned(column) ? `(${value} AT TIME ZONE 'UTC')` : `${value}::timestamp`),
  inTypeOf: (moment, column) => (isZoned(column) ? `(${moment} AT TIME ZONE 'UTC')` : moment),
  secondsBefore: (moment, seconds) => `(${moment} - interval '${seconds} seconds')`,
  text: (value) => `${value}::text`,
  fails: (text) => `(${text})::integer IS NULL`,
  ordered: (value, { type }) =>
    ['STRING', 'JSON', 'STRUCT', 'LIST'].includes(type) ? `${value}::text COLLATE "C"` : value,
}
