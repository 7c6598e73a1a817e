// The part of the online port's contract on writes: which of two stays, and how long.

import { expect, test } from 'vitest'
import { entry, type GetStore, type NewView, readOne, versionsOf } from './online-entries.ts'

export function describeOrder(store: GetStore, newView: NewView) {
  test('MUST leave out an older version, replace the same version, and take a newer one, for each value on its own', async () => {
    const view = newView()
    expect(await store().write(view, [entry('old', 5), entry('same', 5), entry('new', 5)])).toEqual([
      true,
      true,
      true,
    ])
    const again = Buffer.from('["again"]')
    const taken = await store().write(view, [
      entry('old', 4, { rows: again }),
      entry('same', 5, { rows: again }),
      entry('new', 6, { rows: again }),
      entry('first', 1, { rows: again }),
    ])
    expect(taken).toEqual([false, true, true, true])
    expect(await versionsOf(store(), view, ['old', 'same', 'new', 'first'])).toEqual([5, 5, 6, 1])
    expect((await readOne(store(), view, 'old'))?.rows.toString()).not.toBe('["again"]')
    expect((await readOne(store(), view, 'same'))?.rows.toString()).toBe('["again"]')
  })

  test('MUST compare versions as numbers, up to the largest safe integer', async () => {
    const view = newView()
    const high = Number.MAX_SAFE_INTEGER
    for (const [stored, offered] of [
      [9, 10],
      [255, 256],
      [65_535, 65_536],
      [high - 1, high],
    ] as const) {
      await store().dropView(view)
      await store().write(view, [entry('1', offered)])
      expect(await store().write(view, [entry('1', stored)])).toEqual([false])
      expect(await store().write(view, [entry('1', offered)])).toEqual([true])
    }
  })

  test('MUST treat a value that comes several times in one write like so many writes', async () => {
    const view = newView()
    const taken = await store().write(view, [
      entry('1', 2, { rows: Buffer.from('["a"]') }),
      entry('1', 1, { rows: Buffer.from('["b"]') }),
      entry('1', 2, { rows: Buffer.from('["c"]') }),
    ])
    expect(taken).toEqual([true, false, true])
    expect((await readOne(store(), view, '1'))?.rows.toString()).toBe('["c"]')
  })

  test('MUST answer a write of nothing with nothing', async () => {
    expect(await store().write(newView(), [])).toEqual([])
  })

  test('MUST end with the highest version of each value, however many write at once', async () => {
    const view = newView()
    const values = Array.from({ length: 50 }, (_, i) => `${i}`)
    const versions = Array.from({ length: 40 }, (_, i) => ((i * 17) % 40) + 1)
    const results = await Promise.all(
      versions.map((version) =>
        store().write(
          view,
          values.map((value) => entry(value, version)),
        ),
      ),
    )
    expect(await versionsOf(store(), view, values)).toEqual(values.map(() => 40))
    expect(results[versions.indexOf(40)]?.every(Boolean)).toBe(true)
  })
}

export function describeExpiry(store: GetStore, newView: NewView) {
  const gone = (view: string, value: string) =>
    expect.poll(() => readOne(store(), view, value), { interval: 10, timeout: 5000 }).toBeNull()

  test('MUST forget an entry when its time is over, and keep the others', async () => {
    const view = newView()
    await store().write(view, [
      entry('soon', 1, { expiresInMs: 40.5 }),
      entry('later', 1, { expiresInMs: 60_000 }),
      entry('far', 1, { expiresInMs: Number.MAX_SAFE_INTEGER }),
      entry('never', 1),
    ])
    await gone(view, 'soon')
    expect(await versionsOf(store(), view, ['later', 'far', 'never'])).toEqual([1, 1, 1])
    expect([...(await store().sample(view, 10))].sort()).toEqual(['far', 'later', 'never'])
  })

  test('MUST take an entry that has no time left, and forget it at once', async () => {
    const view = newView()
    expect(await store().write(view, [entry('1', 1, { expiresInMs: 0 })])).toEqual([true])
    await gone(view, '1')
  })

  test('MUST take any version where an entry has expired', async () => {
    const view = newView()
    await store().write(view, [entry('1', 9, { expiresInMs: 20 })])
    await gone(view, '1')
    expect(await store().write(view, [entry('1', 3)])).toEqual([true])
    expect(await versionsOf(store(), view, ['1'])).toEqual([3])
  })

  test('MUST count from the last write: a rewritten entry stays as long as its new time says', async () => {
    const view = newView()
    await store().write(view, [
      entry('kept', 1, { expiresInMs: 30 }),
      entry('marker', 1, { expiresInMs: 60 }),
      entry('cut', 1),
    ])
    await store().write(view, [entry('kept', 2), entry('cut', 2, { expiresInMs: 30 })])
    await gone(view, 'marker')
    await gone(view, 'cut')
    expect(await versionsOf(store(), view, ['kept'])).toEqual([2])
  })
}
