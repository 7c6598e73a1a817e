// What the queue of durable work promises, on whatever database it is kept.

import { describe, expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/open.ts'
import { openAt, type Place } from './place.ts'
import { startProcess } from './process.ts'

/** Collects what a handler is called with; `until(n)` resolves at the n-th call. */
function createCalls() {
  const ids: string[] = []
  let waiting: { count: number; resolve: () => void }[] = []
  return {
    ids,
    add(id: string) {
      ids.push(id)
      for (const wait of waiting) if (ids.length >= wait.count) wait.resolve()
      waiting = waiting.filter(({ count }) => ids.length < count)
    },
    until(count: number): Promise<void> {
      if (ids.length >= count) return Promise.resolve()
      return new Promise((resolve) => waiting.push({ count, resolve }))
    },
  }
}

export function describeQueue(getPlace: () => Place, { handedOutWithinMs }: { handedOutWithinMs: number }) {
  async function withCatalog<T>(use: (catalog: Catalog) => Promise<T>): Promise<T> {
    const catalog = await openAt(getPlace())
    try {
      return await use(catalog)
    } finally {
      await catalog.close()
    }
  }

  describe('the queue', () => {
    it('begins what is sent at once, and what waits as soon as there is room', () =>
      withCatalog(async ({ queue }) => {
        const calls = createCalls()
        await queue.work('quick', { concurrency: 1 }, async (id) => calls.add(id))
        const ids = Array.from({ length: 20 }, (_, i) => `id ${i}`)
        const startedMs = performance.now()
        await Promise.all(ids.map((id) => queue.send('quick', id)))
        await calls.until(20)
        expect(performance.now() - startedMs).toBeLessThan(10_000)
        expect(calls.ids.toSorted()).toEqual(ids.toSorted())
      }))

    it('runs as many at a time as it may, and no more', () =>
      withCatalog(async ({ queue }) => {
        const calls = createCalls()
        let running = 0
        let most = 0
        const room = Promise.withResolvers<void>()
        await queue.work('few', { concurrency: 3 }, async (id) => {
          most = Math.max(most, ++running)
          calls.add(id)
          await room.promise
          running--
        })
        for (let i = 0; i < 8; i++) await queue.send('few', `${i}`)
        await calls.until(3)
        room.resolve()
        await calls.until(8)
        expect(most).toBe(3)
      }))

    it('takes no second one of what waits or runs, but takes it again once it is done', () =>
      withCatalog(async ({ queue }) => {
        const calls = createCalls()
        const first = Promise.withResolvers<void>()
        await queue.send('once', 'a')
        await queue.send('once', 'a')
        await queue.work('once', { concurrency: 2 }, async (id) => {
          calls.add(id)
          await first.promise
        })
        await calls.until(1)
        await queue.send('once', 'a')
        await queue.send('once', 'b')
        await calls.until(2)
        expect(calls.ids).toEqual(['a', 'b'])
        first.resolve()
        while (calls.ids.length < 3) await queue.send('once', 'a')
        expect(calls.ids).toEqual(['a', 'b', 'a'])
      }))

    it('tells which of some ids neither wait nor run', () =>
      withCatalog(async ({ queue }) => {
        const calls = createCalls()
        const end = Promise.withResolvers<void>()
        await queue.work('told', { concurrency: 1 }, async (id) => {
          calls.add(id)
          await end.promise
        })
        for (const id of ['runs', 'waits']) await queue.send('told', id)
        await queue.send('another', 'never sent')
        await calls.until(1)
        const ids = ['waits', 'never sent', 'runs']
        expect(await queue.missing('told', [])).toEqual([])
        expect(await queue.missing('told', ids)).toEqual(['never sent'])
        end.resolve()
        await expect.poll(() => queue.missing('told', ids)).toEqual(ids)
      }))

    it('calls a handler that rejects again', () =>
      withCatalog(async ({ queue }) => {
        const calls = createCalls()
        await queue.work('again', { concurrency: 1 }, async (id) => {
          calls.add(id)
          if (calls.ids.length < 3) throw new Error('not yet')
        })
        await queue.send('again', 'a')
        await calls.until(3)
        expect(calls.ids).toEqual(['a', 'a', 'a'])
      }))

    it('tells what runs to stop, and hands it back for the next start', async () => {
      const [first, second] = [createCalls(), createCalls()]
      await withCatalog(async ({ queue }) => {
        await queue.work('stopped', { concurrency: 2 }, async (id, signal) => {
          first.add(id)
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        })
        for (const id of ['a', 'b', 'c']) await queue.send('stopped', id)
        await first.until(2)
        const startedMs = performance.now()
        await queue.stop()
        expect(performance.now() - startedMs).toBeLessThan(5000)
      })
      expect(first.ids.toSorted()).toEqual(['a', 'b'])
      await withCatalog(async ({ queue }) => {
        const startedMs = performance.now()
        await queue.work('stopped', { concurrency: 3 }, async (id) => second.add(id))
        await second.until(3)
        expect(performance.now() - startedMs).toBeLessThan(5000)
      })
      expect(second.ids.toSorted()).toEqual(['a', 'b', 'c'])
    })

    it('gives up on a handler that does not stop, and hands its work out again at the next start', async () => {
      const [first, second] = [createCalls(), createCalls()]
      const never = Promise.withResolvers<void>()
      await withCatalog(async ({ queue }) => {
        await queue.work('stubborn', { concurrency: 1 }, async (id) => {
          first.add(id)
          await never.promise
        })
        await queue.send('stubborn', 'a')
        await first.until(1)
      })
      await withCatalog(async ({ queue }) => {
        await queue.work('stubborn', { concurrency: 1 }, async (id) => second.add(id))
        await second.until(1)
      })
    })

    it('hands out again what a killed process was at', async () => {
      await withCatalog(async ({ queue }) => {
        for (const id of ['a', 'b', 'c']) await queue.send('errands', id)
      })
      const killed = startProcess(getPlace(), 'hold')
      await killed.said(4)
      await killed.kill()
      expect(killed.lines.slice(2).toSorted()).toEqual(['a', 'b'])

      const calls = createCalls()
      await withCatalog(async ({ queue }) => {
        const startedMs = performance.now()
        await queue.work('errands', { concurrency: 2 }, async (id) => calls.add(id))
        await calls.until(3)
        expect(performance.now() - startedMs).toBeLessThan(handedOutWithinMs)
      })
      expect(calls.ids.toSorted()).toEqual(['a', 'b', 'c'])
    }, 90_000)
  })
}
