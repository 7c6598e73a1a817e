// How long a client may take to send a request's body: Node knows one time for all of them, and an upload takes longer.

import type { IncomingMessage, Server } from 'node:http'
import { handleFirst } from './handle-first.ts'

/** Stands in for the server's `requestTimeout`, with its answer, on the requests that are not `isLong`. */
export function receiveWithin(
  server: Server,
  { requestMs, isLong }: { requestMs: number; isLong: (request: IncomingMessage) => boolean },
) {
  server.requestTimeout = 0
  handleFirst(server, (request, _response, goOn) => {
    limitBody(request)
    goOn()
  })

  function limitBody(request: IncomingMessage) {
    const { headers, socket } = request
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
    if (!hasBody || isLong(request)) return
    const timer = setTimeout(() => {
      if (request.complete) return
      const error = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
      server.emit('clientError', error, socket)
    }, requestMs)
    const stop = () => clearTimeout(timer)
    request.once('end', stop)
    socket.once('close', stop)
    request.once('close', () => {
      stop()
      socket.off('close', stop)
    })
  }
}
