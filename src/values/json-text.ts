// JSON out of a column: integers that a number cannot hold become bigints.

import type { Value, ValueObject } from './columns.ts'

const integer = /^-?\d+$/
/** Only texts with sixteen digits in a row can hold an unsafe integer; all others take the fast way. */
const longDigits = /\d{16}/

function revive(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source
  return source !== undefined && integer.test(source) ? BigInt(source) : value
}

export function parseJson(text: string): Value {
  return (longDigits.test(text) ? JSON.parse(text, revive) : JSON.parse(text)) as Value
}

/** Bigints stay integers. */
export function formatJson(value: Value): string {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(formatJson).join(',')}]`
  const fields = Object.entries(value as ValueObject)
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${formatJson(field)}`).join(',')}}`
}
