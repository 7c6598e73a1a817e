// The first to see a request: whether its caller may ask now, before anything is read or looked up for it.

import { randomUUID } from 'node:crypto'
import type { Server, ServerResponse } from 'node:http'
import { AppError } from '../../errors.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { describeRestFailure } from '../rest/rest-failures.ts'
import { handleFirst } from '../server/handle-first.ts'
import { createOpenConnections } from '../server/open-connections.ts'
import type { CallerOf } from './callers.ts'
import type { Requester } from './identities.ts'
import type { RateLimiter, Verdict } from './rate-limit.ts'

/** Whoever watches over the gateway asks as often as it likes. */
const uncounted = new Set(['/healthz', '/readyz', '/metrics'])

export interface Admission {
  /** Whether requests are counted. */
  readonly isLimited: boolean
  /** Counts a request, or an operation on the WebSocket that a request became. Null while the caller may ask. */
  refusal(request: Requester): AppError | null
  take(request: Requester): Verdict | null
  /** Who takes next on the request's connection finds it counted, with this verdict. */
  passOn(request: Requester, verdict: Verdict): void
  /** Counts the index values that a request asks for; undefined where nothing is counted. */
  chargerOf(request: Requester): ((indexValues: number) => void) | undefined
  /** Counts a connection until the returned function is called; null when the caller holds as many as it may. */
  hold(request: Requester): (() => void) | null
}

export function createAdmission(options: {
  limiter: RateLimiter | null
  callerOf: CallerOf
  maxConnectionsPerCaller: number
  /** Counts what is turned away. */
  refused: Metrics['refused']
}): Admission {
  const { limiter, callerOf, refused } = options
  const [askedTooOftenCount, tooManyCount] = [refused('rate_limit'), refused('connections')]
  const connections = createOpenConnections(options.maxConnectionsPerCaller)
  const passedOn = new WeakMap<Requester['socket'], Verdict>()
  const take = (request: Requester) => {
    const counted = passedOn.get(request.socket)
    if (counted !== undefined) {
      passedOn.delete(request.socket)
      return counted
    }
    const verdict = limiter?.take(callerOf(request)) ?? null
    if (verdict?.allowed === false) askedTooOftenCount.value += 1
    return verdict
  }
  return {
    isLimited: limiter !== null,
    take,
    passOn: ({ socket }, verdict) => passedOn.set(socket, verdict),
    refusal(request) {
      const verdict = take(request)
      return verdict === null || verdict.allowed ? null : askedTooOften(verdict)
    },
    chargerOf(request) {
      if (limiter === null) return undefined
      return (indexValues) => limiter.charge(callerOf(request), indexValues)
    },
    hold(request) {
      const release = connections.open(callerOf(request))
      if (release === null) tooManyCount.value += 1
      return release
    },
  }
}

function askedTooOften({ retryAfterSeconds }: Verdict): AppError {
  const message = `This caller has asked too often; ask again in ${retryAfterSeconds} s`
  return new AppError('RATE_LIMITED', message, { details: { retryAfterSeconds } })
}

export function tooManyConnections(): AppError {
  return new AppError(
    'RATE_LIMITED',
    'This caller holds as many connections as it may (MAX_CONNECTIONS_PER_CALLER): close one, or follow more on each',
  )
}

/** Puts the admission before whatever handles requests by now. */
export function addAdmission(server: Server, admission: Admission, graphqlPath: string) {
  handleFirst(server, (request, response, goOn) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    if (uncounted.has(path)) return goOn()
    const verdict = admission.take(request)
    for (const name in verdict?.headers) response.setHeader(name, verdict?.headers[name] ?? '')
    if (verdict === null || verdict.allowed) return goOn()
    refuse(response, askedTooOften(verdict), path === graphqlPath)
  })
}

function refuse(response: ServerResponse, { code, message, details }: AppError, asGraphQL: boolean) {
  const body = asGraphQL
    ? { errors: [{ message, extensions: { code, details } }] }
    : describeRestFailure(code, message)
  const text = JSON.stringify(body)
  response.writeHead(429, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'x-request-id': randomUUID(),
    'x-content-type-options': 'nosniff',
  })
  response.end(text)
}
