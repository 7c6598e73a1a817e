// The race that matters: appends and lookups at once, by key and in full, and at the end every value equal to training.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Row } from '../../src/values/columns.ts'
import { openStack, type Stack } from './stack.ts'

const byUser =
  'SELECT user_id, count(*) AS n, sum(creation_date) AS total FROM feature_store.users GROUP BY user_id'
const shareOfAll =
  'SELECT user_id, count(*) AS n, (SELECT count(*) FROM feature_store.users) AS everyone FROM feature_store.users GROUP BY user_id'

let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})

afterAll(() => stack?.remove())

const columns = ['user_id', 'name', 'creation_date']

test('with appends and lookups at once, every value ends equal to training', async () => {
  const views = [
    { ...(await stack.view('race by key', byUser, 'user_id', 'BY_KEY')), sql: byUser },
    { ...(await stack.view('race in full', byUser, 'user_id', 'FULL')), sql: byUser },
    { ...(await stack.view('race of all', shareOfAll, 'user_id', 'FULL')), sql: shareOfAll },
  ]
  const users = Array.from({ length: 60 }, (_, i) => `race ${i}`)
  const random = (count: number) => Math.floor(Math.random() * count)
  let publishing = true
  const lookups = views.map(async ({ target }) => {
    while (publishing) {
      await stack.lookUp(
        target,
        Array.from({ length: 20 }, () => users[random(users.length)] ?? ''),
      )
      // A lookup that finds all online never leaves the event loop's present turn.
      await nextTurn()
    }
  })
  const publishers = Array.from({ length: 4 }, async (_, p) => {
    for (let i = 0; i < 12; i++) {
      const rows = Array.from({ length: 8 }, (): Row => [users[random(users.length)] ?? '', `p${p}`, i])
      await stack.publish('users', columns, rows)
      const own = [...new Set(rows.map(([user]) => String(user)))]
      // What this publisher wrote is served as soon as its publish has resolved.
      for (const { target } of views) {
        for (const result of await stack.lookUp(target, own)) expect(result.status).toBe('FRESH')
      }
    }
  })
  await Promise.all(publishers)
  publishing = false
  await Promise.all(lookups)
  for (const { target, sql } of views) await stack.expectTraining(target, sql)
  await stack.realtime.idle()
  for (const { target, sql, record } of views) {
    await stack.expectTraining(target, sql)
    expect(await stack.realtime.parity(record.id, 100)).toMatchObject({ mismatched: 0, missing: 0, extra: 0 })
  }
  expect(await stack.catalog.featureViews.byId(views[0]?.record.id ?? '')).toMatchObject({
    refresh: 'BY_KEY',
  })
}, 90_000)
