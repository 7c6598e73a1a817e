// The router beside Fastify for small JSON POSTs: a route answers at once or declines, and what it declines goes Fastify's whole way.

import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Logger } from 'pino'
import type { Identity } from '../../access/identity.ts'
import type { AppError } from '../../errors.ts'
import { type ByteText, toByteText } from '../../values/byte-text.ts'
import type { Admission } from '../guards/admission.ts'
import type { Identities, Requester } from '../guards/identities.ts'
import type { Overload } from '../guards/overload.ts'
import { httpAnswerOf } from '../rest/failures.ts'
import { decode, isJson } from './negotiation.ts'

/** Longer bodies gain nothing here. */
const maxBodyBytes = 1024 * 1024

/** What a route makes of a request. */
export interface RouteAnswer {
  status: number
  contentType: string
  text: ByteText
  /** Besides those that every answer has. */
  headers?: Record<string, string>
}

/** A request whose caller is known. */
export interface KnownRequest {
  requester: Requester
  identity: Identity
  id: string
}

export interface HotPathAnswer extends RouteAnswer {
  /** The request's. */
  id: string
}

export interface HotPathRoute {
  /** Null: declined, before anything was done for the request. */
  answer(body: unknown, request: KnownRequest): Promise<RouteAnswer> | null
  /** A failure in this route's own form. */
  describe(failure: AppError): object
}

export interface HotPathRequest {
  method: string
  target: string
  headers: IncomingHttpHeaders
  bodyBytes: number
}

export interface HotPathRouter {
  /** The route for a request whose head is of a kind that is answered here. */
  routeOf(request: HotPathRequest): HotPathRoute | undefined
  /** Whether its caller may have an answer here; asked where a request's body is still on the way. */
  isKnown(requester: Requester): boolean
  /** In the place of an answer that is not to be given. */
  refuse(route: HotPathRoute, given: HotPathAnswer, failure: AppError): HotPathAnswer
  /** Null: Fastify has to answer. Rejects only by a mistake of the gateway's own. */
  answer(
    route: HotPathRoute,
    request: { requester: Requester; body: Buffer; path: string },
  ): Promise<HotPathAnswer> | null
}

export interface HotPathRouterOptions {
  routes: ReadonlyMap<string, HotPathRoute>
  /** Who is not known yet, or may not use the routes, Fastify judges and answers. */
  identities: Pick<Identities, 'recall'>
  admission: Pick<Admission, 'take' | 'passOn'>
  /** Whether the gateway answers to the name it was called by. */
  isRightName(requester: Requester): boolean
  /** For a page of another site; null where there are none. */
  crossOriginHeaders: ((requester: Requester) => Record<string, string>) | null
  /** Has the work done in a trace of its request; null where nothing is traced. */
  traced:
    | ((
        path: string,
        requester: Requester,
        work: () => Promise<HotPathAnswer> | null,
      ) => Promise<HotPathAnswer> | null)
    | null
  overload: Pick<Overload, 'isOver' | 'refusal' | 'entered' | 'left'>
  log: Logger
}

export function createHotPathRouter(options: HotPathRouterOptions): HotPathRouter {
  const { routes, identities, admission, isRightName, crossOriginHeaders, traced, overload, log } = options

  function answerAdmitted(
    route: HotPathRoute,
    body: Buffer,
    { requester, identity }: Omit<KnownRequest, 'id'>,
    headers: Record<string, string> | undefined,
  ): Promise<HotPathAnswer> | null {
    const id = randomUUID()
    if (overload.isOver('LOOKUP')) {
      const refused = refusalOf(route, overload.refusal())
      return Promise.resolve({ ...refused, id, ...merged(headers, refused.headers) })
    }
    const answer = answerOf(route, body, { requester, identity, id }, log)
    if (answer === null) return null
    overload.entered('LOOKUP')
    return answer.then(
      (given) => {
        overload.left('LOOKUP')
        return { ...given, id, ...merged(headers, given.headers) }
      },
      (error: unknown) => {
        overload.left('LOOKUP')
        throw error
      },
    )
  }

  function identityOf(requester: Requester): Identity | null {
    const identity = isRightName(requester) ? identities.recall(requester) : null
    return identity?.grants('realtime') ? identity : null
  }

  return {
    isKnown: (requester) => identityOf(requester) !== null,
    refuse(route, { id, headers }, failure) {
      const refused = refusalOf(route, failure)
      return { ...refused, id, ...merged(headers, refused.headers) }
    },
    routeOf: (request) => (isPlain(request) ? routes.get(request.target) : undefined),
    answer(route, { requester, body, path }) {
      const identity = identityOf(requester)
      if (identity === null) return null
      const verdict = admission.take(requester)
      const headers = merged(crossOriginHeaders?.(requester), verdict?.headers).headers
      const work = () => answerAdmitted(route, body, { requester, identity }, headers)
      const isRefused = verdict?.allowed === false
      const answer = isRefused ? null : traced === null ? work() : traced(path, requester, work)
      // Counted it is, once.
      if (answer === null && verdict !== null) admission.passOn(requester, verdict)
      return answer
    },
  }
}

function refusalOf(route: HotPathRoute, failure: AppError): RouteAnswer {
  const text = toByteText(JSON.stringify(route.describe(failure)))
  return { ...httpAnswerOf(failure), contentType: 'application/json; charset=utf-8', text }
}

function isPlain({ method, headers, bodyBytes }: HotPathRequest): boolean {
  return (
    method === 'POST' &&
    bodyBytes <= maxBodyBytes &&
    isJson(headers['content-type']) &&
    headers['content-encoding'] === undefined
  )
}

function answerOf(route: HotPathRoute, bytes: Buffer, request: KnownRequest, log: Logger) {
  const text = decode(bytes)
  try {
    return text === null ? null : route.answer(JSON.parse(text), request)
  } catch (error) {
    if (!(error instanceof SyntaxError)) log.error({ err: error }, 'The hot path failed')
    return null
  }
}

function merged(
  first: Record<string, string> | undefined,
  second?: Record<string, string>,
): { headers?: Record<string, string> } {
  if (first === undefined || second === undefined) {
    const headers = first ?? second
    return headers === undefined ? {} : { headers }
  }
  return { headers: { ...first, ...second } }
}
