// GraphQL over HTTP: Yoga behind Fastify, answers whole or streamed, and GraphiQL for browsers.

import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { DocumentNode } from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import type { Logger } from 'pino'
import { createTextCache } from '../../concurrency/text-cache.ts'
import type { Config } from '../../config/config.ts'
import { AppError, unavailable } from '../../errors.ts'
import { type Context, createContext, type RequestFacts } from '../../schema/context.ts'
import type { SchemaHolder } from '../../schema/held.ts'
import type { Services } from '../../schema/services.ts'
import type { Operation } from '../../telemetry/operations.ts'
import { type Admission, tooManyConnections } from '../guards/admission.ts'
import { maxBytesOf, maxRowsBytes, readBody } from '../guards/body-limits.ts'
import type { HeldBytes } from '../guards/held-bytes.ts'
import { assertPreflighted, essence, limitGets } from '../guards/preflight.ts'
import type { HotPath } from '../hot-path/hot-path.ts'
import { describeFailure, httpAnswerOf } from '../rest/failures.ts'
import { asAppError } from '../rest/rest-failures.ts'
import { parseJson } from '../server/json.ts'
import type { OpenStreams } from '../server/open-streams.ts'
import { originOf } from '../server/origin.ts'
import { nameRequest } from '../server/traced-requests.ts'
import { closeSchema } from './closed-schema.ts'
import { limitDocuments } from './document-limits.ts'
import { createGraphiQLPage } from './graphiql.ts'
import { codeOf, formatHttpResult, formatResults } from './graphql-errors.ts'
import { encodeResult } from './graphql-json.ts'
import { keepIntrospection } from './introspection.ts'
import type { OperationFinder } from './operation-names.ts'
import { type TrustedDocuments, takeTrustedDocuments } from './trusted-documents.ts'

export const graphqlPath = '/graphql'

/** Parsed documents that are kept; as trees they take some twenty times as much memory. */
const keptDocuments = { longest: 16_384, most: 1_000, maxCharacters: 512 * 1024 }

export type GraphQLServer = ReturnType<typeof createGraphQLServer>

export interface GraphQLOptions {
  holder: SchemaHolder
  services: Services
  settings: Config['graphql']
  trusted: TrustedDocuments
  operations: OperationFinder
  log: Logger
  /** Is told of every document that is valid. */
  hotPath: Pick<HotPath, 'accept'>
}

/** Parses, validates and executes; the same for HTTP and sockets. */
export function createGraphQLServer(options: GraphQLOptions) {
  const { holder, services, settings, trusted, operations, log, hotPath } = options
  return createYoga<RequestFacts, Context>({
    context: (facts) => createContext(services, facts),
    graphqlEndpoint: graphqlPath,
    // Yoga answers any URL that ends so; no URL holds a space.
    healthCheckEndpoint: ' ',
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    maskedErrors: false,
    // Node's own streams cancel at once, even while they wait for their source.
    fetchAPI: { ReadableStream, Response },
    maxRequestBodySize: maxRowsBytes,
    logging: false,
    // Yoga keeps whatever it was sent, and the errors of whatever it could not parse.
    parserAndValidationCache: {
      documentCache: createTextCache<DocumentNode>(keptDocuments),
      errorCache: { get: () => undefined, set: () => undefined },
    },
    plugins: [
      schemaInForce(holder),
      exactJson(),
      takeTrustedDocuments(trusted),
      limitDocuments(),
      limitGets(),
      ...(settings.introspection ? [] : [closeSchema()]),
      keepIntrospection(),
      codedErrors(log),
      countOperations(operations),
      acceptance(hotPath),
    ],
  })
}

/** For each operation the schema that is held when it begins. */
function schemaInForce(holder: SchemaHolder): Plugin<object, RequestFacts> {
  return {
    onPluginInit: ({ setSchema }) => setSchema(holder.current.schema),
    onEnveloped: ({ setSchema }) => setSchema(holder.current.schema),
  }
}

/** What is executed was parsed and found valid before. */
function acceptance(hotPath: Pick<HotPath, 'accept'>): Plugin<{ params?: { query?: string } }, RequestFacts> {
  return {
    onExecute({ args: { contextValue, schema } }) {
      if (contextValue.params?.query !== undefined) hotPath.accept(contextValue.params.query, schema)
    },
  }
}

/** POSTed JSON, no integer rounded. */
function exactJson(): Plugin<object, RequestFacts> {
  return {
    onRequestParse({ request, setRequestParser }) {
      const type = essence(request.headers.get('content-type'))
      if (request.method !== 'POST' || (type !== 'application/json' && type !== 'application/graphql+json'))
        return
      setRequestParser(async () => {
        const body = parseJson(await request.text())
        if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
        throw new AppError('BAD_USER_INPUT', 'The body must be a JSON object with a "query"')
      })
    },
  }
}

/** The last to see a result, whichever way it came about. */
function codedErrors(log: Logger): Plugin<object, RequestFacts> {
  return {
    onResultProcess({ result, setResult, serverContext: { requestId } }) {
      if (Array.isArray(result)) return
      const facts = { requestId, log }
      setResult(
        Symbol.asyncIterator in result
          ? formatResults(result, facts)
          : { ...formatHttpResult(result, facts), stringify: encodeResult },
      )
    },
  }
}

/** Counts each result as its client sees it: codedErrors has been there before. */
function countOperations(operations: OperationFinder): Plugin<{ request?: Request }, RequestFacts> {
  const underWay = new WeakMap<Request, { startedAtMs: number; operation: Operation }>()

  function found({ contextValue: { request }, document, operationName }: Executing) {
    const known = request && underWay.get(request)
    if (!known) return
    known.operation = operations.find(document, operationName)
    known.operation.nameRequest(nameRequest)
  }

  return {
    onRequest({ request }) {
      underWay.set(request, { startedAtMs: performance.now(), operation: operations.unusable })
    },
    onExecute: ({ args }) => found(args),
    onSubscribe: ({ args }) => found(args),
    onResultProcess({ request, result }) {
      const known = underWay.get(request)
      if (known === undefined || Array.isArray(result)) return
      const [error] = 'errors' in result ? (result.errors ?? []) : []
      known.operation.end(error === undefined ? null : codeOf(error), known.startedAtMs)
    },
  }
}

interface Executing {
  contextValue: { request?: Request }
  document: DocumentNode
  operationName?: string | null | undefined
}

export interface RouteOptions {
  yoga: GraphQLServer
  settings: Config['graphql']
  admission: Admission
  streams: OpenStreams
  held: HeldBytes
  /** Whether callers have to say who they are. */
  asksWho: boolean
  trustProxy: boolean
  /** From then on no stream is begun: its client is to find another gateway. */
  isStopping(): boolean
  log: Logger
}

export async function addGraphQLRoute(app: FastifyInstance, options: RouteOptions) {
  const { yoga, settings, admission, held, trustProxy, log } = options
  const graphiql = createGraphiQLPage(graphqlPath, options)

  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (request: FastifyRequest, body: Readable) =>
      readBody(request, body, { most: maxBytesOf(request.identity), held }),
    )
    scope.setErrorHandler((error, request, reply) => sendFailure(error, request, reply, log))
    const isPage = (request: FastifyRequest) => settings.graphiql && wantsGraphiQL(request)
    const config = { access: (request: FastifyRequest) => (isPage(request) ? 'open' : 'signed-in') } as const
    scope.all(graphqlPath, { schema: { hide: true }, config }, async (request, reply) => {
      if (isPage(request)) return sendPage(reply, request, await graphiql())
      assertPreflighted(request)
      if (request.method === 'GET' && !settings.get) return sendGetRefusal(reply)
      const gone = new AbortController()
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) gone.abort()
      })
      const facts = {
        requestId: request.id,
        origin: originOf(request.raw, { trustProxy }),
        identity: request.identity,
        charge: admission.chargerOf(request.raw),
      }
      const response = await yoga.fetch(toFetchRequest(yoga, request, facts.origin, gone.signal), facts)
      return sendResponse(reply, response, options)
    })
  })
}

function toFetchRequest(yoga: GraphQLServer, request: FastifyRequest, origin: string, signal: AbortSignal) {
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD' && Buffer.isBuffer(request.body)
  return new yoga.fetchAPI.Request(`${origin}${request.raw.url}`, {
    method: request.method,
    headers: request.headers as Record<string, string>,
    signal,
    ...(hasBody && { body: request.body as Buffer<ArrayBuffer> }),
  })
}

/** Hop-by-hop: Node sets its own. */
const notCopied = new Set(['connection', 'transfer-encoding', 'content-length', 'content-encoding'])

async function sendResponse(
  reply: FastifyReply,
  response: Response,
  { streams, admission, isStopping }: Pick<RouteOptions, 'streams' | 'admission' | 'isStopping'>,
) {
  reply.status(response.status)
  for (const [name, value] of response.headers) {
    if (!notCopied.has(name.toLowerCase())) reply.header(name, value)
  }
  const type = essence(response.headers.get('content-type'))
  if (response.body !== null && (type === 'text/event-stream' || type === 'multipart/mixed')) {
    const release = isStopping() ? null : admission.hold(reply.request.raw)
    if (release === null) {
      await response.body.cancel()
      throw isStopping() ? goesAway() : tooManyConnections()
    }
    reply.raw.once('close', release)
    return reply.send(streams.open(response.body, reply.request.identity))
  }
  const text = await response.text()
  if (text === '' && response.status >= 400) {
    const message = `${response.statusText}: GraphQL is sent here by GET, or by POST as application/json`
    return reply.send({ errors: [{ message, extensions: { code: 'BAD_USER_INPUT' } }] })
  }
  return reply.send(text)
}

function goesAway() {
  return unavailable('STOPPING', 'This gateway stops: follow it at another one, or at its next start', {
    retryAfterSeconds: 1,
  })
}

/** Fastify's own failures (a body too large, an encoding it does not know) in GraphQL's shape. */
function sendFailure(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger) {
  const known = asAppError(error) ?? error
  const { message, ...extensions } = describeFailure(known, { requestId: request.id, log })
  const { status, headers } = httpAnswerOf(extensions)
  return reply
    .status(status)
    .headers(headers)
    .send({ errors: [{ message, extensions }] })
}

function sendGetRefusal(reply: FastifyReply) {
  const message = 'GraphQL is sent here by POST, as application/json; GRAPHQL_GET=false turned GET off'
  return reply
    .status(405)
    .header('allow', 'POST')
    .send({ errors: [{ message, extensions: { code: 'BAD_USER_INPUT' } }] })
}

/** A browser's address bar; what it asks for in the query string, the page shows. */
function wantsGraphiQL(request: FastifyRequest): boolean {
  return request.method === 'GET' && (request.headers.accept ?? '').includes('text/html')
}

function sendPage(reply: FastifyReply, request: FastifyRequest, page: { html: Buffer; gzipped: Buffer }) {
  reply.type('text/html; charset=utf-8').header('vary', 'accept, accept-encoding')
  if (!(request.headers['accept-encoding'] ?? '').includes('gzip')) return reply.send(page.html)
  return reply.header('content-encoding', 'gzip').send(page.gzipped)
}
