// The ETLs under examples/etl/, on rows as the quotes query gives them: through a file, and for each user alone.

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { transform } from '../../examples/etl/quote-features.ts'
import { extract } from '../../examples/etl/quote-gaps.ts'
import { createEtlLoader } from '../../src/etl/source/source.ts'
import type { Frame, Row } from '../../src/values/columns.ts'
import { column, type EngineStack, frameOf, openEngineStack } from './engine-stack.ts'

const examples = join(import.meta.dirname, '../../examples/etl')
const loader = createEtlLoader({
  sources: { hosts: [], folders: [examples] },
  temporaryFolder: tmpdir(),
  log: pino({ level: 'silent' }),
})

const columns = [
  column('user_id', 'STRING'),
  column('is_binded', 'BOOLEAN'),
  column('creation_date', 'FLOAT64'),
  column('binding_date', 'FLOAT64'),
  column('card_type', 'STRING'),
  column('failed_count', 'INT64'),
  column('purchase_time', 'FLOAT64'),
]
const hour = 3600
const start = 1_772_323_200
const rows: readonly Row[] = [
  ['ada', true, start, start + 2 * hour, 'credit', null, start + 3 * hour],
  ['ada', false, start + 36 * hour, null, 'credit', null, start + 3 * hour],
  ['grace', true, start + 0.25, start + 0.5 * hour, 'debit', 3, null],
  [null, false, start + 5 * hour, null, null, null, null],
]

let stack: EngineStack

beforeAll(async () => {
  stack = await openEngineStack()
})
afterAll(() => stack.close())

/** The output of training, once each user's own rows have given the same. */
async function run(file: string): Promise<Record<string, unknown>[]> {
  const etl = await loader.load(`file:${join(examples, file)}`)
  await stack.engine.check(etl)
  const trained = await stack.train(etl, { columns, rows })
  const users = ['ada', 'grace', null]
  const groups = users.map((user) => rows.filter(([id]) => id === user))
  const served = await stack.engine.runGroups({
    etl,
    inputColumns: columns,
    groups,
    outputColumns: trained.columns,
  })
  expect(served.flatMap((result) => frameOf(result).rows)).toEqual(trained.rows)
  return objectsOf(trained)
}

function objectsOf(frame: Frame): Record<string, unknown>[] {
  return frame.rows.map((row) => Object.fromEntries(frame.columns.map(({ name }, i) => [name, row[i]])))
}

test('user-summary.sql gives one row for each user', async () => {
  expect(await run('user-summary.sql')).toEqual([
    {
      user_id: 'ada',
      quotes: 2,
      bound_quotes: 1,
      first_quote_at: '2026-03-01T00:00:00Z',
      last_purchase_at: '2026-03-01T03:00:00Z',
      failed_payments: 0,
      has_credit_card: true,
    },
    {
      user_id: 'grace',
      quotes: 1,
      bound_quotes: 1,
      first_quote_at: '2026-03-01T00:00:00.250Z',
      last_purchase_at: null,
      failed_payments: 3,
      has_credit_card: false,
    },
  ])
})

test('payment-risk.js gives one row for each quote of a user', async () => {
  const output = await run('payment-risk.js')
  expect(output).toHaveLength(3)
  expect(output[0]).toEqual({
    user_id: 'ada',
    quoted_at: '2026-03-01T00:00:00Z',
    paid_at: '2026-03-01T03:00:00Z',
    failed_payments: 0,
    risk: 0,
  })
  expect(output[2]).toEqual({
    user_id: 'grace',
    quoted_at: '2026-03-01T00:00:00.250Z',
    paid_at: null,
    failed_payments: 3,
    risk: expect.closeTo(0.68),
  })
})

test('quote-features.ts gives one row for each quote of a user, and is a plain function to a test', async () => {
  const output = await run('quote-features.ts')
  expect(output).toHaveLength(3)
  expect(output[0]).toEqual({
    user_id: 'ada',
    is_binded: true,
    hours_to_bind: 2,
    pays_by_credit: true,
    failed_payments: 0,
    has_policy: true,
  })
  const quote = {
    user_id: 'eve',
    is_binded: false,
    creation_date: 0,
    binding_date: null,
    card_type: null,
    failed_count: 2,
    purchase_time: null,
  }
  expect(transform(quote)).toMatchObject({
    user_id: 'eve',
    hours_to_bind: null,
    failed_payments: 2,
    has_policy: false,
  })
  expect(transform({ ...quote, user_id: null })).toBeNull()
})

test("quote-gaps.ts sees a user's quotes together, and is a plain function to a test", async () => {
  expect(await run('quote-gaps.ts')).toEqual([
    { user_id: 'ada', quote_number: 1, days_since_last: null, bound_before: 0 },
    { user_id: 'ada', quote_number: 2, days_since_last: 1.5, bound_before: 1 },
    { user_id: 'grace', quote_number: 1, days_since_last: null, bound_before: 0 },
  ])
  expect(extract([])).toEqual([])
})
