// Puts a handler before whatever handles the server's requests by now; what it does not answer itself it hands on.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'

export type HandleFirst = (request: IncomingMessage, response: ServerResponse, goOn: () => void) => void

export function handleFirst(server: Server, handle: HandleFirst) {
  const [handler] = server.listeners('request') as ((
    request: IncomingMessage,
    response: ServerResponse,
  ) => void)[]
  if (handler === undefined) throw new Error('The server has no request handler yet')
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response, () => handler.call(server, request, response))
  })
}
