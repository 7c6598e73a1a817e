// The part of the online port's contract on reads: what they answer, and that every index value is kept apart from all others.

import { expect, test } from 'vitest'
import { byteTextOf } from '../../src/values/byte-text.ts'
import { entry, type GetStore, type NewView, readOne, versionsOf } from './online-entries.ts'

export function describeReads(store: GetStore, newView: NewView) {
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

export function describeKeys(store: GetStore, newView: NewView) {
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
