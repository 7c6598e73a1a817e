// What an entry of a view in time holds and which of its rows is served, held to a plain reading of the rule, at every microsecond that counts.

import { describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createTimeline, encodeTimeline, pickAt, rulesOf } from '../../src/realtime/timeline.ts'
import { toByteText, toText } from '../../src/values/byte-text.ts'
import { formatDays, formatMicros, parseMicros } from '../../src/values/calendar.ts'
import { type Column, createRowEncoder, type Row, type Value } from '../../src/values/columns.ts'
import { tries } from '../thorough.ts'

const second = 1_000_000n
const micros = (text: string) => parseMicros(text) ?? expect.fail(`${text} is no moment`)

const column = (name: string, type: Column['type']): Column => ({ name, type, nullable: true, storage: type })
const columns = [
  column('key', 'INT32'),
  column('happened', 'TIMESTAMP'),
  column('made', 'TIMESTAMP'),
  column('amount', 'DECIMAL'),
  column('name', 'STRING'),
]

interface Happened {
  time: bigint | null
  made: bigint | null
  /** Cents, so that the reference compares numbers where the rows have texts. */
  cents: bigint | null
  name: string | null
}

function toRow({ time, made, cents, name }: Happened): Row {
  const timestamp = (value: bigint | null) => (value === null ? null : formatMicros(value))
  return [1, timestamp(time), timestamp(made), cents === null ? null : amountOf(cents), name]
}

/** Beyond fifteen digits a decimal is a text. */
function amountOf(cents: bigint): Value {
  const text = `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`
  return cents < 10n ** 15n ? Number(text) : text
}

function store(rows: readonly Happened[], moment: bigint, given: { createdColumn: string | null }) {
  const rules = rulesOf({ timestampColumn: 'happened', eventTtlSeconds: null, ...given }, columns)
  if (rules instanceof AppError) throw rules
  const timeline = createTimeline(rules, moment)
  for (const row of rows) timeline.add(toRow(row))
  return toByteText(encodeTimeline(timeline, columns, moment))
}

const encode = createRowEncoder(columns)
const byCodePoints = (text: string | null) => (text === null ? '' : `x${Buffer.from(text).toString('hex')}`)

/** As a reader of the rule would find it, over all the rows. */
function expectedAt(rows: readonly Happened[], moment: bigint, ttl: number | null, byCreated: boolean) {
  const least = -(2n ** 63n)
  const greater = (a: Happened, b: Happened): boolean => {
    const compared: readonly [bigint | string, bigint | string][] = [
      [a.time ?? least, b.time ?? least],
      ...(byCreated ? [[a.made ?? least, b.made ?? least] as [bigint, bigint]] : []),
      [a.made ?? least, b.made ?? least],
      [a.cents ?? least, b.cents ?? least],
      [byCodePoints(a.name), byCodePoints(b.name)],
    ]
    for (const [x, y] of compared) if (x !== y) return x > y
    return false
  }
  const come = rows.filter(({ time }) => time !== null && time <= moment)
  const newest = come.reduce<Happened | null>(
    (best, row) => (best === null || greater(row, best) ? row : best),
    null,
  )
  if (newest === null) return { status: 'NOT_FOUND', rows: '[]', eventTime: null }
  const isExpired = ttl !== null && (newest.time ?? 0n) < moment - BigInt(ttl) * second
  return isExpired
    ? { status: 'EXPIRED', rows: '[]', eventTime: newest.time }
    : { status: 'FOUND', rows: `[${encode(toRow(newest))}]`, eventTime: newest.time }
}

function createRandom(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const centers = [
  '1969-12-31T23:59:59.999999Z',
  '2026-03-01T00:00:00Z',
  '2255-06-05T23:47:34.740992Z',
  '9999-12-31T23:59:59.999999Z',
].map(micros)

describe('any history', () => {
  test('is served at each moment, from when it is stored on, as the rule says over all its rows', () => {
    let compared = 0
    for (let seed = 1; seed <= tries({ all: 6_000, part: 1_500 }); seed++) {
      const random = createRandom(seed)
      const center = centers[random(centers.length)] ?? 0n
      const pick = <T>(...values: readonly T[]) => values[random(values.length)] as T
      const near = () => center + BigInt(random(6) - 3) * pick(1n, second)
      const rows = Array.from(
        { length: random(12) },
        (): Happened => ({
          time: random(10) === 0 ? null : near(),
          made: random(3) === 0 ? null : near(),
          cents: pick(null, 5n, 1001n, 10n ** 17n, 10n ** 17n + 1n),
          name: pick(null, '', 'é', '😀', '￿', 'a"\n,:'),
        }),
      )
      const byCreated = random(2) === 0
      const storedAt = near()
      const text = store(rows, storedAt, { createdColumn: byCreated ? 'made' : null })
      const ttl = pick(null, null, 1, 2, 3)
      const times = rows.flatMap(({ time }) => time ?? [])
      const edges = times.flatMap((time) => [
        time - 1n,
        time,
        time + BigInt(ttl ?? 0) * second,
        time + BigInt(ttl ?? 0) * second + 1n,
      ])
      for (const moment of [storedAt, ...edges].filter((each) => each >= storedAt)) {
        const picked = pickAt(text, { eventTtlSeconds: ttl }, moment)
        const expected = expectedAt(rows, moment, ttl, byCreated)
        expect(
          { ...picked, rows: toText(picked?.rows ?? toByteText('')) },
          `seed ${seed} at ${moment}`,
        ).toMatchObject(expected)
        const until = picked?.changesAt ?? null
        if (until !== null) {
          expect(expectedAt(rows, until - 1n, ttl, byCreated), `seed ${seed} before ${until}`).toEqual(
            expected,
          )
          expect(expectedAt(rows, until, ttl, byCreated), `seed ${seed} from ${until} on`).not.toEqual(
            expected,
          )
        }
        compared++
      }
    }
    expect(compared).toBeGreaterThan(4_000)
  })
})

const at = (text: string, name: string): Happened => ({ time: micros(text), made: null, cents: null, name })
const nameAt = (text: ReturnType<typeof store>, moment: bigint, ttl: number | null = null) => {
  const picked = pickAt(text, { eventTtlSeconds: ttl }, moment)
  if (picked?.status !== 'FOUND') return picked?.status ?? null
  return (JSON.parse(toText(picked.rows)) as { name: string }[])[0]?.name
}

test('both bounds of the event ttl are inclusive, to the microsecond', () => {
  const noon = micros('2026-03-01T12:00:00Z')
  const text = store([at('2026-03-01T12:00:00Z', 'noon')], noon - second, { createdColumn: null })
  expect(nameAt(text, noon - 1n, 60)).toBe('NOT_FOUND')
  expect(nameAt(text, noon, 60)).toBe('noon')
  expect(nameAt(text, noon + 60n * second, 60)).toBe('noon')
  expect(nameAt(text, noon + 60n * second + 1n, 60)).toBe('EXPIRED')
})

test('a history of more later rows than are held says until when it holds', () => {
  const from = micros('2026-03-01T00:00:00Z')
  const rows = Array.from({ length: 2500 }, (_, i) => ({
    ...at('2026-03-01T00:00:00Z', `r${i}`),
    time: from + BigInt(i),
  }))
  const text = store(rows.toReversed(), from, { createdColumn: null })
  expect(nameAt(text, from)).toBe('r0')
  expect(nameAt(text, from + 1000n)).toBe('r1000')
  expect(nameAt(text, from + 1001n)).toBeNull()
  expect(pickAt(text, { eventTtlSeconds: null }, from + 1000n)?.changesAt).toBe(from + 1001n)
  const allLater = store(rows, from - 1n, { createdColumn: null })
  expect(nameAt(allLater, from - 1n)).toBe('NOT_FOUND')
  expect(nameAt(allLater, from + 999n)).toBe('r999')
  expect(nameAt(allLater, from + 1000n)).toBeNull()
})

test('later rows that are large are held as far as a megabyte goes, one always', () => {
  const from = micros('2026-03-01T00:00:00Z')
  const large = (i: number) => ({
    ...at('2026-03-01T00:00:00Z', `${i}${'é'.repeat(300_000)}`),
    time: from + BigInt(i),
  })
  const text = store([large(0), large(1), large(2)], from, { createdColumn: null })
  expect(nameAt(text, from)).toMatch(/^0é/)
  expect(nameAt(text, from + 1n)).toBeNull()
  const first = store([large(1), large(2)], from, { createdColumn: null })
  expect(nameAt(first, from)).toBe('NOT_FOUND')
  expect(nameAt(first, from + 1n)).toMatch(/^1é/)
})

test('a date is its midnight in UTC, and infinite times are the first and the last', () => {
  const dates = [column('day', 'DATE'), column('n', 'INT32')]
  const rules = rulesOf({ timestampColumn: 'day', createdColumn: null, eventTtlSeconds: null }, dates)
  if (rules instanceof AppError) throw rules
  const moment = micros('2026-03-02T00:00:00Z')
  const timeline = createTimeline(rules, moment - 1n)
  const days = ['-infinity', formatDays(-1), '2026-03-01', '2026-03-02', 'infinity']
  for (const [i, day] of days.entries()) timeline.add([day, i])
  const text = toByteText(encodeTimeline(timeline, dates, moment - 1n))
  const nOf = (time: bigint) => JSON.parse(pickAt(text, { eventTtlSeconds: null }, time)?.rows ?? 'null')
  expect(nOf(moment - 1n)).toEqual([{ day: '2026-03-01', n: 2 }])
  expect(nOf(moment)).toEqual([{ day: '2026-03-02', n: 3 }])
  expect(nOf(micros('9999-12-31T23:59:59Z'))).toEqual([{ day: '2026-03-02', n: 3 }])
  const only = createTimeline(rules, moment)
  only.add(['-infinity', 1])
  const held = toByteText(encodeTimeline(only, dates, moment))
  expect(pickAt(held, { eventTtlSeconds: null }, moment)).toMatchObject({ status: 'FOUND', eventTime: null })
})

test('columns that tell no time are named with those that are there', () => {
  const given = { timestampColumn: 'name', createdColumn: null, eventTtlSeconds: null }
  expect(rulesOf(given, columns)).toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('name STRING'),
  })
})
