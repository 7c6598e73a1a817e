// DuckDB against the warehouse's contract, and what only it does: mounted files, durability, its refusals.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { createWarehouse } from '../../src/warehouse/index.ts'
import { testWarehouse } from '../contract/warehouse.ts'
import { values } from '../parquet/values.ts'

testWarehouse('DuckDB', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'warehouse-'))
  const datasetsFolder = join(folder, 'datasets')
  await mkdir(datasetsFolder)
  return {
    folder: datasetsFolder,
    open: () =>
      createWarehouse({
        url: 'duckdb:',
        file: join(folder, 'warehouse.duckdb'),
        files: [],
        temporaryFolder: join(folder, 'tmp'),
        datasetsFolder,
        memoryMb: 512,
        log: pino({ level: 'silent' }),
      }),
    remove: () => rm(folder, { recursive: true }),
    sql: {
      slow: 'SELECT sum(a.range * b.range) AS s FROM range(1000000) a, range(1000000) b',
      refused,
      values,
    },
  }
})

const refused = [
  "SELECT * FROM '/etc/passwd'",
  "SELECT * FROM 'file.parquet'",
  "SELECT * FROM read_csv('/etc/passwd')",
  "SELECT * FROM read_text('/etc/passwd')",
  "SELECT * FROM read_blob('*')",
  "SELECT * FROM glob('/*')",
  "SELECT * FROM 'https://example.com/a.parquet'",
  "SELECT 1 AS a WHERE EXISTS (SELECT 1 FROM read_csv('/etc/passwd'))",
  "WITH t AS (SELECT * FROM read_csv('/etc/passwd')) SELECT 1 AS a",
  'WITH "/etc/passwd" AS (SELECT 1 AS a) SELECT * FROM (SELECT * FROM \'/etc/hosts\') t',
  'SELECT (WITH x AS (SELECT 1) SELECT 1) AS a, * FROM x',
  'SELECT * FROM gateway.ledger',
  'SELECT * FROM "GATEWAY"."LEDGER"',
  'SELECT * FROM warehouse.gateway.version',
  'SELECT (SELECT max(version) FROM gateway.version) AS a',
  'SELECT * FROM information_schema.tables',
  'SELECT * FROM pg_catalog.pg_tables',
  'SELECT * FROM sqlite_master',
  'SELECT * FROM duckdb_tables',
  'SELECT * FROM duckdb_settings()',
  'SELECT * FROM duckdb_secrets()',
  'SELECT * FROM pragma_database_list',
  "SELECT * FROM pragma_table_info('gateway.ledger')",
  "SELECT current_setting('temp_directory') AS a",
  "SELECT getenv('HOME') AS a",
  "SELECT getvariable('a') AS a",
  "SELECT * FROM query('SELECT 1')",
  "SELECT * FROM query_table('gateway.ledger')",
  "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
  "SELECT nextval('s') AS a",
  'SELECT $1 AS a',
  'SELECT ? AS a',
  'DESCRIBE feature_store.users',
  'SHOW TABLES',
  'SUMMARIZE feature_store.users',
  'PRAGMA database_list',
  'CALL pragma_version()',
  'EXPLAIN SELECT 1',
  "COPY (SELECT 1) TO '/tmp/x.csv'",
  "ATTACH '/tmp/x.duckdb'",
  'SET threads = 1',
  'LOAD httpfs',
  'BEGIN',
  'SELECT 1 AS a FROM (SUMMARIZE feature_store.users)',
]
