// DuckDB against the warehouse's contract.

import { testWarehouse } from '../contract/warehouse.ts'
import { values } from '../parquet/values.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

const slow = 'SELECT sum(a.range * b.range) AS s FROM range(1000000) a, range(1000000) b'

testWarehouse(
  'DuckDB',
  async () => {
    const { datasetsFolder, open, remove } = await createWarehouseFolder()
    return { folder: datasetsFolder, open, remove, sql: { slow, refused, values } }
  },
  {
    moments: {
      statements: [
        'SELECT x, § AS t FROM (SELECT unnest([1, 2, 3]) AS x) QUALIFY row_number() OVER (ORDER BY CASE WHEN § IS NULL THEN x ELSE -x END) = 1',
        "SELECT list_transform([1, 2], x -> x + year(§)) AS l, [§ FOR x IN [1, 2]] AS m, {'a': §} AS s",
        'SELECT §.date_trunc_day AS d FROM (SELECT 1) WHERE false'.replace(
          '§.date_trunc_day',
          "date_trunc('day', §)",
        ),
        "FROM (SELECT 1 AS k, TIMESTAMP '2026-03-04 12:00:00' AS ts) SELECT k, max_by(k, ts) FILTER (ts <= §) AS m GROUP BY ALL",
        "PIVOT (SELECT 1 AS k, 'a' AS c, TIMESTAMP '2026-03-04 12:00:00' AS ts) ON c IN ('a', 'b') USING count(*) FILTER (WHERE ts <= §) GROUP BY k",
        "SELECT 1 AS k, $$as_of()$$ AS s, $a$ as_of() $$ $a$ AS u, E'\\'as_of()' AS e, § AS t",
        'SELECT * REPLACE (§ AS k) FROM (SELECT 1 AS k)',
        'SELECT § ::DATE AS d, (§)::VARCHAR AS v, -(year(§)) AS y, § IN (§, NULL) AS i',
      ],
      spellings: ['"AS_OF"()', 'as_of /* /* nested ) */ ( */ (  )'],
    },
    alike: [
      ['LIST', 'FLOAT[3]', 'FLOAT[4]'],
      ['LIST', 'FLOAT[3]', 'FLOAT[]'],
      ['LIST', 'UUID[]', 'VARCHAR[]'],
      ['STRING', 'UUID', 'VARCHAR'],
      ['STRING', 'VARCHAR', 'UUID'],
      ['STRUCT', 'STRUCT(v FLOAT[3])', 'STRUCT(v FLOAT[4])'],
    ],
  },
)

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
  "SELECT 'temp_directory'.current_setting() AS a",
  "SELECT pg_catalog.current_setting('temp_directory') AS a",
  "SELECT list_transform(['temp_directory'], x -> current_setting(x)) AS a",
  'SELECT 1 AS a ORDER BY (SELECT max(version) FROM gateway.version)',
  'SELECT 1 AS a LIMIT (SELECT max(version) FROM gateway.version)',
  'SELECT 1 AS a UNION ALL (FROM gateway.version)',
  'WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT version FROM gateway.version, r) SELECT a FROM r',
  'SELECT * FROM feature_store.users u, LATERAL (SELECT version FROM gateway.version WHERE u.name IS NULL) v',
  'PIVOT gateway.ledger ON batch IN (1) USING count(*)',
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
