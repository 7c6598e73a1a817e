// Trino's sheet: the types and the names of its tables.

import { quoteName } from '../../sql/sql-text.ts'
import type { AsOfDialect, Dialect } from '../dialect.ts'
import { internalSchema } from '../port.ts'
import { spinesSchema } from './schema.ts'

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
  closedSchemas: [internalSchema, spinesSchema, 'information_schema'],
}

/** The engine computes what has a name wherever that stands. */
export const trinoAsOf: AsOfDialect = {
  hasLateral: false,
  materialized: '',
  notMaterialized: '',
  moment: (value, { storage }) =>
    storage === 'TIMESTAMP WITH TIME ZONE'
      ? `CAST(${value} AT TIME ZONE 'UTC' AS timestamp(6))`
      : `CAST(${value} AS timestamp(6))`,
  inTypeOf: (moment) => moment,
  secondsBefore: (moment, seconds) => `date_add('second', -${seconds}, ${moment})`,
  text: (value) => `CAST(${value} AS varchar)`,
  // Of fail() the engine knows the type alone, and leaves it out. What it says goes on behind the text, which a quote ends.
  fails: (text) => `CAST(${text} || '"' AS integer) IS NULL`,
  ordered(value, { type }) {
    if (type === 'STRING') return `CAST(${value} AS varchar)`
    return ['JSON', 'LIST', 'STRUCT'].includes(type) ? `json_format(CAST(${value} AS JSON))` : value
  },
}
