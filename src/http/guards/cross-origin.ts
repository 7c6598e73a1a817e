// Pages of other sites that may use the gateway from a browser: CORS for every route, and who may open a WebSocket.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import cors from 'cors'
import { handleFirst } from '../server/handle-first.ts'
import type { Requester } from './identities.ts'

/** What a script may read beside the headers that any may. */
const exposedHeaders = [
  'x-request-id',
  'www-authenticate',
  'retry-after',
  'ratelimit',
  'ratelimit-policy',
  'etag',
  'accept-ranges',
  'content-range',
  'content-disposition',
]
/** A browser asks once in so long what it may send. */
const preflightSeconds = 7200

/** Must be put before the routes after everything that refuses, so that refusals can be read by the page too. */
export function addCrossOrigin(server: Server, origins: readonly string[]) {
  handleFirst(server, answerPage(origins))
}

/** What else the answer to a request carries, for what is answered past the server's handlers. */
export function createCrossOriginHeaders(origins: readonly string[]) {
  const answer = answerPage(origins)
  return ({ headers: { origin } }: Requester): Record<string, string> => {
    const given: Record<string, string> = {}
    const response = {
      getHeader: (name: string) => given[name.toLowerCase()],
      setHeader(name: string, value: string) {
        given[name.toLowerCase()] = value
      },
    }
    const request = { method: 'POST', headers: { origin } }
    answer(request as IncomingMessage, response as unknown as ServerResponse, () => undefined)
    return given
  }
}

function answerPage(origins: readonly string[]) {
  return cors({
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT'],
    exposedHeaders,
    maxAge: preflightSeconds,
  })
}

/** A browser names the page that asks: the gateway's own may, and those that are named. No preflight protects a socket. */
export function mayOpenSocket(
  request: IncomingMessage,
  ownOrigin: string,
  origins: readonly string[],
): boolean {
  const page = request.headers.origin
  if (page === undefined || origins.includes(page)) return true
  return URL.canParse(page) && new URL(page).host === new URL(ownOrigin).host
}
