// The online port's contract, whole, as one function: an adapter's test calls it with a way to open a new, empty store.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { valueKey } from '../../src/online/keys.ts'
import type { OnlineStore, WriteEntry } from '../../src/online/port.ts'
import { byteTextOf } from '../../src/values/byte-text.ts'

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

type GetStore = () => OnlineStore
type NewView = () => string

function entry(value: string, version: number, more: Partial<WriteEntry> = {}): WriteEntry {
  const rows = Buffer.from(JSON.stringify([{ value, version }]))
  return { value, version, computedAtMs: 1_700_000_000_000 + version, rows, expiresInMs: null, ...more }
}

async function readOne(store: OnlineStore, view: string, value: string) {
  const [answer] = await store.read([{ view, values: [value] }])
  return answer?.entries[0] ?? null
}

async function versionsOf(store: OnlineStore, view: string, values: readonly string[]) {
  const [answer] = await store.read([{ view, values }])
  return answer?.entries.map((found) => found?.version ?? null)
}

async function watermarkOf(store: OnlineStore, view: string) {
  const [answer] = await store.read([{ view, values: [] }])
  return answer?.watermark
}

function describeReads(store: GetStore, newView: NewView) {
  test('MUST answer each request in order, with one entry for each value in order, null where nothing is stored', async () => {
    const [a, b] = [newView(), newView()]
    await store().write(a, [entry('1', 10), entry('2', 11)])
    await store().write(b, [entry('1', 20)])
    const answers = await store().read([
      { view: b, values: ['2', '1'] },
      { view: a, values: ['2', 'none', '1', '2'] },
      { view: newView(), values: ['1'] },
      { view: b, values: ['1'] },
    ])
    expect(answers.map(({ entries }) => entries.map((found) => found?.version ?? null))).toEqual([
      [null, 20],
      [11, null, 10, 11],
      [null],
      [20],
    ])
    expect(answers.map(({ watermark }) => watermark)).toEqual([0, 0, 0, 0])
  })

  test('MUST answer no requests with no answers, and a request for no values with no entries', async () => {
    expect(await store().read([])).toEqual([])
    expect(await store().read([{ view: newView(), values: [] }])).toEqual([{ watermark: 0, entries: [] }])
  })

  test('MUST give back every byte of the rows, and the version and the time exactly', async () => {
    const view = newView()
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const large = Buffer.alloc(2_000_000, 'features ')
    await store().write(view, [
      entry('bytes', Number.MAX_SAFE_INTEGER, { rows: bytes, computedAtMs: 1_700_000_000_000.25 }),
      entry('empty', 0, { rows: Buffer.alloc(0), computedAtMs: 0 }),
      entry('large', 1, { rows: large }),
    ])
    const [answer] = await store().read([{ view, values: ['bytes', 'empty', 'large'] }])
    const [first, second, third] = answer?.entries ?? []
    expect(first).toEqual({
      version: Number.MAX_SAFE_INTEGER,
      computedAtMs: 1_700_000_000_000.25,
      rows: byteTextOf(bytes),
    })
    expect(second).toEqual({ version: 0, computedAtMs: 0, rows: '' })
    expect(third?.rows === byteTextOf(large)).toBe(true)
  })

  test('MUST leave rows alone that were read before, whatever is read or written later', async () => {
    const view = newView()
    const mine = Buffer.from('["before"]')
    await store().write(view, [entry('1', 1, { rows: mine })])
    mine.fill('x')
    const found = await readOne(store(), view, '1')
    await store().write(view, [entry('1', 2), entry('2', 2)])
    await versionsOf(store(), view, ['2', '1', '2'])
    expect(found?.rows.toString()).toBe('["before"]')
  })

  test('MUST show a write to every read that begins after it resolves', async () => {
    const view = newView()
    for (let version = 1; version <= 200; version++) {
      await store().write(view, [entry('1', version)])
      expect(await versionsOf(store(), view, ['1'])).toEqual([version])
    }
  })

  test('MUST take twenty thousand entries in one write and return them in one read', async () => {
    const view = newView()
    const values = Array.from({ length: 20_000 }, (_, i) => `user-${i}`)
    const taken = await store().write(
      view,
      values.map((value) => entry(value, 3)),
    )
    expect(taken).toHaveLength(values.length)
    expect(taken.every(Boolean)).toBe(true)
    const [answer] = await store().read([{ view, values }])
    const rows = answer?.entries.map((found) => JSON.parse(found?.rows.toString() ?? 'null')[0].value)
    expect(rows).toEqual(values)
  })
}

/** Index values that a store may confuse, cut short or refuse. */
const trickyValues = [
  '',
  ' ',
  '  ',
  '\0',
  'a\0b',
  'a',
  'A',
  'a:b',
  'a\nb\r\n',
  '12',
  '0012',
  '12.0',
  'null',
  "' OR 1=1 --",
  '*',
  '?[a]\\',
  '{tag}a',
  '{tag}b',
  'é',
  'é'.normalize('NFD'),
  '😀',
  '\ufffd',
  '\ud83d',
  '\ude00',
  '\ufeffa',
  'x'.repeat(512),
  'x'.repeat(513),
  `${'x'.repeat(10_000)}1`,
  `${'x'.repeat(10_000)}2`,
  'é'.repeat(50_000),
]

function describeKeys(store: GetStore, newView: NewView) {
  test('MUST keep every index value apart from all others: empty, any Unicode, any length', async () => {
    const view = newView()
    await store().write(
      view,
      trickyValues.map((value, i) => entry(value, i + 1)),
    )
    expect(await versionsOf(store(), view, trickyValues)).toEqual(trickyValues.map((_, i) => i + 1))
    expect(await versionsOf(store(), view, ['b', 'x'.repeat(511), 'x'.repeat(10_000)])).toEqual([
      null,
      null,
      null,
    ])
    expect([...(await store().sample(view, 1000))].sort()).toEqual([...trickyValues].sort())
  })

  test('MUST keep views apart, whatever their names', async () => {
    const names = ['', 'a', 'ab', 'a:b', 'a*', '*', 'A', 'é', '{a}', 'v'.repeat(1000), `${'v'.repeat(1000)}w`]
    const marked = names.map((view) => (view === '' ? '' : `${newView()}${view}`))
    for (const [i, view] of marked.entries()) {
      await store().write(view, [entry('b:1', i + 1), entry('1', i + 1)])
      await store().raiseWatermark(view, i + 1)
    }
    const answers = await store().read(marked.map((view) => ({ view, values: ['b:1', '1'] })))
    expect(answers.map(({ watermark, entries }) => [watermark, ...entries.map((e) => e?.version)])).toEqual(
      marked.map((_, i) => [i + 1, i + 1, i + 1]),
    )
    for (const [i, view] of marked.entries()) {
      await store().dropView(view)
      const left = await store().read(marked.map((each) => ({ view: each, values: ['1'] })))
      expect(left.map(({ entries }) => entries[0] !== null)).toEqual(marked.map((_, j) => j > i))
    }
  })
}

function describeOrder(store: GetStore, newView: NewView) {
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

function describeExpiry(store: GetStore, newView: NewView) {
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

function describeWatermarks(store: GetStore, newView: NewView) {
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

function describeRemoval(store: GetStore, newView: NewView) {
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

function describeDroppable(store: GetStore, newView: NewView) {
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
