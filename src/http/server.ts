// The HTTP server: GraphQL, REST, downloads and health on one port, opened last and closed without cutting off an answer.

import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type { Logger } from 'pino'
import packageJson from '../../package.json' with { type: 'json' }
import { type Config, ConfigError } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { SharedCounters } from '../online/counters.ts'
import { withRequestId } from '../request-id.ts'
import { createSchema } from '../schema/index.ts'
import type { Services } from '../schema/services.ts'
import type { GatherMetrics } from '../telemetry/gather.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { addAdmission, createAdmission } from './admission.ts'
import { createCallerOf } from './callers.ts'
import { addCrossOrigin, createCrossOriginHeaders } from './cross-origin.ts'
import { addDownloads } from './downloads.ts'
import { addGraphQLRoute, createGraphQLServer, graphqlPath } from './graphql.ts'
import { addHealth, createProbes, type Probe } from './health.ts'
import { createHotPath } from './hot-path/hot-path.ts'
import { createLane } from './hot-path/lane.ts'
import { createGraphQLLane, createLookupLanes } from './hot-path/lookup-lanes.ts'
import { createIdentities } from './identities.ts'
import { parseJson } from './json.ts'
import { createLeaving } from './leaving.ts'
import { addMetrics } from './metrics.ts'
import { createOpenStreams } from './open-streams.ts'
import { addOpenApi, docsPath } from './openapi.ts'
import { createOperationFinder } from './operation-names.ts'
import { addOverload, createOverload } from './overload.ts'
import { answerToOwnNamesOnly, asksThisMachine } from './own-names.ts'
import { createRateLimiter } from './rate-limit.ts'
import { addRest } from './rest.ts'
import { sendRestFailure, sendUnknownRoute } from './rest-failures.ts'
import { countRequests } from './rest-metrics.ts'
import { type GuardedRoute, guardRoutes } from './route-access.ts'
import { endStalled } from './stalled.ts'
import { inRequestsTrace, tracedAnswer, traceRequests } from './traced-requests.ts'
import { openTrustedDocuments } from './trusted-documents.ts'
import { createSocketServer } from './websocket.ts'
import { addWire } from './wire/wire.ts'

const maxBodyBytes = 32 * 1024 * 1024
/** Answers still under way when the server closes have so long to end. */
const closeWithinMs = 10_000

export interface HttpServer {
  /** Opens the port; rejects with a ConfigError when it cannot be had. */
  listen(): Promise<{ url: string }>
  /** The port stays open, but who looks should go elsewhere: /readyz says 503, answers carry `connection: close`, no WebSocket is taken. */
  leave(): void
  /** Opens nothing any more and ends what is open: answers under way come whole, streams and sockets end so that their clients connect anew. */
  close(): Promise<void>
  /** Who may use what. */
  readonly routes: readonly GuardedRoute[]
}

export interface HttpServerOptions {
  config: Pick<
    Config,
    | 'auth'
    | 'host'
    | 'port'
    | 'trustProxy'
    | 'corsOrigins'
    | 'graphql'
    | 'rateLimit'
    | 'maxConnectionsPerCaller'
    | 'maxSubscriptions'
    | 'tracing'
    | 'maxRequests'
    | 'maxEventLoopDelayMs'
    | 'stallTimeoutMs'
  >
  services: Services & { warehouse: Probe; online: Probe; metrics: Metrics }
  /** Metrics of all processes that share the port; by default this is the only one. */
  gatherMetrics?: GatherMetrics | undefined
  log: Logger
  /** What rate limits are counted in together with other gateways; null counts for this process alone. */
  counters?: SharedCounters | null
  /** False has the full pipeline answer everything, for tests and benchmarks that compare. */
  hotPath?: boolean
  /** For tests that do not wait so long: see SocketOptions. */
  connectionInitWaitMs?: number
  pingEveryMs?: number
  /** A client has so long to send a request's headers, and all of it. */
  receiveWithin?: { headersMs: number; requestMs: number }
}

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { config, services, log } = options
  const { trustProxy, corsOrigins } = config
  const ownNamesOnly = config.auth.ownNamesOnly && !trustProxy
  const app = createFastify(log, options.receiveWithin ?? { headersMs: 15_000, requestMs: 60_000 })
  const schema = createSchema(services)
  const trusted = await openTrustedDocuments(config.graphql.trustedDocuments, { schema, log })
  const { metrics } = services
  const operations = createOperationFinder(metrics.operations)
  const hotPath =
    options.hotPath === false
      ? undefined
      : createHotPath({ services, trusted, operations: metrics.operations, log })
  const yoga = createGraphQLServer({
    schema,
    services,
    settings: config.graphql,
    trusted,
    operations,
    maxBodyBytes,
    log,
    ...(hotPath && { hotPath }),
  })
  const streams = createOpenStreams()
  const limiter =
    config.rateLimit &&
    createRateLimiter({ limit: config.rateLimit, counters: options.counters ?? null, log })
  const { maxConnectionsPerCaller, maxSubscriptions } = config
  const { authentication, isRequired: asksWho } = services.access
  const identities = createIdentities(authentication, asksWho)
  const admission = createAdmission({
    limiter,
    callerOf: createCallerOf({ trustProxy, identities }),
    maxConnectionsPerCaller,
    refused: metrics.refused,
  })
  const overload = createOverload({
    maxRequests: config.maxRequests,
    maxDelayMs: config.maxEventLoopDelayMs,
    log,
  })
  addOverload(app, overload)
  endStalled(app.server, config.stallTimeoutMs)
  let closing = false
  const isStopping = () => closing || leaving.isBegun()
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isStopping()) reply.header('connection', 'close')
    done(null, payload)
  })

  countRequests(app, { operations: metrics.operations, except: graphqlPath })
  const guardedRoutes = guardRoutes(app, { identities, openUnder: docsPath })
  const rest = await addOpenApi(app, { version: packageJson.version, asksWho })
  await addGraphQLRoute(app, {
    yoga,
    settings: config.graphql,
    admission,
    streams,
    asksWho,
    trustProxy,
    maxBodyBytes,
    isStopping,
    log,
  })
  addRest(rest, services)
  addDownloads(rest, services)
  const { catalog, warehouse, online } = services
  const probes = createProbes({ catalog, warehouse, online })
  addHealth(rest, { probes, isStopping })
  const isOpen = config.auth.openMetrics
  addMetrics(rest, { metrics, catalog, probes, isOpen, gather: options.gatherMetrics })
  const sockets = createSocketServer({
    server: app.server,
    yoga,
    trusted,
    operations,
    admission,
    identities,
    maxSubscriptions,
    trustProxy,
    corsOrigins,
    ownNamesOnly,
    maxMessageBytes: maxBodyBytes,
    connectionInitWaitMs: options.connectionInitWaitMs ?? 3_000,
    pingEveryMs: options.pingEveryMs ?? 12_000,
    isStopping,
    overload,
    log,
  })

  metrics.gauge(
    {
      name: 'gateway_connections',
      help: 'WebSockets and event streams that are open',
      labels: ['transport'],
    },
    () => [
      [['websocket'], sockets.size()],
      [['sse'], streams.size()],
    ],
  )

  if (admission.isLimited) addAdmission(app.server, admission, graphqlPath)
  if (corsOrigins.length > 0) addCrossOrigin(app.server, corsOrigins)
  if (ownNamesOnly) answerToOwnNamesOnly(app.server)
  if (config.tracing) traceRequests(app.server)
  if (hotPath) {
    const lane = createLane({
      routes: new Map([
        [graphqlPath, createGraphQLLane(hotPath, admission)],
        ...createLookupLanes({ services, operations: metrics.operations, log }),
      ]),
      identities,
      admission,
      isRightName: (asker) => !ownNamesOnly || asksThisMachine(asker),
      crossOriginHeaders: corsOrigins.length > 0 ? createCrossOriginHeaders(corsOrigins) : null,
      traced: config.tracing ? tracedAnswer : null,
      overload,
      log,
    })
    addWire(app.server, { lane, isStopping, log })
  }
  const leaving = createLeaving(app.server)

  app.addHook('preClose', async () => {
    streams.endAll()
    await sockets.close()
  })

  async function close() {
    closing = true
    const timer = setTimeout(() => app.server.closeAllConnections(), closeWithinMs)
    // Before all else, so that whoever connects from now on is refused rather than cut off; Fastify waits for its end.
    if (app.server.listening) app.server.close()
    await app.close()
    clearTimeout(timer)
    limiter?.close()
    overload.close()
    await yoga.dispose()
  }

  return { listen: () => listen(app, config), leave: leaving.begin, close, routes: guardedRoutes }
}

function createFastify(log: Logger, within: { headersMs: number; requestMs: number }): FastifyInstance {
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    // What still comes on open connections is answered, and told that it was the last.
    return503OnClosing: false,
    requestTimeout: within.requestMs,
    http: {
      headersTimeout: within.headersMs,
      connectionsCheckingInterval: Math.min(within.headersMs, 5_000),
    },
    genReqId: () => randomUUID(),
    frameworkErrors: (error, request, reply) => sendRestFailure(error, request, reply, log),
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      // Clients that always name a content type send it with an empty body too.
      done(null, body === '' ? undefined : parseJson(String(body)))
    } catch (error) {
      done(Object.assign(new Error(`The body is not valid JSON: ${messageOf(error)}`), { statusCode: 400 }))
    }
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
    done()
  })
  // Not earlier: what reads the body is called from its connection's events, outside of any request.
  app.addHook('preValidation', (request, _reply, done) => {
    withRequestId(request.id, () => inRequestsTrace(request.raw, done))
  })
  app.setErrorHandler((error, request, reply) => sendRestFailure(error, request, reply, log))
  app.setNotFoundHandler(sendUnknownRoute)
  return app
}

async function listen(app: FastifyInstance, { host, port }: Pick<Config, 'host' | 'port'>) {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    throw new ConfigError(whyNotListening(cause, host, port), { cause })
  }
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no TCP address')
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}` }
}

function whyNotListening(cause: unknown, host: string, port: number): string {
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use by another process: stop it, or set PORT to a free port (0 takes any)`
    case 'EACCES':
      return `This user may not listen on port ${port}: set PORT to one above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST=${host} is not an address of this machine: set HOST to one, such as 127.0.0.1 or 0.0.0.0`
    default:
      return `The gateway cannot listen on ${host}:${port}: ${messageOf(cause)}`
  }
}
