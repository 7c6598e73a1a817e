// PostgreSQL's functions, called with what they were not made for.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { onAdapter } from '../adapters.ts'
import { tries } from '../thorough.ts'
import { callOf, type EngineFunction, expectNoFaultOfOurs } from './odd-arguments.ts'
import { type PostgresWarehouse, startPostgresWarehouse } from './open-postgres.ts'

/** As many of the functions, at random, as are called in so long. */
const sweepMs = tries({ all: 10_000, part: 3000 })

/** Those that a statement can call. */
const functionsOfServer = `
  SELECT format('pg_catalog.%I', p.proname) AS name, ARRAY(SELECT format_type(a.type, NULL)
    FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, n) ORDER BY n) AS types
  FROM pg_proc p JOIN pg_type r ON r.oid = p.prorettype
  WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a') AND 'internal'::regtype <> ALL (p.proargtypes)
    AND r.typname NOT IN ('internal', 'void') AND r.typname NOT LIKE '%trigger' AND r.typname NOT LIKE '%\\_handler'`

const oddValues: Record<string, readonly string[]> = {
  integer: ['2147483647', '-2147483648', '0'],
  bigint: ['9223372036854775807', '-9223372036854775808'],
  smallint: ['32767::smallint', '0::smallint'],
  oid: ['0::oid', '4294967295::oid', '1::oid'],
  text: ["''", "'x'"],
  cstring: ["'x'::cstring", "''::cstring", "'1'::cstring"],
  'double precision': ["'nan'::float8", "'-infinity'::float8", '1e308'],
  numeric: ["'nan'::numeric", "'infinity'::numeric", '1e1000::numeric'],
  bytea: ["''::bytea", "'\\xff'::bytea"],
  interval: ["'2147483647 months'::interval"],
  date: ["'infinity'::date", "'4714-11-24 BC'::date"],
  'timestamp without time zone': ["'-infinity'::timestamp", "'294276-12-31'::timestamp"],
  'timestamp with time zone': ["'infinity'::timestamptz"],
  anyarray: ["'{}'::int[]", "'{1,NULL}'::int[]"],
  anyelement: ['1', 'NULL::int'],
  anycompatiblearray: ["'{}'::int[]"],
  anycompatible: ['1'],
  anyrange: ["'empty'::int4range", "'(,)'::int4range"],
  anymultirange: ["'{}'::int4multirange"],
  record: ['ROW(1)', 'ROW()'],
  json: ["'null'::json", "'[]'::json"],
  jsonb: ["'null'::jsonb", "'[1]'::jsonb"],
  '"any"': ['1', 'NULL'],
  jsonpath: ["'$'::jsonpath", "'$.*'::jsonpath"],
  tsvector: ["''::tsvector", "'a:1'::tsvector"],
}

function odd(type: string, turn: number): string {
  const values = oddValues[type]
  if (values !== undefined) return values[turn % values.length] ?? 'NULL'
  return type.endsWith('[]') ? `'{}'::${type}` : type.startsWith('any') ? 'NULL' : `'0'::${type}`
}

onAdapter('postgres', () => {
  let postgres: PostgresWarehouse
  let warehouse: Warehouse

  beforeAll(async () => {
    postgres = await startPostgresWarehouse()
    warehouse = postgres.warehouse
  })

  afterAll(() => postgres?.stop())

  test.each([
    [`SELECT array_in('{1}', 0, 0)::text AS a`, 'INVALID_SQL', /cache lookup failed for type 0/],
    [`SELECT repeat('x', 1100000000) AS a`, 'TOO_LARGE', /./],
    [`SELECT array_fill(0, ARRAY[134000000, 2])::text AS a`, 'TOO_LARGE', /./],
  ])('%s is the statement’s fault, in the server’s words', async (sql, code, message) => {
    const scanned = warehouse.scan({ sql, key: ['a'] }).then(({ batches }) => Array.fromAsync(batches))
    await expect(scanned).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('no function makes a statement’s fault the warehouse’s, whatever it is called with', async () => {
    const functions = (await postgres.execute(functionsOfServer)) as unknown as EngineFunction[]
    const calls = functions.flatMap((each) => [callOf(each, odd, 0), callOf(each, odd, 1)])
    expect(await expectNoFaultOfOurs(warehouse, calls, { boundMs: sweepMs, atOnce: 4 })).toBeGreaterThan(
      sweepMs / 300,
    )
  })
})
