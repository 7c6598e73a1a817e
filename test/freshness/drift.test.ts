// Tables that change under saved queries: the views say what changed, lookups say it with a fitting code, and what still holds goes on.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { openStack } from '../realtime/stack.ts'
import { startWithPostgres } from './gateway.ts'

let place: Awaited<ReturnType<typeof startWithPostgres>>

beforeAll(async () => {
  place = await startWithPostgres(`
    CREATE TABLE sales.orders (user_id text, total int, city text);
    INSERT INTO sales.orders VALUES ('u1', 1, 'Oslo');
    CREATE VIEW sales.big AS SELECT user_id, total FROM sales.orders;
    CREATE TABLE sales.archive (user_id text, total int);
    INSERT INTO sales.archive VALUES ('u1', 100);`)
})

afterAll(() => place?.close())

const codeOf = async (queryId: string) => {
  const { errors } = await place.gateway.client.graphql(
    `{ queryRealtime(queryId: "${queryId}", indexKey: "user_id", indexValue: "u1") { rows } }`,
  )
  return errors?.[0]
}

test.each([
  ['dropped', 'DROP COLUMN city', /city/],
  ['renamed', 'RENAME COLUMN city TO town', /city/],
  ['retyped', 'ALTER COLUMN city TYPE int USING 5', /"city" was STRING and is INT32/],
])('a column that is %s marks the views that use it, and no other', async (how, alteration, message) => {
  const { gateway, write } = place
  const uses = await gateway.createView(
    `${how} uses`,
    `SELECT user_id, city, '${how}' AS how FROM sales.orders`,
    'indexKey: "user_id"',
  )
  const others = await gateway.createView(
    `${how} others`,
    `SELECT user_id, total, '${how}' AS how FROM sales.orders`,
    'indexKey: "user_id"',
  )
  await gateway.idle()
  expect(await codeOf(uses.queryId)).toBeUndefined()
  await write(`ALTER TABLE sales.orders ${alteration}`)
  await gateway.client.data('mutation { tableChanged(table: "sales.orders") { id } }')
  await expect.poll(async () => (await gateway.view(uses.view.id)).freshness.note).toMatch(message)
  for (let again = 0; again < 2; again++) {
    const error = await codeOf(uses.queryId)
    expect(error?.extensions.code).toBe('SCHEMA_MISMATCH')
    expect(error?.message).toMatch(message)
  }
  expect(gateway.lines.join('')).toContain('The tables have changed under a feature view')
  expect((await gateway.lookUp(others.queryId, 'user_id', ['u1']))[0]?.rows).toHaveLength(1)
  expect((await gateway.view(others.view.id)).freshness.note).toBeNull()

  const back = {
    dropped: "ADD COLUMN city text; UPDATE sales.orders SET city = 'Oslo'",
    renamed: 'RENAME COLUMN town TO city',
    retyped: "ALTER COLUMN city TYPE text USING 'Oslo'",
  }[how]
  await write(`ALTER TABLE sales.orders ${back}`)
  await gateway.client.data('mutation { tableChanged(table: "sales.orders") { id } }')
  await expect.poll(async () => (await gateway.view(uses.view.id)).freshness.note).toBeNull()
  expect((await gateway.lookUp(uses.queryId, 'user_id', ['u1']))[0]?.rows).toMatchObject([{ city: 'Oslo' }])
})

test('a database view that is made anew over another table is followed there', async () => {
  const { gateway, write } = place
  const { queryId, view } = await gateway.createView(
    'behind',
    'SELECT user_id, total FROM sales.big',
    'indexKey: "user_id"',
  )
  await gateway.idle()
  await write('CREATE OR REPLACE VIEW sales.big AS SELECT user_id, total FROM sales.archive')
  await gateway.client.data(`mutation { refreshFeatureView(id: "${view.id}") { id } }`)
  expect((await gateway.lookUp(queryId, 'user_id', ['u1']))[0]?.rows).toMatchObject([{ total: 100 }])
  const { table } = await gateway.client.data<{ table: { featureViews: { name: string }[] } }>(
    '{ table(name: "sales.archive") { featureViews { name } } }',
  )
  expect(table.featureViews).toEqual([{ name: 'behind' }])
})

test('a comparison that fails keeps no other view from its own', async () => {
  const stack = await openStack()
  const views = ['first', 'second', 'third']
  for (const name of views)
    await stack.view(name, `SELECT user_id, '${name}' AS of FROM feature_store.users`, 'user_id')
  await stack.realtime.idle()
  const before = stack.warehouseCalls.count('describe')
  stack.warehouseCalls.failures.set('describe', new AppError('TIMEOUT', 'It took too long to be planned'))
  await stack.realtime.start()
  await expect.poll(() => stack.warehouseCalls.count('describe') - before).toBe(views.length)
  await stack.remove()
})
