// DuckDB's functions, called with what they were not made for.

import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { tries } from '../thorough.ts'
import { callOf, type EngineFunction, expectNoFaultOfOurs } from './odd-arguments.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

/** As many of the functions, at random, as are called in so long. */
const sweepMs = tries({ all: 10_000, part: 3000 })

const functionsOfEngine = `
  SELECT DISTINCT '"' || function_name || '"' AS name, if(varargs IS NULL, parameter_types, list_concat(parameter_types, [varargs, varargs])) AS types
  FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate') AND parameter_types IS NOT NULL`

const oddValues: Record<string, readonly string[]> = {
  VARCHAR: ["''", "'x'", "'nan'", "'{}'", "'[1,'", 'chr(0)', "'é😀'"],
  DOUBLE: ["'nan'::DOUBLE", "'inf'::DOUBLE", '-0.0::DOUBLE', '1e308'],
  FLOAT: ["'nan'::FLOAT", "'-inf'::FLOAT"],
  BIGINT: ['-9223372036854775808', '0', '9223372036854775807', '-1'],
  INTEGER: ['-2147483648', '2147483647', '0', '-1'],
  BLOB: ["''::BLOB", "'\\xFF'::BLOB"],
  DATE: ["'infinity'::DATE", "'-infinity'::DATE"],
  TIMESTAMP: ["'infinity'::TIMESTAMP", "'290309-12-22 (BC) 00:00:00'::TIMESTAMP"],
  'TIMESTAMP WITH TIME ZONE': ["'infinity'::TIMESTAMPTZ"],
  INTERVAL: ["'-2147483648 months'::INTERVAL", 'INTERVAL 0 DAY'],
  BIT: ["'0'::BIT"],
  JSON: ["'null'::JSON", "'[NaN,]'::JSON"],
  ANY: ['NULL', "'nan'::DOUBLE", "'x'", '[1]', "{'a': 1}", "MAP {'a': 1}", "'\\xFF'::BLOB"],
}
oddValues.T = oddValues.ANY ?? []

function odd(type: string, turn: number): string {
  const values = oddValues[type] ?? ['NULL', '1', "'x'"]
  if (type.endsWith('[]')) return turn % 2 === 0 ? '[]' : "['nan'::DOUBLE, NULL]"
  return type.includes('LAMBDA') ? 'x -> x' : (values[turn % values.length] ?? 'NULL')
}

let folder: Awaited<ReturnType<typeof createWarehouseFolder>>
let warehouse: Warehouse

beforeAll(async () => {
  folder = await createWarehouseFolder()
  warehouse = await folder.open()
})

afterAll(async () => {
  await warehouse?.close()
  await folder?.remove()
})

async function readCells(expression: string) {
  const { batches } = await warehouse.scan({ sql: `SELECT 1 AS k, ${expression} AS a`, key: ['k'] })
  return (await Array.fromAsync(batches)).flat().map(([, cell]) => cell)
}

test('what the engine alone can hold is refused with what to do', async () => {
  await expect(readCells("get_type('x')")).rejects.toMatchObject({
    code: 'INVALID_SQL',
    message: expect.stringMatching(/column "a" .*cast it/),
  })
})

test.each([
  ["json_array('nan'::DOUBLE, -'inf'::FLOAT, 1)", [null, null, 1]],
  ["to_json('inf'::DOUBLE)", null],
  [
    `'{"NaN": [nan, "a, NaN,]", 12345678901234567890,],}'::JSON`,
    { NaN: [null, 'a, NaN,]', 12345678901234567890n] },
  ],
])('%s is read as JSON, where what is no number is null', async (expression, expected) => {
  expect(await readCells(expression)).toEqual([expected])
})

test('no function makes a statement’s fault the warehouse’s, whatever it is called with', async () => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const found = await (await connection.run(functionsOfEngine)).getRowObjectsJson()
  const calls = (found as unknown as EngineFunction[]).flatMap((each) =>
    [0, 1, 2].map((turn) => callOf(each, odd, turn)),
  )
  connection.closeSync()
  // One at a time: one that cannot be stopped ends the engine's process, and what runs beside it.
  expect(await expectNoFaultOfOurs(warehouse, calls, { boundMs: sweepMs, atOnce: 1 })).toBeGreaterThan(
    sweepMs / 300,
  )
})
