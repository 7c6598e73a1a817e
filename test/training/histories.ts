// Random histories of rows and spines that ask about them: equal times, late rows, rows of the future, nulls, and times at the edge of what is asked.

import type { Dice } from '../fuzz/promise/dice.ts'

export interface Happened {
  key: number | null
  other: string | null
  /** In microseconds UTC. */
  time: bigint | null
  made: bigint | null
  value: number | null
  name: string | null
}

export interface Asked {
  key: number | null
  other: string | null
  time: bigint | null
  label: string
}

export interface History extends Shape {
  rows: readonly Happened[]
  spine: readonly Asked[]
}

/** What histories have alike that are asked about by one statement. */
export interface Shape {
  /** Whether entities are found by `other` too. */
  isComposite: boolean
  hasCreated: boolean
  ttlSeconds: number | null
  knownAsOf: boolean
}

const micros = (text: string) => BigInt(Date.parse(text)) * 1000n
const starts = [
  micros('2024-03-10T12:00:00Z'),
  micros('1970-01-01T00:00:00Z'),
  micros('1969-12-31T23:59:59Z') + 999_998n,
  micros('9999-12-30T00:00:00Z'),
  micros('0001-01-02T00:00:00Z'),
  // Where clocks in Berlin are put back, and forward.
  micros('2026-10-25T01:00:00Z'),
  micros('2026-03-29T01:00:00Z'),
]
const ttls = [null, 0, 1, 10, 604_800] as const
/** Beside one another in UTF-16 in another order than by code points. */
const texts = ['a', 'B', 'a ', '', '~', '\u{1f600}', '\uffee', 'é', 'z', 'Z'] as const

const seldomBy = (dice: Dice) => (limit: number) => dice.below(limit) === 0

export function makeShape(dice: Dice): Shape {
  const seldom = seldomBy(dice)
  return {
    isComposite: seldom(2),
    hasCreated: !seldom(3),
    ttlSeconds: dice.pick(ttls),
    knownAsOf: seldom(3),
  }
}

export function makeHistory(dice: Dice, shape: Shape): History {
  const { ttlSeconds } = shape
  const start = dice.pick(starts)
  const step = BigInt(ttlSeconds ?? 5) * 1_000_000n
  const offsets = [0n, 1n, -1n, 2n, step, step + 1n, step - 1n, 2n * step, 2n * step + 1n, 3_600_000_000n]
  const seldom = seldomBy(dice)
  const time = () => (seldom(12) ? null : start + dice.pick(offsets))
  const keys = 1 + dice.below(4)
  const key = () => (seldom(12) ? null : dice.below(keys))
  const other = () => (seldom(12) ? null : dice.pick(['x', '1', '23'] as const))
  const rows = Array.from({ length: dice.below(40) }, () => ({
    key: key(),
    other: other(),
    time: time(),
    made: seldom(4) ? null : start + dice.pick(offsets),
    value: seldom(4) ? null : dice.below(5),
    name: seldom(4) ? null : dice.pick(texts),
  }))
  // Above some sixty rows an engine may take another way.
  const length = seldom(5) ? 200 : 1 + dice.below(20)
  const spine = Array.from({ length }, () => ({
    key: seldom(8) ? 77 : key(),
    other: other(),
    time: time(),
    label: dice.pick(texts),
  }))
  // The same row twice stays twice.
  const [first] = spine
  if (first !== undefined) spine.push(first)
  return { ...shape, rows, spine }
}

const day = 86_400_000_000n
const midnightOf = (time: bigint | null) => time && time - (((time % day) + day) % day)

/** The same where times are days, of rows or of what asks about them. */
export function byDays(history: History, of: 'rows' | 'spine'): History {
  const { rows, spine } = history
  return of === 'rows'
    ? {
        ...history,
        rows: rows.map((row) => ({ ...row, time: midnightOf(row.time), made: midnightOf(row.made) })),
      }
    : { ...history, spine: spine.map((row) => ({ ...row, time: midnightOf(row.time) })) }
}
