// Following a value: its rows now, each change once, and nothing left behind when the client leaves.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { writer } from '../limits.ts'
import { openStack, type Stack } from './stack.ts'

const sql = 'SELECT user_id, name FROM feature_store.users'
const columns = ['user_id', 'name']
let stack: Stack

beforeAll(async () => {
  stack = await openStack()
})

afterAll(() => stack?.remove())

async function follow(name: string, value: string) {
  const { id: queryId } = await stack.save(sql, name)
  const target = { queryId, etlPath: null, indexKey: 'user_id' }
  return { target, updates: stack.realtime.updates(target, value, writer)[Symbol.asyncIterator]() }
}

test('the rows come now, and again at every change of that value, not at changes of others', async () => {
  const { updates } = await follow('follow', 'a')
  expect((await updates.next()).value).toMatchObject({ indexValue: 'a', status: 'NOT_FOUND', rows: '[]' })
  const next = updates.next()
  await stack.publish('users', columns, [['b', 'other']])
  await stack.publish('users', columns, [['a', 'one']])
  expect((await next).value).toMatchObject({ status: 'FRESH', rows: '[{"user_id":"a","name":"one"}]' })
  await updates.return?.()
})

test('a refresh that leaves the rows as they were is no update', async () => {
  const { target, updates } = await follow('same rows', 'c')
  await stack.publish('users', columns, [
    ['c', 'one'],
    ['c', 'two'],
  ])
  await updates.next()
  const next = updates.next()
  const [view] = (await stack.catalog.featureViews.all()).filter(({ queryId }) => queryId === target.queryId)
  await stack.realtime.refreshInFull(view?.id ?? '')
  await stack.publish('users', columns, [['c', 'three']])
  expect((await next).value.rows).toContain('three')
  await updates.return?.()
})

test('a client that leaves while it waits ends the iteration at once', async () => {
  const { updates } = await follow('leaving', 'd')
  await updates.next()
  const waiting = updates.next()
  await updates.return?.()
  expect(await waiting).toMatchObject({ done: true })
})

test('a wrong target is told by the first step', async () => {
  const updates = stack.realtime.updates({ queryId: 'qry_none', etlPath: null, indexKey: 'x' }, 'a', writer)
  await expect(updates[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a follower of a view that is deleted goes on with the one that takes its place', async () => {
  const { target, updates } = await follow('deleted', 'e')
  await updates.next()
  const [view] = (await stack.catalog.featureViews.all()).filter(({ queryId }) => queryId === target.queryId)
  const next = updates.next()
  await stack.realtime.deleteFeatureView(view?.id ?? '')
  await expect
    .poll(async () => {
      const { queryId } = target
      return (await stack.catalog.featureViews.find({ queryId, etlId: null, indexKeys: ['user_id'] }))?.id
    })
    .toBeDefined()
  await stack.publish('users', columns, [['e', 'late']])
  expect((await next).value.rows).toContain('late')
  await updates.return?.()
})
