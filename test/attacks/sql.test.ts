// SQL that would read what it must not, or take what it may not: each is refused with a code, and the next statement is answered.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { marker, openTarget, type Target } from './gateway.ts'

let target: Target

beforeAll(async () => {
  target = await openTarget()
})

afterAll(() => target?.close())

afterEach(async () => {
  const { text } = await target.train('SELECT 41 + 1 AS answer')
  expect(text).toContain('{"answer":42}')
})

/** `FILE` and `FOLDER` stand for a file with the marker and for DATA_DIR. */
const reads: [name: string, sql: string][] = [
  ['a file by its name', `SELECT * FROM 'FILE'`],
  ['a file by its name, quoted', `SELECT * FROM "FILE"`],
  ['a file within a WITH', `WITH a AS (SELECT * FROM 'FILE') SELECT * FROM a`],
  ['read_csv', `SELECT * FROM read_csv('FILE')`],
  ['read_csv_auto in a subquery', `SELECT (SELECT a FROM read_csv_auto('FILE') LIMIT 1) AS a`],
  ['read_text', `SELECT content FROM read_text('FILE')`],
  ['read_blob', `SELECT content FROM read_blob('FILE')`],
  ['read_json', `SELECT * FROM read_json('FILE')`],
  ['read_parquet of datasets', `SELECT * FROM read_parquet('FOLDER/datasets/*.parquet')`],
  ['sniff_csv', `SELECT * FROM sniff_csv('FILE')`],
  ['glob', `SELECT * FROM glob('FOLDER/*')`],
  ['parquet_metadata', `SELECT * FROM parquet_metadata('FOLDER/x.parquet')`],
  ['the network', `SELECT * FROM 'https://example.com/a.csv'`],
  ['S3', `SELECT * FROM read_parquet('s3://bucket/a.parquet')`],
  ['getenv', `SELECT getenv('ATTACK_MARKER') AS a`],
  ['a setting', `SELECT current_setting('temp_directory') AS a`],
  ['all settings', 'SELECT * FROM duckdb_settings()'],
  ['secrets', 'SELECT * FROM duckdb_secrets()'],
  ...['current_user', 'user', 'session_user', 'current_role', 'current_catalog', 'current_schema'].flatMap(
    (name): [string, string][] => [
      [`${name} without parentheses`, `SELECT ${name} AS a`],
      [
        `${name} in quotes and capitals`,
        `SELECT count(*) AS n FROM range(3) WHERE "${name.toUpperCase()}" <> ''`,
      ],
      [`${name} with parentheses`, `SELECT ${name}() AS a`],
    ],
  ),
  ['current_user beside a column of the name', 'WITH t AS (SELECT 1 AS "user") SELECT (SELECT user) AS a'],
  ['which_secret', `SELECT * FROM which_secret('s3://a', 's3')`],
  ['databases', 'SELECT * FROM duckdb_databases()'],
  ['a pragma as a function', 'SELECT * FROM pragma_database_size()'],
  ['the engine’s views', 'SELECT * FROM duckdb_views'],
  ['sqlite_master', 'SELECT * FROM sqlite_master'],
  ['information_schema', 'SELECT * FROM information_schema.tables'],
  ['pg_catalog', 'SELECT * FROM pg_catalog.pg_class'],
  ['the gateway’s ledger', 'SELECT * FROM gateway.ledger'],
  ['the gateway’s version, by its catalog', 'SELECT * FROM warehouse.gateway.version'],
  [
    'a view of the engine, by a Kelvin sign',
    `WITH "duc\u212adb_databases" AS (SELECT 1) SELECT * FROM duckdb_databases`,
  ],
  [
    'a view of the engine, by a recursion of its name',
    'WITH RECURSIVE pragma_database_list AS (SELECT * FROM pragma_database_list UNION ALL SELECT * FROM pragma_database_list WHERE false) SELECT * FROM pragma_database_list',
  ],
  [
    'a view of the engine, by a WITH beside it',
    'SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT 1) a, sqlite_master',
  ],
  ['query', `SELECT * FROM query('SELECT 1')`],
  ['query_table', `SELECT * FROM query_table('gateway.ledger')`],
  ['SQL in JSON', `SELECT json_execute_serialized_sql(json_serialize_sql('SELECT 1')) AS a`],
  ['sql_auto_complete', `SELECT * FROM sql_auto_complete('SEL')`],
  ['the log', `SELECT write_log('x') AS a`],
  ['sleep_ms', 'SELECT sleep_ms(100000) AS a'],
  ['nextval', `SELECT nextval('a') AS a`],
  ['a variable', `SELECT getvariable('a') AS a`],
  ['the engine’s own functions', `SELECT __internal_decompress_string(1::UTINYINT) AS a`],
  ['COPY', `COPY (SELECT 1) TO 'FOLDER/out.csv'`],
  ['COPY in a WITH', `WITH a AS (COPY (SELECT 1) TO 'FOLDER/out.csv') SELECT 1`],
  ['an INSERT', `INSERT INTO feature_store.users VALUES ('a', 'b', 'c', 1)`],
  [
    'an INSERT that returns',
    `WITH a AS (INSERT INTO feature_store.users VALUES ('a') RETURNING *) SELECT * FROM a`,
  ],
  ['a DELETE', 'DELETE FROM feature_store.users'],
  ['a DROP after a SELECT', 'SELECT 1; DROP TABLE feature_store.users'],
  ['ATTACH', `ATTACH 'FOLDER/other.duckdb'`],
  ['INSTALL', 'INSTALL httpfs'],
  ['LOAD', `LOAD 'FILE'`],
  ['SET', `SET enable_external_access = true`],
  ['RESET', 'RESET ALL'],
  ['PRAGMA', 'PRAGMA database_list'],
  ['CALL', 'CALL pragma_version()'],
  ['SHOW within a SELECT', 'SELECT * FROM (SHOW ALL TABLES)'],
  ['SUMMARIZE', 'SUMMARIZE feature_store.users'],
  ['DESCRIBE', 'DESCRIBE feature_store.users'],
  ['EXPLAIN ANALYZE', 'EXPLAIN ANALYZE SELECT 1'],
  ['EXECUTE', 'EXECUTE a'],
  ['a macro', 'CREATE MACRO a() AS 1'],
  ['CREATE SECRET', `CREATE SECRET (TYPE s3, KEY_ID 'a')`],
  ['EXPORT DATABASE', `EXPORT DATABASE 'FOLDER/out'`],
  ['a way out of the parentheses', 'SELECT 1) t; DROP TABLE feature_store.users; SELECT * FROM (SELECT 1'],
  ['a comment that swallows', 'SELECT 1 AS a -- ) t'],
  ['a NUL', 'SELECT 1\0; DROP TABLE feature_store.users'],
  ['a parameter', 'SELECT $1 AS a'],
]

describe('on DuckDB, what is not of the warehouse’s data stays out of reach:', () => {
  test.each(reads)('%s', async (name, sql) => {
    const filled = sql.replaceAll('FILE', target.secretFile).replaceAll('FOLDER', target.folder)
    const { code, text } = await target.train(filled)
    if (name === 'a comment that swallows') expect(code).toBe('OK')
    else expect(code).toBe('INVALID_SQL')
    // Of a path only what the statement itself holds.
    expect(text).not.toContain(marker)
    if (!sql.includes('F')) expect(text).not.toContain(target.folder)
  })
})

test('on DuckDB, a column may be called what the server would answer of itself', async () => {
  const named = 'SELECT 7 AS "user", 8 AS current_schema'
  const sql = `SELECT user, (SELECT max(user) FROM (${named})) AS m FROM (${named}) WHERE current_schema = 8`
  expect((await target.train(sql)).text).toContain('[{"user":7,"m":7}]')
  expect((await target.train('SELECT current_schema AS a')).message).toMatch(/they tell of the server/)
})

const times = (count: number, make: (i: number) => string) => Array.from({ length: count }, (_, i) => make(i))

describe('on DuckDB, what takes more than it may ends, and others are served meanwhile:', () => {
  test.each<[name: string, sql: string, code: RegExp]>([
    ['a text beyond every length', `SELECT repeat('x', 1000000000000) AS a`, /INVALID_SQL|TOO_LARGE/],
    ['a list in one value, beyond memory', 'SELECT len(range(2000000000)) AS n', /TOO_LARGE/],
    [
      'an aggregate in one value',
      `SELECT string_agg(repeat('x', 1000000), ',') AS a FROM range(100000)`,
      /TOO_LARGE/,
    ],
    [
      'a sequence without end in one value',
      'SELECT generate_series(1, 100000000000) AS a',
      /INVALID_SQL|TOO_LARGE/,
    ],
    ['a number of a billion digits', `SELECT printf('%01000000000d', 1) AS a`, /INVALID_SQL|TOO_LARGE/],
    ['nesting of expressions', `SELECT ${'abs('.repeat(3000)}1${')'.repeat(3000)} AS a`, /INVALID_SQL/],
    ['nesting of lists', `SELECT ${'['.repeat(3000)}1${']'.repeat(3000)} AS a`, /INVALID_SQL/],
    [
      'nesting of types',
      `SELECT NULL::${'STRUCT(a '.repeat(3000)}INT${')'.repeat(3000)} AS a`,
      /INVALID_SQL/,
    ],
    [
      'nesting of subqueries',
      `SELECT * FROM ${'(SELECT * FROM '.repeat(500)}(SELECT 1 AS a)${')'.repeat(500)}`,
      /INVALID_SQL/,
    ],
    ['a statement of megabytes', `SELECT 1 AS a WHERE ${'true AND '.repeat(500_000)}true`, /TOO_LARGE/],
    [
      'joins that double in every WITH',
      `WITH a0 AS (SELECT user_id AS x FROM feature_store.users)${times(30, (i) => `, a${i + 1} AS (SELECT p.x FROM a${i} p, a${i} q)`).join('')} SELECT * FROM a30`,
      /TOO_LARGE/,
    ],
  ])('%s', async (_name, sql, code) => {
    expect((await target.train(sql)).code).toMatch(code)
  })

  test('more rows and more megabytes than a dataset may have, and more time than a run', async () => {
    const small = await openTarget({ TRAIN_MAX_ROWS: '1000', TRAIN_MAX_MB: '5', TRAIN_TIMEOUT_SECONDS: '4' })
    try {
      const runs = await Promise.all([
        small.train('SELECT range AS a FROM range(1001)'),
        small.train('SELECT uuid() AS a FROM range(100000000)'),
        small.train('SELECT count(*) AS n FROM range(10000000) a, range(10000000) b'),
        small.train(
          'WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT count(*) AS n FROM t',
        ),
        // Nothing can interrupt this: the engine is started anew, and others' statements are run again.
        small.train(
          `SELECT levenshtein(repeat('a', 300000) || name, repeat('b', 300000)) AS n FROM (SELECT 'x' AS name FROM range(2))`,
        ),
      ])
      expect(runs.map(({ code }) => code)).toEqual([
        'TOO_LARGE',
        'TOO_LARGE',
        'TIMEOUT',
        'TIMEOUT',
        'TIMEOUT',
      ])
      expect(runs[0]?.message).toContain('TRAIN_MAX_ROWS')
      expect(runs[1]?.message).toContain('TRAIN_MAX_MB')
      expect((await small.train('SELECT 1 AS a')).code).toBe('OK')
    } finally {
      await small.close()
    }
  })

  test('more rows for one index value than a lookup gives; other values of the same request are answered', async () => {
    const small = await openTarget({ LOOKUP_MAX_ROWS: '1000', LOOKUP_MAX_MB: '1' })
    try {
      const sql = `SELECT 'many' AS k, range::VARCHAR AS v FROM range(5000)
        UNION ALL SELECT 'large', repeat('x', 2000000) UNION ALL SELECT 'few', 'a' UNION ALL SELECT 'none', NULL`
      const { queryTrain } = await small.data<{ queryTrain: { query: { id: string } } }>(
        'mutation ($sql: String!) { queryTrain(query: $sql, queryName: "many") { query { id } } }',
        { sql },
      )
      const lookUp = async (value: string) => {
        const answer = await small.graphql(
          'query ($id: ID!, $value: String!) { queryRealtime(queryId: $id, indexKey: "k", indexValue: $value) { rows error { code } } }',
          { id: queryTrain.query.id, value },
        )
        const found = answer.data?.queryRealtime as { rows: unknown[]; error: { code: string } | null }
        return found.error?.code ?? found.rows.length
      }
      // At once: they are looked up together.
      const found = await Promise.all(['many', 'few', 'large', 'absent'].map(lookUp))
      expect(found).toEqual(['TOO_LARGE', 1, 'TOO_LARGE', 0])
    } finally {
      await small.close()
    }
  })
})
