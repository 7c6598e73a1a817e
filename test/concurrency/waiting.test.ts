// Waiting no longer than a time, calling again after failures, and batches: each as every part of the gateway uses it.

import { expect, test } from 'vitest'
import { inBatches } from '../../src/concurrency/batches.ts'
import { callAgain, doubling } from '../../src/concurrency/retry.ts'
import { within } from '../../src/concurrency/within.ts'

const never = new Promise<string>(() => undefined)
const ample = 60_000

test('What a promise gives in time is given, and so is its failure', async () => {
  expect(await within(ample, Promise.resolve('here'), () => 'late')).toBe('here')
  await expect(within(ample, Promise.reject(new Error('broken')), () => 'late')).rejects.toThrow('broken')
})

test('What takes longer is given up for what stands in for it, or for the failure that says so', async () => {
  expect(await within(1, never, () => 'late')).toBe('late')
  const refuse = () => {
    throw new Error('It took longer than 1 ms')
  }
  await expect(within(1, never, refuse)).rejects.toThrow('It took longer than 1 ms')
})

test('A call is made again until it resolves, or until its failure is not to be waited out', async () => {
  let calls = 0
  const failing = async () => {
    calls++
    if (calls < 4) throw new Error(`failure ${calls}`)
    return calls
  }
  const told: unknown[] = []
  const delay = (failures: number, error: unknown) => {
    told.push([failures, (error as Error).message])
    return 0
  }
  expect(await callAgain(failing, delay)).toBe(4)
  expect(told).toEqual([
    [0, 'failure 1'],
    [1, 'failure 2'],
    [2, 'failure 3'],
  ])
  calls = 0
  await expect(callAgain(failing, (failures) => (failures < 1 ? 0 : null))).rejects.toThrow('failure 2')
})

test('Who waits to call again stops at once when it is aborted, with the reason', async () => {
  const controller = new AbortController()
  const failing = async () => {
    throw new Error('away')
  }
  const waiting = callAgain(
    failing,
    () => {
      queueMicrotask(() => controller.abort('closed'))
      return ample
    },
    controller.signal,
  )
  await expect(waiting).rejects.toBe('closed')
})

test('Each wait is twice as long as the one before, up to the longest', () => {
  expect([0, 1, 2, 3, 4].map(doubling(100, 700))).toEqual([100, 200, 400, 700, 700])
})

test('Batches hold all items in order, none more than its limits allow, unless a single item does', () => {
  const items = [3, 3, 9, 1, 1, 1, 1, 4]
  const limits = { most: 3, maxWeight: 6, weightOf: (item: number) => item }
  expect([...inBatches(items, limits)]).toEqual([[3, 3], [9], [1, 1, 1], [1, 4]])
  expect([...inBatches(items, { most: 5 })]).toEqual([
    [3, 3, 9, 1, 1],
    [1, 1, 4],
  ])
  expect([...inBatches([], limits)]).toEqual([])
})
