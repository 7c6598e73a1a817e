// DuckDB's sheet: the types and the names of its tables.

import { quoteName } from '../../sql/sql-text.ts'
import type { Dialect } from '../dialect.ts'
import { internalSchema } from '../port.ts'
import { filesSchema } from './schema.ts'

export const duckdbDialect: Dialect = {
  types: {},
  decimal: (precision, scale) => `DECIMAL(${precision},${scale})`,
  list: (item, length) => `${item}[${length ?? ''}]`,
  struct: (fields) => `STRUCT(${fields.map(({ name, type }) => `${quoteName(name)} ${type}`).join(', ')})`,
  ignoresCase: true,
  closedSchemas: [internalSchema, filesSchema, 'information_schema', 'pg_catalog', 'temp'],
}
