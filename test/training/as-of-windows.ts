// Windows made at random that end at as_of(): as SQL, and what they give by plain arithmetic.

import type { Value } from '../../src/values/columns.ts'
import type { Dice } from '../fuzz/promise/dice.ts'

export interface Payment {
  user: number
  /** In microseconds. */
  ts: bigint
  amount: number
}

const hour = 3_600_000_000n
/** Windows and times are of the same grid, so that bounds are met to the microsecond. */
const gridHours = 6
const start = BigInt(Date.parse('2026-03-01T00:00:00Z')) * 1000n
const steps = 60

export function momentOf(dice: Dice): bigint {
  return start + BigInt(dice.below(steps) * gridHours) * hour + dice.pick([0n, 0n, 0n, 1n, -1n])
}

export function makePayments(dice: Dice, users: number, count: number): Payment[] {
  return Array.from({ length: count }, () => ({
    user: dice.below(users),
    ts: momentOf(dice),
    amount: dice.below(100),
  }))
}

interface Window {
  hours: number
  /** Whether what is just as old as the window is long is in it. */
  isClosed: boolean
  aggregate: 'count' | 'sum' | 'min' | 'max'
}

export interface WindowQuery {
  sql: string
  names: readonly string[]
  /** Null where the query gives no row of the user. */
  rowOf(user: number, moment: bigint): Value[] | null
}

export function makeQuery(dice: Dice, payments: readonly Payment[]): WindowQuery {
  const windows: Window[] = Array.from({ length: 1 + dice.below(12) }, () => ({
    hours: gridHours * (1 + dice.below(40)),
    isClosed: dice.pick([true, false]),
    aggregate: dice.pick(['count', 'sum', 'min', 'max'] as const),
  }))
  const isUpToNow = dice.pick([true, true, false])
  const oldestHours = dice.pick([null, gridHours * (1 + dice.below(40))])
  const isInSubquery = dice.pick([true, false])
  const least = dice.pick([0, 0, 2])
  const upper = `ts ${isUpToNow ? '<=' : '<'} as_of()`
  const lower = oldestHours === null ? '' : ` AND ts > as_of() - INTERVAL '${oldestHours}' HOUR`
  const rows = isInSubquery
    ? `(SELECT user_id, ts, amount FROM feature_store.payments WHERE ${upper}${lower}) p`
    : `feature_store.payments`
  const columns = windows.map(
    (window, i) => `CAST(${expressionOf(window)} FILTER (WHERE ${conditionOf(window)}) AS BIGINT) AS w${i}`,
  )
  const where = isInSubquery ? '' : ` WHERE ${upper}${lower}`
  const having = least === 0 ? '' : ` HAVING count(*) >= ${least} AND max(ts) <= as_of()`
  return {
    sql: `SELECT user_id, ${columns.join(', ')} FROM ${rows}${where} GROUP BY user_id${having}`,
    names: windows.map((_, i) => `w${i}`),
    rowOf(user, moment) {
      const since = oldestHours === null ? null : moment - BigInt(oldestHours) * hour
      const own = payments.filter(
        ({ user: whose, ts }) =>
          whose === user && (isUpToNow ? ts <= moment : ts < moment) && (since === null || ts > since),
      )
      if (own.length < Math.max(least, 1)) return null
      return windows.map((window) => {
        const from = moment - BigInt(window.hours) * hour
        const within = own.filter(({ ts }) => (window.isClosed ? ts >= from : ts > from))
        return collect(
          window,
          within.map(({ amount }) => amount),
        )
      })
    },
  }
}

function expressionOf({ aggregate }: Window): string {
  return aggregate === 'count' ? 'count(*)' : `${aggregate}(amount)`
}

function conditionOf({ hours, isClosed }: Window): string {
  return `ts ${isClosed ? '>=' : '>'} as_of() - INTERVAL '${hours}' HOUR`
}

function collect({ aggregate }: Window, amounts: readonly number[]): Value {
  if (aggregate === 'count') return amounts.length
  if (amounts.length === 0) return null
  if (aggregate === 'sum') return amounts.reduce((sum, amount) => sum + amount, 0)
  return aggregate === 'min' ? Math.min(...amounts) : Math.max(...amounts)
}
