// The HTTP server: GraphQL, REST, downloads and health on one port, opened last and closed without cutting off an answer.

import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import packageJson from '../../../package.json' with { type: 'json' }
import type { Config } from '../../config/config.ts'
import type { SharedCounters } from '../../online/counters.ts'
import type { SchemaHolder } from '../../schema/held.ts'
import { createSchema } from '../../schema/index.ts'
import { lookupFields } from '../../schema/lookup-fields.ts'
import type { Services } from '../../schema/services.ts'
import type { TypedCatalog } from '../../schema/typed/typed-catalog.ts'
import type { GatherMetrics } from '../../telemetry/gather.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { addGraphQLRoute, createGraphQLServer, graphqlPath } from '../graphql/graphql.ts'
import { createOperationFinder } from '../graphql/operation-names.ts'
import { openTrustedDocuments } from '../graphql/trusted-documents.ts'
import { createSocketServer } from '../graphql/websocket.ts'
import { addAdmission, createAdmission } from '../guards/admission.ts'
import { createCallerOf } from '../guards/callers.ts'
import { addCrossOrigin, createCrossOriginHeaders } from '../guards/cross-origin.ts'
import { createHeldBytes } from '../guards/held-bytes.ts'
import { createIdentities } from '../guards/identities.ts'
import { addOverload, createOverload } from '../guards/overload.ts'
import { answerToOwnNamesOnly, asksThisMachine } from '../guards/own-names.ts'
import { createRateLimiter } from '../guards/rate-limit.ts'
import { type GuardedRoute, guardRoutes } from '../guards/route-access.ts'
import { createHotPath } from '../hot-path/hot-path.ts'
import { createHotPathRouter } from '../hot-path/router.ts'
import { createGraphQLRoute, createLookupRoutes } from '../hot-path/routes.ts'
import { addDownloads } from '../rest/downloads.ts'
import { addOpenApi, docsPath } from '../rest/openapi.ts'
import { addRest } from '../rest/rest.ts'
import { countRequests } from '../rest/rest-metrics.ts'
import { addSchemaFile } from '../rest/schema-file.ts'
import { addWire } from '../wire/wire.ts'
import { receiveConnections } from './connections.ts'
import { createFastify } from './fastify.ts'
import { addHealth, createProbes, type Probe } from './health.ts'
import { createLeaving } from './leaving.ts'
import type { HttpLimits } from './limits.ts'
import { listen } from './listening.ts'
import { addMetrics } from './metrics.ts'
import { createOpenStreams, type OpenStreams } from './open-streams.ts'
import { endStalled } from './stalled.ts'
import { tracedAnswer, traceRequests } from './traced-requests.ts'

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
  readonly schema: SchemaHolder
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
  services: Services & { warehouse: Probe; online: Probe; metrics: Metrics; typed: TypedCatalog }
  /** Metrics of all processes that share the port; by default this is the only one. */
  gatherMetrics?: GatherMetrics | undefined
  log: Logger
  /** What rate limits are counted in together with other gateways; null counts for this process alone. */
  counters: SharedCounters | null
  limits: HttpLimits
}

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { config, limits, log } = options
  const guards = createGuards(options)
  const { identities, overload, limiter, held } = guards
  const app = createFastify({ limits, held, log })
  addOverload(app, overload)
  endStalled(app.server, config.stallTimeoutMs)
  let closing = false
  const isStopping = () => closing || leaving.isBegun()
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isStopping()) reply.header('connection', 'close')
    done(null, payload)
  })

  const graphql = await createGraphQL(options)
  const streams = createOpenStreams()
  countRequests(app, { operations: options.services.metrics.operations, except: graphqlPath })
  const routes = guardRoutes(app, { identities, openUnder: docsPath })
  const parts = { guards, graphql, streams, isStopping }
  await addRoutes(app, options, parts)
  const sockets = addSockets(app, options, { ...parts, countNoLonger: (socket) => countNoLonger(socket) })
  addBeforeRoutes(app, options, parts)
  const countNoLonger = receiveConnections(app.server, {
    maxOfAddress: config.trustProxy ? null : config.maxConnectionsPerCaller,
    refused: options.services.metrics.refused,
    held,
    log,
  })
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
    graphql.release()
    await graphql.yoga.dispose()
  }

  return { listen: () => listen(app, config), leave: leaving.begin, close, routes, schema: graphql.holder }
}

type Guards = ReturnType<typeof createGuards>
type GraphQL = Awaited<ReturnType<typeof createGraphQL>>

interface Parts {
  guards: Guards
  graphql: GraphQL
  streams: OpenStreams
  isStopping(): boolean
}

/** Who asks, and whether there is room for another request. */
function createGuards({ config, services, counters, limits, log }: HttpServerOptions) {
  const { trustProxy, maxConnectionsPerCaller } = config
  const limiter = config.rateLimit && createRateLimiter({ limit: config.rateLimit, counters, log })
  const { authentication, isRequired: asksWho } = services.access
  const identities = createIdentities(authentication, asksWho)
  const admission = createAdmission({
    limiter,
    callerOf: createCallerOf({ trustProxy, identities }),
    maxConnectionsPerCaller,
    refused: services.metrics.refused,
  })
  const overload = createOverload({
    maxRequests: config.maxRequests,
    maxDelayMs: config.maxEventLoopDelayMs,
    log,
  })
  const held = createHeldBytes({ maxBytes: limits.heldBytes, metrics: services.metrics, log })
  const ownNamesOnly = config.auth.ownNamesOnly && !trustProxy
  return { limiter, asksWho, identities, admission, overload, held, ownNamesOnly }
}

const takeDocuments = 'take the documents from their manifest (TRUSTED_DOCUMENTS_FILE) first'
/** The argument by which documents ask for an entry, and what helps where they do. */
const askedBy = {
  SAVED_QUERY: { argument: 'queryId', cure: takeDocuments },
  ETL: { argument: 'etlPath', cure: takeDocuments },
  FEATURE_SERVICE: { argument: 'service', cure: `${takeDocuments}, or say force: true` },
} as const

/** The schema with its two ways: Yoga's, and the hot path, which learns from it. */
async function createGraphQL({ config, services, log }: HttpServerOptions) {
  const { holder, print, release } = await services.typed.hold(createSchema(services), lookupFields)
  const trusted = await openTrustedDocuments(config.graphql.trustedDocuments, { holder, log })
  services.deletions.alsoUsedBy((noun, references) => {
    const { argument, cure } = askedBy[noun]
    return {
      names: trusted.holding(argument, references).map((document) => `the trusted document ${document}`),
      cure,
    }
  })
  services.typed.alsoUsedBy((entry) =>
    trusted.askingFor(entry).map((document) => `the trusted document ${document}`),
  )
  const operations = createOperationFinder(services.metrics.operations)
  const hotPath = createHotPath({
    holder,
    services,
    trusted,
    operations: services.metrics.operations,
    log,
  })
  const yoga = createGraphQLServer({
    holder,
    services,
    settings: config.graphql,
    trusted,
    operations,
    hotPath,
    log,
  })
  return { holder, print, release, trusted, operations, hotPath, yoga }
}

async function addRoutes(
  app: FastifyInstance,
  { config, services, gatherMetrics, log }: HttpServerOptions,
  { guards: { asksWho, admission, held }, graphql: { yoga, print }, streams, isStopping }: Parts,
) {
  const rest = await addOpenApi(app, { version: packageJson.version, asksWho })
  await addGraphQLRoute(app, {
    yoga,
    settings: config.graphql,
    admission,
    streams,
    held,
    asksWho,
    trustProxy: config.trustProxy,
    isStopping,
    log,
  })
  addRest(rest, { services, admission })
  if (config.graphql.introspection) addSchemaFile(rest, print)
  addDownloads(rest, services)
  const { catalog, warehouse, online, metrics } = services
  const probes = createProbes({ catalog, warehouse, online })
  addHealth(rest, { probes, isStopping })
  addMetrics(rest, { metrics, catalog, probes, isOpen: config.auth.openMetrics, gather: gatherMetrics })
}

function addSockets(
  app: FastifyInstance,
  { config, services, limits, log }: HttpServerOptions,
  { guards, graphql, streams, isStopping, countNoLonger }: Parts & { countNoLonger(socket: object): void },
) {
  const { admission, identities, overload, held, ownNamesOnly } = guards
  const { yoga, trusted, operations } = graphql
  const { maxSubscriptions, trustProxy, corsOrigins } = config
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
    limits,
    countNoLonger,
    isStopping,
    overload,
    held,
    log,
  })
  services.metrics.gauge(
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
  return sockets
}

/** What stands before the server's routes; each that is added comes before those added earlier, the router for lookups before all. */
function addBeforeRoutes(
  { server }: FastifyInstance,
  { config, services, limits, log }: HttpServerOptions,
  { guards, graphql: { hotPath }, isStopping }: Parts,
) {
  const { admission, identities, overload, held, ownNamesOnly } = guards
  const { corsOrigins, tracing } = config
  if (admission.isLimited) addAdmission(server, admission, graphqlPath)
  if (ownNamesOnly) answerToOwnNamesOnly(server)
  // After all that refuse, so that a page reads why.
  if (corsOrigins.length > 0) addCrossOrigin(server, corsOrigins)
  if (tracing) traceRequests(server)
  const router = createHotPathRouter({
    routes: new Map([
      [graphqlPath, createGraphQLRoute(hotPath, admission)],
      ...createLookupRoutes({ services, admission, operations: services.metrics.operations, log }),
    ]),
    identities,
    admission,
    isRightName: (requester) => !ownNamesOnly || asksThisMachine(requester),
    crossOriginHeaders: corsOrigins.length > 0 ? createCrossOriginHeaders(corsOrigins) : null,
    traced: tracing ? tracedAnswer : null,
    overload,
    log,
  })
  addWire(server, { router, held, isStopping, requestMs: limits.requestMs, log })
}
