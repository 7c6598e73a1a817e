// One view that cannot be refreshed: it is behind and says so, its lookups read through, and neither the publish nor another view waits for it.

import { pino } from 'pino'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { openStack, type Stack, sortedRows } from './stack.ts'

const columns = ['user_id', 'name', 'creation_date']
const healthy = 'SELECT user_id, name FROM feature_store.users'
/** Not of the rows that are there at first. */
const broken = 'SELECT user_id, CAST(name AS INT) AS name FROM feature_store.users'

const endless = `SELECT user_id, (SELECT max(a.range * b.range) FROM range(300000) a, range(300000) b WHERE a.range + b.range <> len(u.name)) AS n FROM feature_store.users u`

let stack: Stack

beforeEach(async () => {
  stack = await openStack({ limits: { lookupTimeoutMs: 700 } })
})
afterEach(async () => {
  vi.useRealTimers()
  await stack.remove()
})

const noteOf = async (id: string) => (await stack.catalog.featureViews.byId(id)).refreshNote

test('its failure is told in its note, it rests, and is refreshed again once it can be', async () => {
  const sick = await stack.view('sick', broken, 'user_id', 'BY_KEY')
  const well = await stack.view('well', healthy, 'user_id')
  await stack.publish('users', columns, [['a', '1', 1]])
  expect((await stack.lookUp(sick.target, ['a']))[0]).toMatchObject({ source: 'ONLINE' })

  const failedAtMs = Date.now()
  vi.useFakeTimers({ toFake: ['Date'], now: failedAtMs })
  await stack.publish('users', columns, [['b', 'x', 1]])
  await expect.poll(() => noteOf(sick.record.id)).toMatch(/Behind since .* lookups read through: .*x/)
  expect((await stack.lookUp(well.target, ['b']))[0]).toMatchObject({ source: 'ONLINE' })
  expect((await stack.lookUp(sick.target, ['a']))[0]).toMatchObject({ source: 'WAREHOUSE', status: 'FRESH' })

  // While it rests nothing is tried, and nothing old is served.
  const before = stack.warehouseCalls.count('lookup')
  await stack.publish('users', columns, [['a', '2', 2]])
  expect(stack.warehouseCalls.count('lookup')).toBe(before + 1)
  const [rows] = await stack.lookUp(sick.target, ['a'])
  expect(rows && sortedRows(rows)).toEqual(['{"user_id":"a","name":1}', '{"user_id":"a","name":2}'])

  vi.setSystemTime(failedAtMs + 11_000)
  await stack.publish('users', columns, [['a', '3', 3]])
  await expect.poll(() => noteOf(sick.record.id)).toBeNull()
  expect((await stack.lookUp(sick.target, ['a']))[0]).toMatchObject({ source: 'ONLINE' })
})

test('one whose work does not end is given up in bounded time, and the publish with its other views is through', async () => {
  const slow = await stack.view('slow', endless, 'user_id', 'BY_KEY')
  const well = await stack.view('well', healthy, 'user_id')
  const startedAtMs = performance.now()
  await stack.publish('users', columns, [['a', 'one', 1]])
  expect(performance.now() - startedAtMs).toBeLessThan(20_000)
  expect((await stack.lookUp(well.target, ['a']))[0]).toMatchObject({ source: 'ONLINE' })
  await expect.poll(() => noteOf(slow.record.id)).toMatch(/Behind since/)
})

test('a check of it that does not end is given up too, and is told', async () => {
  const told: string[] = []
  const log = pino({ level: 'warn' }, { write: (line) => void told.push(line) })
  const impatient = await openStack({ limits: { lookupTimeoutMs: 300, checkTimeoutMs: 300 }, log })
  onTestFinished(() => impatient.remove())
  await impatient.view('slow', endless, 'user_id', 'BY_KEY')
  await impatient.publish('users', columns, [['a', 'one', 1]])
  // Its first filling does not end either, and goes when the gateway does.
  await expect
    .poll(() => told.join(''))
    .toMatch(/TimeoutError.*Parity of a feature view could not be checked/)
})
