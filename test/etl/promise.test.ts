// What an ETL promises of its output, by what its input promises.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { overall } from '../../src/sql/determinism.ts'
import { exact, open, rounding } from '../../src/sql/finding.ts'
import type { Column } from '../../src/values/columns.ts'
import { type EngineStack, openEngineStack } from './engine-stack.ts'

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})

afterAll(() => stack.close())

const columns: readonly Column[] = [
  { name: 'user_id', type: 'STRING', nullable: true, storage: 'VARCHAR' },
  { name: 'total', type: 'FLOAT64', nullable: true, storage: 'DOUBLE' },
  { name: 'kind', type: 'STRING', nullable: true, storage: 'VARCHAR' },
]

const cases: [string, string, 'EXACT' | 'ROUNDING' | 'OPEN', RegExp | null][] = [
  ['the columns of the input as they are', 'SELECT user_id, kind FROM input', 'EXACT', null],
  ['a column that rounds', 'SELECT user_id, total * 2 AS twice FROM input', 'ROUNDING', /sum of floats/],
  ['a test of one that rounds', 'SELECT user_id, total > 3 AS much FROM input', 'OPEN', /sum of floats/],
  ['a sum of its own', 'SELECT user_id, sum(length(kind)) AS n FROM input GROUP BY user_id', 'EXACT', null],
  ['a sum of floats', 'SELECT user_id, avg(total) AS x FROM input GROUP BY user_id', 'ROUNDING', /floats/],
  ['an order left open', 'SELECT user_id, list(kind) AS kinds FROM input GROUP BY user_id', 'OPEN', /list/],
  ['an order', 'SELECT user_id, list(kind ORDER BY kind) AS k FROM input GROUP BY user_id', 'EXACT', null],
  ['an input named anew', 'SELECT i.kind FROM input i JOIN input j USING (user_id)', 'EXACT', null],
]

test.each(cases)('a SQL ETL of %s', async (_name, source, level, note) => {
  const determinism = { columns: [exact, rounding('sum'), exact], rows: exact }
  const promised = await stack.engine.promise(
    { name: 'etl', language: 'SQL', source },
    { columns, determinism },
  )
  expect(overall(promised)).toEqual({
    level,
    note: note === null ? null : expect.stringMatching(note),
  })
})

test('a SQL ETL over rows that are left open leaves its own open', async () => {
  const determinism = { columns: [exact, exact, exact], rows: open('its LIMIT takes some of the rows') }
  const etl = { name: 'etl', language: 'SQL', source: 'SELECT max(kind) AS k FROM input' } as const
  const promised = await stack.engine.promise(etl, { columns, determinism })
  expect(overall(promised)).toEqual({ level: 'OPEN', note: 'its LIMIT takes some of the rows' })
})

test('a SQL ETL that does not fit its input is ETL_FAILED and named', async () => {
  const determinism = { columns: [exact, exact, exact], rows: exact }
  const etl = { name: 'misfit', language: 'SQL', source: 'SELECT nothing FROM input' } as const
  await expect(stack.engine.promise(etl, { columns, determinism })).rejects.toMatchObject({
    code: 'ETL_FAILED',
    message: expect.stringMatching(/misfit.*nothing/),
  })
})
