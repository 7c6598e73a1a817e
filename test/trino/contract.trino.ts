// Trino against the warehouse's contract.

import { testWarehouse } from '../contract/warehouse.ts'
import { createTrinoFolder, trinoUrl } from './open.ts'
import { values } from './values.ts'

const slow =
  'SELECT sum(a.a * b.b) AS s FROM UNNEST(sequence(1, 10000)) a(a), UNNEST(sequence(1, 10000)) b(b), UNNEST(sequence(1, 10000)) c(c) WHERE a.a * b.b <> c.c'

/** `TRINO_ROWS=postgres` has the rows kept in a PostgreSQL, where all of it takes some minutes more. */
const rows = process.env.TRINO_ROWS ?? 'contract'

testWarehouse(
  `Trino with its rows in ${rows}`,
  async () => {
    const { datasetsFolder, open, remove } = await createTrinoFolder()
    return {
      folder: datasetsFolder,
      open: () => open(`${trinoUrl('contract')}?rows=${rows}`),
      remove,
      sql: { slow, refused: refusedOn('contract', rows), values },
    }
  },
  { erases: rows !== 'contract' },
)

function refusedOn(views: string, rows: string): string[] {
  return [
    `SELECT * FROM ${rows}.gateway.ledger`,
    `SELECT * FROM ${rows}."gateway"."users"`,
    'SELECT * FROM gateway.ledger',
    `SELECT (SELECT count(*) FROM ${rows}.gateway.ledger) AS a`,
    `SELECT 1 AS a UNION ALL SELECT count(*) FROM ${rows}.gateway.ledger`,
    `SELECT 1 AS a WHERE false AND EXISTS (SELECT 1 FROM ${rows}.gateway.ledger)`,
    `WITH unused AS (SELECT * FROM ${rows}.gateway.ledger) SELECT 1 AS a`,
    `SELECT 1 AS a FROM (SELECT * FROM ${rows}.gateway.ledger LIMIT 0) t`,
    `SELECT u.name AS a FROM feature_store.users u JOIN ${rows}.gateway.ledger l ON l.append_id = u.name`,
    'SELECT table_name AS a FROM information_schema.tables',
    'SELECT query AS a FROM system.runtime.queries',
    'SELECT catalog_name AS a FROM system.metadata.catalogs',
    'SELECT * FROM TABLE(sequence(1, 3)) t(a)',
    'SELECT * FROM TABLE /* a comment */ (sequence(1, 3)) t(a)',
    'SELECT current_user AS a',
    'SELECT version() AS a',
    'SELECT ? AS a',
    'SELECT 1) t; SELECT (2',
    'SELECT 1 AS a) t CROSS JOIN (SELECT 2 AS b',
    'SELECT 1 AS a /*',
    'SHOW TABLES',
    'SHOW CATALOGS',
    'EXPLAIN SELECT 1',
    `EXPLAIN ANALYZE DELETE FROM ${rows}.gateway.users`,
    'DESCRIBE feature_store.users',
    'USE tpch.tiny',
    "SET SESSION query_max_run_time = '1s'",
    'START TRANSACTION',
    'COMMIT',
    'PREPARE p FROM SELECT 1',
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "CALL system.runtime.kill_query('x', 'y')",
    `CREATE TABLE ${views}.feature_store.x AS SELECT 1 AS a`,
    `CREATE VIEW ${views}.feature_store.v AS SELECT 1 AS a`,
    `DELETE FROM ${rows}.gateway.users`,
    `TRUNCATE TABLE ${rows}.gateway.users`,
    `INSERT INTO ${rows}.gateway.ledger VALUES ('a', 'b', 1)`,
  ]
}
