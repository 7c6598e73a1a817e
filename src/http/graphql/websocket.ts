// GraphQL over WebSocket: the graphql-transport-ws protocol on the path of HTTP's GraphQL.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql'
import { CloseCode, handleProtocols, makeServer, type Context as SocketContext } from 'graphql-ws'
import type { Logger } from 'pino'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Identity } from '../../access/identity.ts'
import { AppError } from '../../errors.ts'
import type { FieldGone } from '../../schema/typed/field-gone.ts'
import { withRequestId } from '../../telemetry/request-id.ts'
import { type Admission, tooManyConnections } from '../guards/admission.ts'
import { maxRowsBytes } from '../guards/body-limits.ts'
import { mayOpenSocket } from '../guards/cross-origin.ts'
import type { HeldBytes } from '../guards/held-bytes.ts'
import type { Identities } from '../guards/identities.ts'
import type { Overload } from '../guards/overload.ts'
import { asksThisMachine } from '../guards/own-names.ts'
import type { HttpLimits } from '../server/limits.ts'
import { originOf } from '../server/origin.ts'
import { refuseRaw } from '../server/raw-refusal.ts'
import { inCallersTrace, nameRequest } from '../server/traced-requests.ts'
import { endWhenGone } from './gone-fields.ts'
import type { GraphQLServer } from './graphql.ts'
import { graphqlPath } from './graphql.ts'
import { codeOf, formatError, formatResult, formatResults } from './graphql-errors.ts'
import type { OperationFinder } from './operation-names.ts'
import { closeSockets } from './socket-closing.ts'
import {
  limitMessages,
  limitStranger,
  readMessage,
  type StrangerLimits,
  toCloseReason,
} from './socket-limits.ts'
import { createSocketTurns, type SocketTurns } from './socket-turns.ts'
import type { TrustedDocuments } from './trusted-documents.ts'

/** Upon which clients connect anew. */
const tryAgainLater = 1013
/** Upon which they do too: what they follow on this socket is of a schema that is no longer in force. */
const schemaChanged = 4205
/** Answers that wait for a client to read them, before no more is taken from it. */
const maxUnreadBytes = 1024 * 1024

export interface SocketOptions {
  server: Server
  yoga: GraphQLServer
  trusted: TrustedDocuments
  operations: OperationFinder
  admission: Admission
  identities: Identities
  /** Operations under way on one socket. */
  maxSubscriptions: number
  trustProxy: boolean
  /** Origins of other sites whose pages may connect. */
  corsOrigins: readonly string[]
  /** Whether it answers to this machine's own names alone. */
  ownNamesOnly: boolean
  limits: Pick<HttpLimits, 'connectionInitMs' | 'pingEveryMs'>
  /** The connection is a WebSocket from here on, which its caller holds. */
  countNoLonger(connection: Duplex): void
  /** From then on no client may connect: it is to find another gateway. */
  isStopping(): boolean
  overload: Pick<Overload, 'isOver' | 'refusal' | 'entered' | 'left'>
  held: Pick<HeldBytes, 'keep' | 'refusal'>
  log: Logger
}

interface Extra {
  request: IncomingMessage
  origin: string
  socket: WebSocket
  limits: StrangerLimits
  /** From the acknowledgement on. */
  identity: Identity | null
  turns: SocketTurns
}

export function createSocketServer(options: SocketOptions): { size(): number; close(): Promise<void> } {
  const { server, trustProxy, log } = options
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxRowsBytes,
    handleProtocols,
  })
  const protocol = createProtocol(options)
  const turnsOf = new WeakMap<WebSocket, SocketTurns>()

  server.on('upgrade', (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    connection.on('error', (error) => log.debug({ err: error }, 'A connection broke while it was upgraded'))
    const origin = originOf(request, { trustProxy })
    if (pathOf(request) !== graphqlPath) return refuseRaw(connection, '404 Not Found')
    if (options.ownNamesOnly && !asksThisMachine(request)) return refuseRaw(connection, '403 Forbidden')
    if (!mayOpenSocket(request, origin, options.corsOrigins)) return refuseRaw(connection, '403 Forbidden')
    if (options.isStopping()) return refuseRaw(connection, '503 Service Unavailable')
    const refused = options.admission.refusal(request)
    const release = refused === null ? options.admission.hold(request) : null
    if (release === null)
      return refuseRaw(connection, '429 Too Many Requests', refused ?? tooManyConnections())
    connection.once('close', release)
    options.countNoLonger(connection)
    sockets.handleUpgrade(request, connection, head, (socket) => {
      limitMessages(connection, socket, options.held)
      const limits = limitStranger(connection, socket)
      const turns = createSocketTurns()
      turnsOf.set(socket, turns)
      serve(socket, { request, origin, socket, limits, identity: null, turns })
    })
  })

  function serve(socket: WebSocket, extra: Extra) {
    const ended = protocol.opened(
      {
        protocol: socket.protocol,
        send: (text) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve()
            socket.send(text, (error) => {
              if (socket.isPaused && socket.bufferedAmount <= maxUnreadBytes) socket.resume()
              if (error) reject(error)
              else resolve()
            })
            // Who does not read its answers is not read either, lest they pile up.
            if (socket.bufferedAmount > maxUnreadBytes) socket.pause()
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => {
          socket.on('message', (data: Buffer) => {
            const text = readMessage(data, extra)
            if (text === null) return
            handle(text).catch((error: unknown) => {
              log.error({ err: error }, 'A WebSocket message could not be handled')
              socket.close(CloseCode.InternalServerError, 'Internal server error')
            })
          })
        },
      },
      extra,
    )
    const stopPinging = keepAlive(socket, options.limits.pingEveryMs)
    socket.on('error', (error) => log.debug({ err: error }, 'A WebSocket broke'))
    socket.once('close', (code, reason) => {
      stopPinging()
      ended(code, String(reason)).catch((error: unknown) => {
        log.error({ err: error }, 'The subscriptions of a closed WebSocket did not end cleanly')
      })
    })
  }

  return {
    size: () => sockets.clients.size,
    async close() {
      await closeSockets(sockets.clients, (socket) => turnsOf.get(socket)?.settled())
      sockets.close()
    },
  }
}

function createProtocol(options: SocketOptions) {
  const { yoga, trusted, operations, admission, overload, identities } = options
  const { maxSubscriptions, log, limits } = options
  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: limits.connectionInitMs,
    onConnect: ({ connectionParams = {}, extra }) => admit(extra, connectionParams, identities),
    onSubscribe: (context, id, payload) => prepare(context, id, payload),
    onComplete: ({ extra: { turns } }, id) => turns.end(id),
    execute: (args) => execute(args),
    subscribe: (args) => run(args, 'subscribe'),
  })

  /** An answer for every document, also for one that cannot be parsed: the socket's other operations go on. */
  async function prepare(
    context: SocketContext<Record<string, unknown>, Extra>,
    id: string,
    payload: Payload,
  ) {
    const { request, origin, identity } = context.extra
    const facts = { requestId: randomUUID(), origin, identity, charge: admission.chargerOf(request) }
    const failing = { requestId: facts.requestId, log }
    const startedAtMs = performance.now()
    function refuseAll(errors: readonly GraphQLError[]) {
      operations.unusable.end(errors[0] ? codeOf(errors[0]) : 'INTERNAL', startedAtMs)
      return errors
    }
    try {
      const refused = admission.refusal(request)
      if (refused !== null) throw refused
      if (overload.isOver('OTHER')) throw overload.refusal()
      if (Object.keys(context.subscriptions).length > maxSubscriptions)
        throw tooManyOperations(maxSubscriptions)
      const enveloped = yoga.getEnveloped(facts)
      const document = enveloped.parse(trusted.resolve(payload))
      const invalid: readonly GraphQLError[] = enveloped.validate(enveloped.schema, document)
      if (invalid.length > 0) return refuseAll(invalid.map((error) => formatError(error, failing)))
      if (!getOperationAST(document, payload.operationName)) throw noOperation(payload.operationName)
      const { turns, socket } = context.extra
      return {
        schema: enveloped.schema,
        document,
        operationName: payload.operationName,
        variableValues: payload.variables,
        contextValue: await enveloped.contextFactory(),
        rootValue: {
          execute: enveloped.execute,
          subscribe: enveloped.subscribe,
          failing,
          request,
          socket,
          startedAtMs,
          turns,
          id,
        } satisfies RootValue,
      }
    } catch (error) {
      return refuseAll([formatError(error, failing)])
    }
  }

  async function execute(args: ExecutionArgs) {
    const { turns, id } = args.rootValue as RootValue
    overload.entered('OTHER')
    try {
      await turns.begin(id)
      return await run(args, 'execute')
    } finally {
      overload.left('OTHER')
    }
  }

  async function run(args: ExecutionArgs, how: 'execute' | 'subscribe') {
    const rootValue = args.rootValue as RootValue
    const operation = operations.find(args.document, args.operationName)
    const result = await withRequestId(rootValue.failing.requestId, () =>
      inCallersTrace(rootValue.request, `websocket ${how}`, async () => {
        operation.nameRequest(nameRequest)
        return perform(rootValue, args, how)
      }),
    )
    const [error] = 'errors' in result ? (result.errors ?? []) : []
    operation.end(error === undefined ? null : codeOf(error), rootValue.startedAtMs)
    return result
  }

  async function perform(rootValue: RootValue, args: ExecutionArgs, how: 'execute' | 'subscribe') {
    const { failing, socket } = rootValue
    try {
      const result = await rootValue[how](args)
      if (!(Symbol.asyncIterator in result)) return formatResult(result, failing)
      // Its client connects anew, and is told by the next schema what became of the field.
      const close = ({ message }: FieldGone) => socket.close(schemaChanged, toCloseReason(message))
      return formatResults(endWhenGone(result, close), failing)
    } catch (error) {
      return { errors: [formatError(error, failing)] }
    }
  }
}

/**
 * Lets in who is known, until its identity ends. Who is not is told why as the socket closes, with 4403; where that
 * cannot be found out just now, with 1013.
 */
async function admit(
  extra: Extra,
  params: Record<string, unknown>,
  identities: Identities,
): Promise<boolean> {
  const { socket, request } = extra
  const refuse = (why: string) => socket.close(CloseCode.Forbidden, toCloseReason(why))
  try {
    const identity = await identities.introduce(request, params)
    if (identity === null) {
      refuse('Send an API key or a token as "Authorization" in connection_init')
      return false
    }
    extra.identity = identity
    extra.limits.lift()
    if (socket.readyState !== socket.OPEN) return false
    const stopWatching = identity.onEnd((end) =>
      refuse(
        end === 'EXPIRED' ? 'What you signed in with has expired' : 'What you signed in with was revoked',
      ),
    )
    socket.once('close', stopWatching)
    return true
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.code === 'UNAUTHENTICATED') refuse(error.message)
    else socket.close(tryAgainLater, toCloseReason(error.message))
    return false
  }
}

/** The protocol asks for a `query`: with a documentId it is empty. */
interface Payload {
  query: string
  documentId?: unknown
  extensions?: unknown
  operationName?: string | null | undefined
  variables?: Record<string, unknown> | null | undefined
}

type Perform = (args: ExecutionArgs) => Promise<ExecutionResult | AsyncIterable<ExecutionResult>>

interface RootValue {
  execute: Perform
  subscribe: Perform
  failing: { requestId: string; log: Logger }
  /** That became the socket. */
  request: IncomingMessage
  socket: WebSocket
  startedAtMs: number
  turns: SocketTurns
  id: string
}

function tooManyOperations(most: number): AppError {
  return new AppError(
    'RATE_LIMITED',
    `This connection has ${most} operations under way, as many as it may (MAX_SUBSCRIPTIONS): end one first`,
  )
}

function noOperation(name: string | null | undefined): GraphQLError {
  return new GraphQLError(
    name
      ? `The document has no operation named ${JSON.stringify(name)}`
      : 'The document has several operations: say which with operationName',
  )
}

/** Pings the client; one that has neither answered nor read anything by the next ping is gone. Returns what stops it. */
function keepAlive(socket: WebSocket, everyMs: number): () => void {
  let answered = true
  let unreadBytes = 0
  socket.on('pong', () => {
    answered = true
  })
  const timer = setInterval(() => {
    const reads = socket.bufferedAmount < unreadBytes
    unreadBytes = socket.bufferedAmount
    if (!answered && !reads) return socket.terminate()
    answered = false
    socket.ping()
  }, everyMs)
  return () => clearInterval(timer)
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? ''
}
