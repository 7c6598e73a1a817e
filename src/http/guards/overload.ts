// What the gateway can bear: beyond it a request is turned away at once, with 503 and a time to come again, instead of making all others wait.

import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { type AppError, unavailable } from '../../errors.ts'

const retryAfterSeconds = 1
const lookEveryMs = 100
/** One long turn of the event loop is a hiccup; so many one after the other are more work than there is time for. */
const lateTurns = 3

/** Whoever watches over the gateway is always answered. */
const exempt = new Set(['/healthz', '/readyz', '/metrics'])

/** LOOKUP: on the hot path. The others, a training call that waits for its dataset say, are counted apart, so that they leave lookups their room. */
export type RequestKind = 'LOOKUP' | 'OTHER'

export interface Overload {
  /** Whether one more is too many; asked before anything is done for it. */
  isOver(kind: RequestKind): boolean
  /** What to answer then. */
  refusal(): AppError
  /** Counts one until it has `left`. */
  entered(kind: RequestKind): void
  left(kind: RequestKind): void
  close(): void
}

export function createOverload(options: {
  /** Of each kind, under way at once. */
  maxRequests: number
  /** How late the event loop may be, turn after turn. */
  maxDelayMs: number
  log: Logger
}): Overload {
  const { maxRequests, maxDelayMs, log } = options
  const underWay: Record<RequestKind, number> = { LOOKUP: 0, OTHER: 0 }
  let late = 0
  let refused = 0
  let dueMs = performance.now() + lookEveryMs
  let timer = setTimeout(look, lookEveryMs).unref()

  function look() {
    const delayMs = performance.now() - dueMs
    late = delayMs > maxDelayMs ? late + 1 : 0
    if (late === 0 && refused > 0) {
      log.warn(
        { requests: refused, ...underWay },
        'Requests were turned away: there were more than can be borne',
      )
      refused = 0
    }
    dueMs = performance.now() + lookEveryMs
    timer = setTimeout(look, lookEveryMs).unref()
  }

  return {
    isOver: (kind) => underWay[kind] >= maxRequests || late >= lateTurns,
    refusal() {
      refused++
      return unavailable('OVERLOADED', 'The gateway has more to do than it can; ask again in a moment', {
        retryAfterSeconds,
      })
    },
    entered(kind) {
      underWay[kind]++
    },
    left(kind) {
      underWay[kind]--
    },
    close: () => clearTimeout(timer),
  }
}

const counted = Symbol('counted by the overload')

/** Everything that goes Fastify's way. An answer that streams, for as long as it likes, counts until it begins. */
export function addOverload(app: FastifyInstance, overload: Overload) {
  function leave(request: IncomingMessage & { [counted]?: boolean }) {
    if (request[counted] !== true) return
    request[counted] = false
    overload.left('OTHER')
  }

  app.addHook('onRequest', (request, reply, done) => {
    if (exempt.has(request.url.split('?', 1)[0] ?? '')) return done()
    if (overload.isOver('OTHER')) return done(overload.refusal())
    overload.entered('OTHER')
    const raw: IncomingMessage & { [counted]?: boolean } = request.raw
    raw[counted] = true
    reply.raw.once('close', () => leave(raw))
    done()
  })
  app.addHook('onSend', (request, _reply, payload, done) => {
    leave(request.raw)
    done(null, payload)
  })
}
