// Whom a request counts for: who it says it is, where that is known, else where it comes from.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/** Who a request's headers say is calling, from memory and at once; null for nobody in particular. */
export type Recall = (headers: IncomingHttpHeaders) => string | null

export type CallerOf = (request: IncomingMessage) => string

export function createCallerOf(options: { trustProxy: boolean; recall?: Recall }): CallerOf {
  const { trustProxy, recall = () => null } = options
  return (request) => recall(request.headers) ?? networkOf(addressOf(request, trustProxy))
}

/** A proxy appends whom it heard: the last is what ours saw, those before it anybody may have written. */
function addressOf({ headers, socket }: IncomingMessage, trustProxy: boolean): string {
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
