// The online port's contract, whole, as one function: an adapter's test calls it with a way to open a new, empty store.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OnlineStore } from '../../src/online/port.ts'
import { entry, type GetStore, type NewView, versionsOf } from './online-entries.ts'
import { describeKeys, describeReads } from './online-reads.ts'
import { describeDroppable, describeRemoval, describeWatermarks } from './online-removal.ts'
import { describeExpiry, describeOrder } from './online-writes.ts'

export interface OpenedStore {
  store: OnlineStore
  /** Ends what the store stands on; the store itself is closed by then. */
  stop(): Promise<void>
}

export function describeOnlineStore(name: string, open: () => Promise<OpenedStore>) {
  describe(`${name} keeps the online port's contract`, () => {
    let opened: OpenedStore
    let views = 0
    const newView = () => `fv_${++views}`

    beforeAll(async () => {
      opened = await open()
    })
    afterAll(async () => {
      await opened?.store.close()
      await opened?.stop()
    })

    describeReads(() => opened.store, newView)
    describeKeys(() => opened.store, newView)
    describeOrder(() => opened.store, newView)
    describeExpiry(() => opened.store, newView)
    describeWatermarks(() => opened.store, newView)
    describeRemoval(() => opened.store, newView)
    describeDroppable(() => opened.store, newView)
    describeSamples(() => opened.store, newView)
    describeEnd(open)
  })
}

function describeSamples(store: GetStore, newView: NewView) {
  test('MUST sample different values that have an entry in this view, and no more than asked for', async () => {
    const [view, other] = [newView(), newView()]
    const values = Array.from({ length: 12_000 }, (_, i) => `user-${i}`)
    await store().write(
      view,
      values.map((value) => entry(value, 1)),
    )
    await store().write(other, [entry('other', 1)])
    const sampled = await store().sample(view, 100)
    expect(sampled).toHaveLength(100)
    expect(new Set(sampled).size).toBe(100)
    expect((await versionsOf(store(), view, sampled))?.every((version) => version === 1)).toBe(true)
    expect(await store().sample(other, 100)).toEqual(['other'])
    expect(await store().sample(view, 0)).toEqual([])
    expect(await store().sample(newView(), 10)).toEqual([])
    expect([...(await store().sample(view, 20_000))].sort()).toEqual([...values].sort())
  })

  test('SHOULD sample other values the next time', async () => {
    const view = newView()
    await store().write(
      view,
      Array.from({ length: 5000 }, (_, i) => entry(`user-${i}`, 1)),
    )
    const drawn = new Set<string>()
    for (let i = 0; i < 10; i++) for (const value of await store().sample(view, 20)) drawn.add(value)
    expect(drawn.size).toBeGreaterThan(40)
  })
}

function describeEnd(open: () => Promise<OpenedStore>) {
  test('MUST reject every call once closed with ONLINE_STORE_UNAVAILABLE, and close only once', async () => {
    const { store, stop } = await open()
    try {
      await store.ping()
      await store.close()
      await store.close()
      for (const call of [
        () => store.read([{ view: 'v', values: ['1'] }]),
        () => store.write('v', [entry('1', 1)]),
        () => store.raiseWatermark('v', 1),
        () => store.removeBelow('v', 1),
        () => store.removeDroppable('v', ['v1']),
        () => store.dropView('v'),
        () => store.sample('v', 1),
        () => store.ping(),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' })
      }
    } finally {
      await stop()
    }
  })
}
