// Whom a request counts for: who it says it is, where that is known, else where it comes from.

import type { Identities, Requester } from './identities.ts'

export type CallerOf = (request: Requester) => string

/** Who is not recalled yet counts as where it comes from, so that guesses count for whoever makes them. */
export function createCallerOf(options: {
  trustProxy: boolean
  identities: Pick<Identities, 'recall'>
}): CallerOf {
  const { trustProxy, identities } = options
  return (request) => identities.recall(request)?.caller ?? networkOf(addressOf(request, trustProxy))
}

/** A proxy appends whom it heard: the last is what ours saw, those before it anybody may have written. */
function addressOf({ headers, socket }: Requester, trustProxy: boolean): string {
  const forwarded = trustProxy ? headers['x-forwarded-for'] : undefined
  const last = forwarded === undefined ? '' : String(forwarded).split(',').at(-1)?.trim()
  return last || socket.remoteAddress || 'unknown'
}

/** Of IPv6 the first 64 bits: whoever has one such address has them all. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? []
  const groups = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':').length : 0
  if (tail !== undefined) while (groups.length + after < 8) groups.push('0')
  const all = tail ? [...groups, ...tail.split(':')] : groups
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
