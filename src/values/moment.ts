// A moment as clients write it: RFC 3339 with a zone, to the microsecond, which is finer than Date carries.

import { formatMicros, parseMicros } from './calendar.ts'

/** A Date that keeps its microseconds. */
export class Moment extends Date {
  readonly micros: bigint

  constructor(micros: bigint) {
    super(Number(floorDiv(micros, 1000n)))
    this.micros = micros
  }
}

const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/

/** Null for what is no moment. What is finer than a microsecond is left out. */
export function parseMoment(text: string): Moment | null {
  const [, date, time, fraction = '', sign, hours = '0', minutes = '0'] = rfc3339.exec(text) ?? []
  const micros = parseMicros(`${date}T${time}.${fraction.slice(0, 6).padEnd(6, '0')}Z`)
  if (micros === null || Number(hours) > 23 || Number(minutes) > 59) return null
  const offset = BigInt(Number(hours) * 60 + Number(minutes)) * 60_000_000n
  return new Moment(sign === '-' ? micros + offset : micros - offset)
}

export function microsOfDate(date: Date): bigint {
  return date instanceof Moment ? date.micros : microsOfMs(date.getTime())
}

export function microsOfMs(ms: number): bigint {
  return BigInt(ms) * 1000n
}

export function formatMoment(date: Date): string {
  return date instanceof Moment ? formatMicros(date.micros) : date.toISOString()
}

function floorDiv(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient
}
