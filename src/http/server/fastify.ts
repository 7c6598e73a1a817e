// Fastify as the gateway has it: requests with an id, strict JSON, and every failure in one form.

import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { Logger } from 'pino'
import { withRequestId } from '../../telemetry/request-id.ts'
import { isLetGo, maxPlainBytes, readBody } from '../guards/body-limits.ts'
import type { HeldBytes } from '../guards/held-bytes.ts'
import { sendRestFailure, sendUnknownRoute } from '../rest/rest-failures.ts'
import { isUpload } from '../rest/table-rows.ts'
import { parseJson } from './json.ts'
import type { HttpLimits } from './limits.ts'
import { receiveWithin } from './receive-within.ts'
import { inRequestsTrace } from './traced-requests.ts'

export interface FastifyOptions {
  /** A client has so long to send a request's headers, and all of it. */
  limits: Pick<HttpLimits, 'headersMs' | 'requestMs'>
  held: HeldBytes
  log: Logger
}

export function createFastify({ limits, held, log }: FastifyOptions): FastifyInstance {
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxPlainBytes,
    // A table's name may be long, and its schema's.
    routerOptions: { maxParamLength: 1000 },
    // What still comes on open connections is answered, and told that it was the last.
    return503OnClosing: false,
    http: {
      headersTimeout: limits.headersMs,
      connectionsCheckingInterval: Math.min(limits.headersMs, 5_000),
    },
    genReqId: () => randomUUID(),
    frameworkErrors: (error, request, reply) => sendRestFailure(error, request, reply, log),
  })
  receiveWithin(app.server, { requestMs: limits.requestMs, isLong: isUpload })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', async (request: FastifyRequest, body: Readable) => {
    const text = String(await readBody(request, body, { most: maxPlainBytes, held }))
    // Clients that always name a content type send it with an empty body too.
    return text === '' ? undefined : parseJson(text)
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
    const { socket } = request.raw
    reply.raw.once('close', () => held.keep(socket, 0))
    done()
  })
  // Fastify has the connection of each body that it refuses closed.
  app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.getHeader('connection') === 'close' && isLetGo(request.headers))
      reply.removeHeader('connection')
    done(null, payload)
  })
  // Not earlier: what reads the body is called from its connection's events, outside of any request.
  app.addHook('preValidation', (request, _reply, done) => {
    withRequestId(request.id, () => inRequestsTrace(request.raw, done))
  })
  app.setErrorHandler((error, request, reply) => sendRestFailure(error, request, reply, log))
  app.setNotFoundHandler((request, reply) => sendUnknownRoute(request, reply))
  return app
}
