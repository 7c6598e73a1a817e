// PostgreSQL against the warehouse's contract.

import { onAdapter } from '../adapters.ts'
import { testWarehouse } from '../contract/warehouse.ts'
import { startPostgres } from '../servers/postgres.ts'
import { createPostgresWarehouseFolder } from './open-postgres.ts'
import { values } from './postgres-values.ts'

const slow = 'SELECT sum(a * b) AS s FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b'

const types = `
  SET check_function_bodies = off; CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN price AS numeric(9,2);
  CREATE FUNCTION peek() RETURNS int8 LANGUAGE sql STABLE AS 'SELECT max(version) FROM gateway.version';
  CREATE FUNCTION poke() RETURNS int8 LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
  CREATE AGGREGATE first_seen(int8) (SFUNC = int8pl, STYPE = int8);`

const moments = {
  statements: [
    "SELECT 1 AS k, $$as_of()$$ AS s, $a$ as_of() $$ $a$ AS u, E'\\'as_of()' AS e, U&'as_of()' AS c, § AS t",
    "SELECT DISTINCT ON (k) k, t FROM (VALUES (1, §), (1, § - INTERVAL '1' DAY)) v(k, t) ORDER BY k, t DESC",
    "SELECT k FROM generate_series(§ - INTERVAL '2' DAY, §, INTERVAL '1' DAY) g(k)",
    "SELECT k, array_agg(k ORDER BY § - ts) AS l FROM (VALUES (1, TIMESTAMP '2026-03-04 12:00:00')) v(k, ts) GROUP BY k",
    "SELECT k, § BETWEEN SYMMETRIC § AND ts AS b FROM (VALUES (1, TIMESTAMP '2026-03-04 12:00:00')) v(k, ts)",
    "WITH RECURSIVE r(n, t) AS (SELECT 1, § UNION ALL SELECT n + 1, t - INTERVAL '1' DAY FROM r WHERE n < 3 AND t <= §) SELECT * FROM r",
  ],
  spellings: ['as_of /* /* nested ) */ ( */ (  )'],
}

onAdapter('postgres', () =>
  testWarehouse(
    'PostgreSQL',
    async () => {
      const server = await startPostgres()
      const { datasetsFolder, open, remove } = await createPostgresWarehouseFolder(server.url, types)
      return {
        folder: datasetsFolder,
        open,
        async remove() {
          await server.stop()
          await remove()
        },
        sql: { slow, refused, values },
      }
    },
    {
      moments,
      alike: [
        ['LIST', 'UUID[]', 'VARCHAR[]'],
        ['STRING', 'UUID', 'VARCHAR'],
        ['STRING', 'VARCHAR(3)', 'VARCHAR(4)'],
        ['STRING', 'VARCHAR', 'UUID'],
      ],
    },
  ),
)

const refused = [
  "SELECT pg_read_file('/etc/passwd') AS a",
  "SELECT * FROM pg_ls_dir('/') a",
  "SELECT pg_read_binary_file('/etc/passwd') AS a",
  "SELECT lo_import('/etc/passwd') AS a",
  'SELECT lo_get(1) AS a',
  "SELECT 1 AS a WHERE EXISTS (SELECT pg_stat_file('/etc/passwd'))",
  "WITH t AS (SELECT pg_read_file('/etc/passwd')) SELECT 1 AS a",
  "WITH t AS (INSERT INTO feature_store.users (user_id) VALUES ('x') RETURNING user_id) SELECT * FROM t",
  'WITH t AS (DELETE FROM feature_store.users RETURNING user_id) SELECT 1 AS a',
  'SELECT user_id AS a FROM feature_store.users FOR UPDATE',
  'SELECT 1 AS a INTO feature_store.copied',
  'SELECT * FROM gateway.ledger',
  'SELECT * FROM "gateway"."version"',
  'SELECT * FROM postgres.gateway.version',
  'SELECT (SELECT max(version) FROM gateway.version) AS a',
  'SELECT 1 AS a ORDER BY (SELECT max(version) FROM gateway.version)',
  'SELECT 1 AS a LIMIT (SELECT max(version) FROM gateway.version)',
  'SELECT 1 AS a UNION ALL TABLE gateway.version',
  'SELECT 1 AS a WHERE false AND EXISTS (SELECT 1 FROM gateway.ledger)',
  'WITH RECURSIVE r AS (SELECT 1::int8 AS a UNION ALL SELECT version FROM gateway.version, r) SELECT a FROM r',
  'WITH unused AS (SELECT * FROM gateway.version) SELECT 1 AS a',
  'SELECT * FROM feature_store.users u, LATERAL (SELECT version FROM gateway.version WHERE u.name IS NULL) v',
  'SELECT peek() AS a',
  'SELECT poke() AS a',
  'SELECT * FROM information_schema.tables',
  'SELECT tablename AS a FROM pg_tables',
  'SELECT rolpassword AS a FROM pg_catalog.pg_authid',
  'SELECT query AS a FROM pg_stat_activity',
  "SELECT current_setting('data_directory') AS a",
  "SELECT set_config('transaction_read_only', 'off', false) AS a",
  'SELECT current_user AS a',
  'SELECT version() AS a',
  'SELECT pg_sleep(1) AS a',
  'SELECT pg_advisory_lock(1) AS a',
  'SELECT pg_cancel_backend(1) AS a',
  "SELECT pg_notify('a', 'b') AS a",
  "SELECT query_to_xml('SELECT * FROM gateway.ledger', true, true, '') AS a",
  "SELECT table_to_xml('gateway.ledger', true, true, '') AS a",
  "SELECT * FROM ts_stat('SELECT version FROM gateway.version') AS a",
  "SELECT pg_get_viewdef('pg_tables'::regclass) AS a",
  "SELECT nextval('s') AS a",
  'SELECT setseed(0.5) AS a',
  'SELECT $1 AS a',
  'SELECT $1::int AS a',
  'SELECT FROM feature_store.users',
  'SELECT 1) t; SELECT (2',
  'SELECT 1) t CROSS JOIN (SELECT 2 AS a',
  'SELECT 1 AS a /*',
  'SHOW data_directory',
  'EXPLAIN SELECT 1',
  'EXPLAIN ANALYZE DELETE FROM feature_store.users',
  "COPY (SELECT 1) TO '/tmp/x.csv'",
  "COPY (SELECT 1) TO PROGRAM 'true'",
  'COPY (SELECT 1) TO STDOUT',
  'SET statement_timeout = 0',
  'BEGIN',
  'COMMIT',
  'LISTEN a',
  "DO 'BEGIN END'",
  'CALL nothing()',
  'PREPARE p AS SELECT 1',
  'EXECUTE p',
  'DECLARE c CURSOR FOR SELECT 1',
  'FETCH 1 FROM c',
  'VACUUM',
  "LOAD 'auto_explain'",
  'LOCK feature_store.users',
  'CREATE TABLE x AS SELECT 1 AS a',
  'DELETE FROM feature_store.users',
  "UPDATE feature_store.users SET name = 'x' RETURNING user_id AS a",
]
