// The part of the online port's contract on what is served no more: watermarks, removals, entries that may be dropped.

import { expect, test } from 'vitest'
import { valueKey } from '../../src/online/keys.ts'
import type { WriteEntry } from '../../src/online/port.ts'
import { entry, type GetStore, type NewView, readOne, versionsOf, watermarkOf } from './online-entries.ts'

export function describeWatermarks(store: GetStore, newView: NewView) {
  test('MUST raise a watermark and never lower it, each view for itself', async () => {
    const [view, other] = [newView(), newView()]
    expect(await watermarkOf(store(), view)).toBe(0)
    for (const [raised, expected] of [
      [7, 7],
      [3, 7],
      [10, 10],
      [9, 10],
      [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ] as const) {
      await store().raiseWatermark(view, raised)
      expect(await watermarkOf(store(), view)).toBe(expected)
    }
    expect(await watermarkOf(store(), other)).toBe(0)
  })

  test('MUST end at the highest watermark, however many raise it at once', async () => {
    const view = newView()
    const versions = Array.from({ length: 60 }, (_, i) => ((i * 23) % 60) + 1)
    await Promise.all(versions.map((version) => store().raiseWatermark(view, version)))
    expect(await watermarkOf(store(), view)).toBe(60)
  })

  test('MUST give entries below the watermark as they are: what to do about them is the reader’s business', async () => {
    const view = newView()
    await store().write(view, [entry('1', 4)])
    await store().raiseWatermark(view, 5)
    expect(await versionsOf(store(), view, ['1'])).toEqual([4])
    expect(await store().write(view, [entry('2', 3)])).toEqual([true])
  })
}

export function describeRemoval(store: GetStore, newView: NewView) {
  test('MUST remove what is below a version, count it, and leave the rest, the watermark and other views', async () => {
    const [view, other] = [newView(), newView()]
    const values = Array.from({ length: 3000 }, (_, i) => `${i}`)
    const entries = values.map((value, i) => entry(value, i % 3))
    await store().write(view, entries)
    await store().write(other, entries)
    await store().raiseWatermark(view, 2)
    expect(await store().removeBelow(view, 2)).toBe(2000)
    expect(await versionsOf(store(), view, values)).toEqual(values.map((_, i) => (i % 3 === 2 ? 2 : null)))
    expect(await watermarkOf(store(), view)).toBe(2)
    expect((await versionsOf(store(), other, values))?.every((version) => version !== null)).toBe(true)
    expect(await store().removeBelow(view, 2)).toBe(0)
    expect(await store().removeBelow(newView(), 2)).toBe(0)
  })

  test('MUST leave what is written meanwhile at that version or a higher one', async () => {
    const view = newView()
    const values = Array.from({ length: 20_000 }, (_, i) => `${i}`)
    await store().write(
      view,
      values.map((value) => entry(value, 1)),
    )
    const rewrite = async () => {
      for (let from = 0; from < values.length; from += 500) {
        await store().write(
          view,
          values.slice(from, from + 500).map((value, i) => entry(value, 2 + (i % 2))),
        )
      }
    }
    await Promise.all([store().removeBelow(view, 2), rewrite()])
    const versions = await versionsOf(store(), view, values)
    expect(versions).toEqual(values.map((_, i) => 2 + (i % 2)))
  })

  test('MUST forget a dropped view whole, its watermark too, and let it begin again', async () => {
    const [view, other] = [newView(), newView()]
    const values = Array.from({ length: 3000 }, (_, i) => `${i}`)
    await store().write(
      view,
      values.map((value) => entry(value, 8, value.endsWith('7') ? { expiresInMs: 60_000 } : {})),
    )
    await store().write(other, [entry('1', 8)])
    await store().raiseWatermark(view, 8)
    await store().dropView(view)
    await store().dropView(view)
    const [answer, kept] = await store().read([
      { view, values },
      { view: other, values: ['1'] },
    ])
    expect(answer?.watermark).toBe(0)
    expect(answer?.entries.every((found) => found === null)).toBe(true)
    expect(kept?.entries[0]?.version).toBe(8)
    expect(await store().sample(view, 10)).toEqual([])
    expect(await store().write(view, [entry('1', 1)])).toEqual([true])
  })
}

export function describeDroppable(store: GetStore, newView: NewView) {
  const long = 'x'.repeat(5000)
  const values = ['', 'a', 'é', long, ...Array.from({ length: 1500 }, (_, i) => `${i}`)]
  const absent = (value: string, version: number, more: Partial<WriteEntry> = {}) =>
    entry(value, version, { rows: '[]', expiresInMs: 60_000, droppable: true, ...more })
  const drop = (view: string, some: readonly string[]) => store().removeDroppable(view, some.map(valueKey))

  test('MUST read what is droppable like anything else, until it is removed', async () => {
    const [view, other] = [newView(), newView()]
    for (const each of [view, other])
      await store().write(
        each,
        values.map((value) => absent(value, 4, value === 'a' ? { expiresInMs: null } : {})),
      )
    const [answer] = await store().read([{ view, values }])
    expect(answer?.entries.every((found) => found?.rows === '[]' && found.version === 4)).toBe(true)
    await drop(view, [...values, 'never there'])
    expect(await versionsOf(store(), view, values)).toEqual(values.map(() => null))
    expect(await versionsOf(store(), other, values)).toEqual(values.map(() => 4))
    expect(await store().write(view, [entry(long, 1)])).toEqual([true])
  })

  test('MUST keep what is not droppable, and what came in its place, so that an older version stays out', async () => {
    const view = newView()
    await store().write(view, [entry('rows', 4), absent('refreshed', 4, { droppable: false })])
    await store().write(view, [absent('rows', 6), absent('refreshed', 5), absent('only absent', 5)])
    await store().write(view, [absent('rows', 7), absent('refreshed', 5), absent('only absent', 6)])
    await drop(view, ['rows', 'refreshed', 'only absent'])
    expect(await versionsOf(store(), view, ['rows', 'refreshed', 'only absent'])).toEqual([7, 5, null])
    expect(await store().write(view, [entry('rows', 6), entry('refreshed', 4)])).toEqual([false, false])
  })

  test('MUST keep rows that took the place of what was droppable', async () => {
    const view = newView()
    await store().write(view, [absent('1', 4), absent('2', 4)])
    await store().write(view, [entry('1', 4), entry('2', 5)])
    await drop(view, ['1', '2'])
    expect(await versionsOf(store(), view, ['1', '2'])).toEqual([4, 5])
  })

  test('MUST take as droppable what comes where an entry has expired', async () => {
    const view = newView()
    await store().write(view, [absent('1', 4, { droppable: false, expiresInMs: 20 })])
    await expect.poll(() => readOne(store(), view, '1'), { interval: 10 }).toBeNull()
    await store().write(view, [absent('1', 3)])
    await drop(view, ['1'])
    expect(await readOne(store(), view, '1')).toBeNull()
  })

  test('MUST leave long values without rows out of a sample, and give those with rows', async () => {
    const view = newView()
    await store().write(view, [absent(long, 1), absent('short', 1), entry(`${long}1`, 1)])
    expect([...(await store().sample(view, 10))].sort()).toEqual(['short', `${long}1`])
  })
}
