// How much a caller may ask for in a while: counted here at once, and told to the other gateways some times a second.

import { hash } from 'node:crypto'
import type { Logger } from 'pino'
import { messageOf } from '../../errors.ts'
import type { SharedCounters } from '../../online/counters.ts'

/** What is counted is a hundredth of a request, so that one index value can be a small part of one. */
const unitsOfRequest = 100
/** How often gateways tell each other. What a caller asks of several at once in that time may exceed the limit. */
const shareEveryMs = 100
const retryAfterFailureMs = 1_000
/** Callers that are told of at once, so that many strangers cost no long command. */
const maxAtOnce = 1_000
/** Callers that are counted; of more, who came first is forgotten. */
const maxCallers = 100_000

export interface RateLimit {
  requests: number
  windowMs: number
}

export interface Verdict {
  allowed: boolean
  /** `RateLimit-Policy`, `RateLimit`, and `Retry-After` for what is refused. */
  headers: Record<string, string>
  retryAfterSeconds: number
}

export interface RateLimiter {
  /** Counts one request, unless the caller has used its share up. */
  take(caller: string): Verdict
  /** Counts what a request turned out to need besides; it tells on the next. */
  charge(caller: string, indexValues: number): void
  close(): void
}

interface Usage {
  /** By all gateways, as far as is known. */
  shared: number
  /** By this one since it last told. */
  own: number
}

/**
 * Windows begin at the same moment everywhere by the clock. `counters` null counts for this process alone; so does a
 * server that cannot be reached, until it can.
 */
export function createRateLimiter(options: {
  limit: RateLimit
  counters: SharedCounters | null
  log: Logger
  nowMs?: () => number
}): RateLimiter {
  const { limit, counters, log } = options
  const maxUnits = limit.requests * unitsOfRequest
  const policy = `"default";q=${limit.requests};w=${limit.windowMs / 1000}`
  let window = 0
  let usages = new Map<string, Usage>()
  const untold = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let failing = false
  let closed = false

  function usageOf(caller: string): Usage {
    const current = Math.floor(Date.now() / limit.windowMs)
    if (current !== window) {
      window = current
      usages = new Map()
      untold.clear()
    }
    const known = usages.get(caller)
    if (known !== undefined) return known
    if (usages.size >= maxCallers) forgetOldest()
    const fresh = { shared: 0, own: 0 }
    usages.set(caller, fresh)
    return fresh
  }

  function forgetOldest() {
    const [oldest] = usages.keys()
    if (oldest === undefined) return
    usages.delete(oldest)
    untold.delete(oldest)
  }

  function add(caller: string, usage: Usage, units: number) {
    usage.own += units
    if (counters === null) return
    untold.add(caller)
    timer ??= setTimeout(share, failing ? retryAfterFailureMs : shareEveryMs).unref()
  }

  /** A refused caller learns from the answer how much is left, none, and when there is more. */
  function take(caller: string): Verdict {
    const usage = usageOf(caller)
    const allowed = usage.shared + usage.own < maxUnits
    if (allowed) add(caller, usage, unitsOfRequest)
    const left = Math.max(0, maxUnits - usage.shared - usage.own)
    const retryAfterSeconds = Math.max(1, Math.ceil(((window + 1) * limit.windowMs - Date.now()) / 1000))
    const headers: Record<string, string> = {
      'ratelimit-policy': policy,
      ratelimit: `"default";r=${Math.floor(left / unitsOfRequest)};t=${retryAfterSeconds}`,
    }
    if (!allowed) headers['retry-after'] = String(retryAfterSeconds)
    return { allowed, headers, retryAfterSeconds }
  }

  async function share() {
    const told = [...untold].slice(0, maxAtOnce).flatMap((caller) => {
      untold.delete(caller)
      const usage = usages.get(caller)
      if (usage === undefined) return []
      const amount = usage.own
      usage.own = 0
      // Until the answer comes it counts as known.
      usage.shared += amount
      return [{ caller, usage, amount }]
    })
    const ofWindow = window
    try {
      const totals = await counters?.add(
        told.map(({ caller, amount }) => ({
          key: `${ofWindow}:${hash('sha256', caller, 'base64url')}`,
          amount,
          expiresInMs: 2 * limit.windowMs,
        })),
      )
      for (const [i, { usage }] of told.entries()) usage.shared = Math.max(usage.shared, totals?.[i] ?? 0)
      if (failing) log.info('Rate limits hold across gateways again')
      failing = false
    } catch (error) {
      if (!failing)
        log.warn(
          { reason: messageOf(error) },
          'Rate limits hold for this gateway alone: Redis does not answer',
        )
      failing = true
    }
    timer = undefined
    if (!closed && untold.size > 0)
      timer = setTimeout(share, failing ? retryAfterFailureMs : shareEveryMs).unref()
  }

  return {
    take,
    charge: (caller, indexValues) => add(caller, usageOf(caller), indexValues),
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
