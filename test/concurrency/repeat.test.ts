// A turn over many: none of them waits for another's good end.

import { expect, test } from 'vitest'
import { forEachOf } from '../../src/concurrency/repeat.ts'

const never = new AbortController().signal

async function turn(failing: readonly number[], signal = never) {
  const seen: number[] = []
  const ended = forEachOf([1, 2, 3], signal, async (item) => {
    seen.push(item)
    if (failing.includes(item)) throw new Error(`of ${item}`)
  })
  return { seen, failure: await ended.catch((error: unknown) => error) }
}

test.for([[[]], [[1]], [[1, 2]], [[1, 2, 3]]])('each has its turn where %j fail', async ([failing = []]) => {
  expect((await turn(failing)).seen).toEqual([1, 2, 3])
})

test('one failure is told as it is, several together, and none where none is', async () => {
  expect((await turn([])).failure).toBeUndefined()
  expect((await turn([2])).failure).toEqual(new Error('of 2'))
  const { failure } = await turn([1, 3])
  expect(failure).toBeInstanceOf(AggregateError)
  expect((failure as AggregateError).errors).toEqual([new Error('of 1'), new Error('of 3')])
})

test('none begins after the end', async () => {
  expect((await turn([], AbortSignal.abort())).seen).toEqual([])
})
