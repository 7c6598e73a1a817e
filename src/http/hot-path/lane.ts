// A lane beside Fastify for small JSON POSTs: a route answers at once or declines, and what it declines goes Fastify's whole way.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { type ByteText, toByteText } from '../../byte-text.ts'
import type { AppError } from '../../errors.ts'
import { bound } from '../../telemetry/spans.ts'
import { httpAnswerOf } from '../failures.ts'
import { handleFirst } from '../handle-first.ts'
import type { Overload } from '../overload.ts'
import { decode, isJson } from './negotiation.ts'
import { TakenRequest } from './taken-request.ts'

/** Longer bodies gain nothing here. */
const mostBodyBytes = 1024 * 1024

export interface LaneAnswer {
  status: number
  contentType: string
  text: ByteText
  /** Besides those that every answer has. */
  headers?: Record<string, string>
}

export interface LaneRoute {
  /** Null: declined, before anything was done for the request. */
  answer(
    body: unknown,
    request: { headers: IncomingMessage['headers']; id: string; raw: IncomingMessage },
  ): Promise<LaneAnswer> | null
  /** A failure in this route's own form. */
  describe(failure: AppError): object
}

export interface LaneOptions {
  routes: ReadonlyMap<string, LaneRoute>
  /** Whether a request's caller is known, and may use the routes; whoever is not, Fastify judges and answers. */
  mayUse(request: IncomingMessage): boolean
  /** From then on answers ask their clients to leave. */
  isStopping(): boolean
  overload: Pick<Overload, 'isOver' | 'refusal' | 'entered' | 'left'>
  log: Logger
}

/** Puts the lane before Fastify's own handler. */
export function addLane(app: FastifyInstance, options: LaneOptions) {
  const { routes, mayUse, isStopping, overload, log } = options

  handleFirst(app.server, (request, response, goOn) => {
    const route = isPlain(request) ? routes.get(request.url ?? '') : undefined
    if (route === undefined || !mayUse(request) || !(request instanceof TakenRequest)) return goOn()
    if (overload.isOver('LOOKUP')) return refuse(route, response)
    const onBody = (body: Buffer) => {
      const id = randomUUID()
      const answer = answerOf(route, body, request, id, log)
      if (answer === null) {
        request.giveBodyBack()
        goOn()
        return
      }
      overload.entered('LOOKUP')
      answer.then((given) => reply(given, id), fail)
    }
    request.takeBody(bound(onBody))

    function reply(given: LaneAnswer, id: string) {
      overload.left('LOOKUP')
      if (isStopping()) response.setHeader('connection', 'close')
      send(response, given, id)
    }

    function fail(error: unknown) {
      overload.left('LOOKUP')
      log.error({ err: error }, 'A request failed unexpectedly')
      response.destroy()
    }
  })

  function refuse(route: LaneRoute, response: ServerResponse) {
    const failure = overload.refusal()
    const text = toByteText(JSON.stringify(route.describe(failure)))
    send(
      response,
      { ...httpAnswerOf(failure), contentType: 'application/json; charset=utf-8', text },
      randomUUID(),
    )
  }
}

function isPlain({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'POST' &&
    Number(headers['content-length']) <= mostBodyBytes &&
    isJson(headers['content-type']) &&
    headers['content-encoding'] === undefined &&
    headers.expect === undefined
  )
}

function answerOf(route: LaneRoute, bytes: Buffer, raw: IncomingMessage, id: string, log: Logger) {
  const text = decode(bytes)
  try {
    return text === null ? null : route.answer(JSON.parse(text), { headers: raw.headers, id, raw })
  } catch (error) {
    if (!(error instanceof SyntaxError)) log.error({ err: error }, 'The hot path failed')
    return null
  }
}

function send(response: ServerResponse, { status, contentType, text, headers }: LaneAnswer, id: string) {
  for (const name in headers) response.setHeader(name, headers[name] ?? '')
  response.writeHead(status, {
    'x-request-id': id,
    'x-content-type-options': 'nosniff',
    'content-type': contentType,
    'content-length': text.length,
  })
  response.end(text, 'latin1')
}
