// The types that a Parquet file of ours may hold, for those who write one without knowing the engine.

import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  type DuckDBType,
  DuckDBVarCharType,
  FLOAT,
  INTEGER,
  LIST,
  SMALLINT,
  STRUCT,
  TIMESTAMP,
  TIMESTAMPTZ,
  TINYINT,
  VARCHAR,
} from '@duckdb/node-api'

export type StorageType = DuckDBType

export const storageTypes = {
  boolean: BOOLEAN,
  int8: TINYINT,
  int16: SMALLINT,
  int32: INTEGER,
  int64: BIGINT,
  float32: FLOAT,
  float64: DOUBLE,
  text: VARCHAR,
  json: DuckDBVarCharType.create('JSON'),
  bytes: BLOB,
  date: DATE,
  timestamp: TIMESTAMP,
  timestampTz: TIMESTAMPTZ,
} as const satisfies Record<string, StorageType>

export const decimalType = (width: number, scale: number): StorageType => DECIMAL(width, scale)
export const listType = (item: StorageType): StorageType => LIST(item)
export const structType = (fields: readonly { name: string; type: StorageType }[]): StorageType =>
  STRUCT(Object.fromEntries(fields.map(({ name, type }) => [name, type])))
