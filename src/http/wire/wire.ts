// The wire: lookups are read from their sockets and answered past Node's HTTP server, which costs more than a lookup does.

import { maxHeaderSize, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { createTextCache } from '../../concurrency/text-cache.ts'
import { Connection, type KnownHead, type WireContext } from './connection.ts'

const remembered = { longest: 4_096, most: 2_000, maxCharacters: 2 * 1024 * 1024 }

/**
 * Puts the router before Node's server, on every connection that it is given from now on. What the router does not answer
 * reaches Node byte for byte, as do all requests that are written in an unusual way. Must be the last to be put before
 * the server's requests, and come before whatever changes how it closes connections.
 */
export function addWire(
  server: Server,
  {
    router,
    held,
    isStopping,
    requestMs = server.requestTimeout,
    log,
  }: Pick<WireContext, 'router' | 'held' | 'isStopping' | 'log'> & { requestMs?: number },
) {
  const [nodesListener] = server.listeners('connection') as ((socket: Socket) => void)[]
  if (nodesListener === undefined) throw new Error('The server does not listen to its connections yet')
  const connections = new Map<Socket, Connection>()
  const context: WireContext = {
    router,
    held,
    heads: createTextCache<KnownHead>(remembered),
    nodesListener: nodesListener.bind(server),
    isStopping,
    keepAliveMs: server.keepAliveTimeout,
    headersMs: server.headersTimeout,
    requestMs,
    maxHeadBytes: maxHeaderSize,
    silenceMs: server.timeout,
    silent: (socket) => server.emit('timeout', socket),
    timeOut(socket) {
      const error = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
      if (server.emit('clientError', error, socket)) return
      socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
      socket.destroySoon()
    },
    log,
  }

  server.removeListener('connection', nodesListener)
  server.on('connection', (socket: Socket) => {
    connections.set(socket, new Connection(socket, context))
    socket.once('close', () => connections.delete(socket))
  })
  server.prependListener('request', ({ socket }, response) => connections.get(socket)?.onResponse(response))
  lookAfter(server, connections)
}

function lookAfter(server: Server, connections: ReadonlyMap<Socket, Connection>) {
  const [closeIdle, closeAll] = [
    server.closeIdleConnections.bind(server),
    server.closeAllConnections.bind(server),
  ]
  const everyMs = Math.min(server.headersTimeout, 5_000)
  const look = () => {
    const nowMs = performance.now()
    for (const connection of connections.values()) connection.look(nowMs)
  }
  // After what has come is read: this process may have been held up for longer than a client has to send it.
  const timer = setInterval(() => setImmediate(look), everyMs).unref()
  server.once('close', () => clearInterval(timer))

  // Called again and again until all are closed.
  server.closeIdleConnections = () => {
    let busy = false
    for (const connection of connections.values()) {
      if (connection.isIdle) connection.destroy()
      else busy ||= connection.isBusyBehindNode
    }
    if (!busy) closeIdle()
  }
  server.closeAllConnections = () => {
    for (const connection of connections.values()) connection.destroy()
    closeAll()
  }
}
