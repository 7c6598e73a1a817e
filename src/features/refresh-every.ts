// How often a view is materialized by schedule: an interval, or cron.

import { AppError } from '../errors.ts'

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
/** More often would keep the engine at nothing else. */
const shortestMs = 5000
const longestMs = 366 * unitMs.d

/** `30s`, `5m`, `1h`, `1d` in milliseconds; null for what is no interval. */
export function parseInterval(text: string): number | null {
  const [, count, unit] = /^(\d{1,9})(s|m|h|d)$/.exec(text.trim()) ?? []
  return count === undefined ? null : Number(count) * unitMs[unit as keyof typeof unitMs]
}

/** When it is due next, after `from`. `nextByCron` throws BAD_USER_INPUT for what is neither interval nor cron. */
export function nextDue(every: string, from: Date, nextByCron: (cron: string, from: Date) => Date): Date {
  const ms = parseInterval(every)
  if (ms === null) return nextByCron(every, from)
  if (ms >= shortestMs && ms <= longestMs) return new Date(from.getTime() + ms)
  throw new AppError(
    'BAD_USER_INPUT',
    `refreshEvery is ${JSON.stringify(every)}; an interval must be from ${shortestMs / 1000}s to ${longestMs / unitMs.d}d.`,
  )
}

export const usualLateness = '1h'

/** How late rows may come, in milliseconds. */
export function parseLateness(text: string): number {
  const ms = parseInterval(text)
  if (ms !== null && ms <= longestMs) return ms
  throw new AppError(
    'BAD_USER_INPUT',
    `lateness is ${JSON.stringify(text.slice(0, 40))}; it must be an interval such as "10m", "1h" or "2d".`,
  )
}
