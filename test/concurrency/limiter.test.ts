// Work takes its turn: at most so much at once.

import { expect, test } from 'vitest'
import { createLimiter } from '../../src/concurrency/limiter.ts'

function createGate() {
  return Promise.withResolvers<void>()
}

const never = new AbortController().signal

test('Work runs at most so much at once, the rest in the order it came', async () => {
  const limiter = createLimiter(2)
  const gates = [createGate(), createGate(), createGate(), createGate()]
  const started: number[] = []
  const runs = gates.map((gate, i) =>
    limiter.run(never, () => {
      started.push(i)
      return gate.promise
    }),
  )
  await Promise.resolve()
  expect([started, limiter.waiting()]).toEqual([[0, 1], 2])
  gates[1]?.resolve()
  await runs[1]
  await Promise.resolve()
  expect([started, limiter.waiting()]).toEqual([[0, 1, 2], 1])
  for (const gate of gates) gate.resolve()
  await Promise.all(runs)
  expect([started, limiter.waiting()]).toEqual([[0, 1, 2, 3], 0])
})

test('Work that is aborted while it waits never starts, and its place is free', async () => {
  const limiter = createLimiter(1)
  const gate = createGate()
  const first = limiter.run(never, () => gate.promise)
  const controller = new AbortController()
  const second = limiter.run(controller.signal, () => Promise.reject(new Error('It started')))
  const third = limiter.run(never, () => Promise.resolve('third'))
  controller.abort('left')
  await expect(second).rejects.toBe('left')
  gate.resolve()
  await first
  expect(await third).toBe('third')
  await expect(limiter.run(controller.signal, () => Promise.resolve())).rejects.toBe('left')
})

test('Work that fails frees its room', async () => {
  const limiter = createLimiter(1)
  await expect(limiter.run(never, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(await limiter.run(never, () => Promise.resolve(1))).toBe(1)
})
