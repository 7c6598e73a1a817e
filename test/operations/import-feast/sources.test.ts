// A Feast repository over tables of PostgreSQL, imported into a gateway whose warehouse is that database; and what no import can take.

import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWithPostgres } from '../../freshness/gateway.ts'
import { run, told } from './command.ts'

const dump = join(import.meta.dirname, 'sources.json')

let place: Awaited<ReturnType<typeof startWithPostgres>>

beforeAll(async () => {
  place = await startWithPostgres(`
    CREATE TABLE sales.rates (driver_id bigint, rate double precision, event_timestamp timestamptz, created timestamptz);
    INSERT INTO sales.rates VALUES (7, 0.5, now() - interval '2 days', now()), (7, 0.75, now() - interval '1 day', now()),
      (7, 0.25, now() + interval '1 day', now()), (8, -1, now() - interval '1 day', now()), (9, 1, now() - interval '11 days', now());
    CREATE TABLE public.plain_rates (driver bigint, share double precision, event_timestamp timestamp, created timestamp);
    INSERT INTO public.plain_rates VALUES (7, 0.125, now() - interval '1 day', now());
    CREATE TABLE sales."Odd rates" AS SELECT * FROM sales.rates;
    CREATE TABLE sales.twice AS SELECT * FROM sales.rates;
    CREATE TABLE public.twice AS SELECT * FROM sales.rates;`)
}, 180_000)

afterAll(() => place?.close())

const foreign = (name: string, kind: string) =>
  `its source ${name} is a ${kind}; files and PostgreSQL are followed. Save a query over the table where the gateway's warehouse has it`

test('takes tables and queries of PostgreSQL, and says of every other source why not', async () => {
  const { gateway } = place
  const first = await run(dump, '--url', gateway.url)
  expect(first.err).toBe('')
  expect(told(first.out)).toEqual({
    '✓ view of_table': '',
    '✓ view of_plain_table': '',
    '✓ view of_quoted_table': '',
    '✓ view of_query': '',
    '✗ view of_missing_table':
      "the gateway's warehouse has no table sales.nowhere; with WAREHOUSE_URL it reads the database that has it",
    '✗ view of_two_tables':
      "the gateway's warehouse has several tables twice, public.twice and sales.twice; name the schema in the source",
    '✗ view of_delta':
      'the gateway has no table files.rates: where its warehouse is DuckDB, name the file in its setting WAREHOUSE_FILES=delta:s3://lake/rates, then import again',
    '✗ view of_bigquery': foreign('big', 'BigQuerySource'),
    '✗ view of_redshift': foreign('red', 'RedshiftSource'),
    '✗ view of_snowflake': foreign('snow', 'SnowflakeSource'),
    '✗ view of_spark': foreign('spark', 'SparkSource'),
    '✗ view of_trino': foreign('trino', 'TrinoSource'),
    '✗ view of_athena': foreign('athena', 'AthenaSource'),
    '! service pricing': [
      'its features of of_table as was are named was__… here; ask for them without full names',
      'its features of of_plain_table as is are named is__… here; ask for them without full names',
    ].join('\n    '),
    '✗ service streamed': 'it has features of of_stream, left out itself',
    '✗ stream view of_stream': 'write its rows to a table that takes rows, and make a view of that',
    '✗ stream source clicks':
      'rows go to a table that takes them (createTable); a view here does not see what is pushed elsewhere',
  })
  expect(first.code).toBe(1)
  expect(await run(dump, '--url', gateway.url)).toEqual(first)
  const { onlineFeatures } = await gateway.client.data<{ onlineFeatures: unknown[] }>(
    `{ onlineFeatures(features: [{ view: "of_table", prefix: "t_" }, { view: "of_plain_table", prefix: "p_" },
      { view: "of_quoted_table", prefix: "o_" }, { view: "of_query", prefix: "q_" }],
      entities: [{ driver_id: 7 }, { driver_id: 8 }, { driver_id: 9 }]) { features views { status } } }`,
  )
  const statuses = (...all: string[]) => all.map((status) => ({ status }))
  expect(onlineFeatures).toEqual([
    {
      features: { t_rate: 0.75, p_rate: 0.125, o_rate: 0.75, q_rate: 0.75 },
      views: statuses('FRESH', 'FRESH', 'FRESH', 'FRESH'),
    },
    {
      features: { t_rate: -1, p_rate: null, o_rate: -1, q_rate: null },
      views: statuses('FRESH', 'NOT_FOUND', 'FRESH', 'NOT_FOUND'),
    },
    {
      features: { t_rate: null, p_rate: null, o_rate: null, q_rate: null },
      views: statuses('EXPIRED', 'NOT_FOUND', 'EXPIRED', 'EXPIRED'),
    },
  ])
}, 120_000)
