// How DuckDB writes what a training set is joined by, in the warehouse and over Parquet files.

import type { Column } from '../values/columns.ts'

const isZoned = ({ storage }: Column) => storage === 'TIMESTAMP WITH TIME ZONE'

export const duckdbAsOf = {
  hasLateral: true,
  materialized: 'MATERIALIZED ',
  // A scan of the columns that are asked for costs less than to hold them all.
  notMaterialized: 'NOT MATERIALIZED ',
  moment: (value: string, column: Column) =>
    isZoned(column) ? `(${value} AT TIME ZONE 'UTC')` : `CAST(${value} AS TIMESTAMP)`,
  inTypeOf: (moment: string, column: Column) => (isZoned(column) ? `(${moment} AT TIME ZONE 'UTC')` : moment),
  // Before the first moment that there is, nothing is.
  secondsBefore: (moment: string, seconds: number) =>
    `coalesce(TRY(${moment} - to_seconds(${seconds})), TIMESTAMP '-infinity')`,
  text: (value: string) => `CAST(${value} AS VARCHAR)`,
  fails: (text: string) => `error(${text}) IS NULL`,
  ordered: (value: string, { type, storage }: Column) =>
    type === 'STRING' || type === 'JSON' ? `CAST(${value} AS VARCHAR)` : `CAST(${value} AS ${storage})`,
}
