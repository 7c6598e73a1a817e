// A lane beside Fastify for small JSON POSTs: a route answers at once or declines, and what it declines goes Fastify's whole way.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { ByteText } from '../../byte-text.ts'
import { bound } from '../../telemetry/spans.ts'
import { handleFirst } from '../handle-first.ts'
import { decode, isJson } from './negotiation.ts'

/** Longer bodies gain nothing here. */
const mostBodyBytes = 1024 * 1024

export interface LaneAnswer {
  status: number
  contentType: string
  text: ByteText
}

/** Null: declined, before anything was done for the request. */
export type LaneRoute = (
  body: unknown,
  request: { headers: IncomingMessage['headers']; id: string; raw: IncomingMessage },
) => Promise<LaneAnswer> | null

export interface LaneOptions {
  routes: ReadonlyMap<string, LaneRoute>
  /** Whether a request's caller is known, and may use the routes; whoever is not, Fastify judges and answers. */
  mayUse(request: IncomingMessage): boolean
  /** From then on Fastify turns requests away. */
  isStopping(): boolean
  log: Logger
}

/** Puts the lane before Fastify's own handler. */
export function addLane(app: FastifyInstance, { routes, mayUse, isStopping, log }: LaneOptions) {
  const bodies = new WeakMap<IncomingMessage, Buffer>()
  // What was read here already, Fastify reads again from memory.
  app.addHook('preParsing', (request, _reply, payload, done) => {
    const body = bodies.get(request.raw)
    done(null, body === undefined ? payload : Readable.from([body], { objectMode: false }))
  })

  handleFirst(app.server, (request, response, goOn) => {
    const route = isPlain(request) && !isStopping() ? routes.get(request.url ?? '') : undefined
    if (route === undefined || !mayUse(request)) return goOn()
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    const onEnd = () => {
      const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
      const id = randomUUID()
      const answer = answerOf(route, body, request, id, log)
      if (answer === null) {
        bodies.set(request, body)
        goOn()
      } else answer.then((given) => send(response, given, id), fail)
    }
    request.on('end', bound(onEnd))

    function fail(error: unknown) {
      log.error({ err: error }, 'A request failed unexpectedly')
      response.destroy()
    }
  })
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
    return text === null ? null : route(JSON.parse(text), { headers: raw.headers, id, raw })
  } catch (error) {
    if (!(error instanceof SyntaxError)) log.error({ err: error }, 'The hot path failed')
    return null
  }
}

function send(response: ServerResponse, { status, contentType, text }: LaneAnswer, id: string) {
  response.writeHead(status, {
    'x-request-id': id,
    'x-content-type-options': 'nosniff',
    'content-type': contentType,
    'content-length': text.length,
  })
  response.end(text, 'latin1')
}
