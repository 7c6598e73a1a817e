// Ids: a readable prefix, the millisecond, and 70 random bits, so that ids sort by the time they were made.

import { randomBytes } from 'node:crypto'

export const idPrefixes = ['qry', 'etl', 'dst', 'fv', 'svc', 'job', 'key'] as const

export type IdPrefix = (typeof idPrefixes)[number]

/** Crockford's base 32: sorts as its numbers do, and holds no letter that looks like a digit. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const timeLength = 10
const randomLength = 14

export function createId(prefix: IdPrefix): string {
  let time = ''
  for (let rest = Date.now(); time.length < timeLength; rest = Math.floor(rest / 32)) {
    time = alphabet.charAt(rest % 32) + time
  }
  let random = ''
  for (const byte of randomBytes(randomLength)) random += alphabet.charAt(byte % 32)
  return `${prefix}_${time}${random}`
}

/** What an id names, or null when it is no id of the catalog. */
export function idPrefix(id: string): IdPrefix | null {
  return idPrefixes.find((prefix) => id.startsWith(`${prefix}_`) && id.length > prefix.length + 1) ?? null
}
