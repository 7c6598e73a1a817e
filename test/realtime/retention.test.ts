// The rows of a removed view: not served from that moment, and gone from the store soon after, over a restart too.

import { expect, test } from 'vitest'
import { openStack } from './stack.ts'

const sql = 'SELECT user_id, count(*) AS n FROM feature_store.users GROUP BY user_id'

test('the rows of a removed view go in the background, at the next start where this one has not come to it', async () => {
  let stack = await openStack()
  const { target, record } = await stack.view('v', sql, 'user_id', 'BY_KEY')
  const other = await stack.view('w', `${sql} HAVING count(*) > 0`, 'user_id', 'BY_KEY')
  await stack.realtime.idle()
  await stack.publish('users', ['user_id'], [['a'], ['b']])
  expect(await stack.online.sample(record.id, 10)).toHaveLength(2)
  stack.onlineCalls.failures.set('removeBelow', new Error('killed before that'))
  await stack.realtime.deleteFeatureView(record.id)
  await stack.realtime.idle()
  expect(await stack.online.sample(record.id, 10)).toHaveLength(2)
  expect(await stack.lookUp(target, ['a'])).toMatchObject([{ source: 'WAREHOUSE' }])

  const { folder } = stack
  await stack.close()
  stack = await openStack({ folder })
  expect(await stack.catalog.featureViews.removed()).toEqual([record.id])
  await stack.realtime.start()
  await stack.realtime.idle()
  expect(await stack.online.sample(record.id, 10)).toEqual([])
  expect(await stack.catalog.featureViews.removed()).toEqual([])
  expect(await stack.online.sample(other.record.id, 10)).toHaveLength(2)
  await stack.remove()
})
