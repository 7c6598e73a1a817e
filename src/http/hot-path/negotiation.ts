// Which HTTP requests may take the hot path, and in which media type they are answered.

import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'

const json = 'application/json; charset=utf-8'
const graphqlJson = 'application/graphql-response+json; charset=utf-8'

/** The Accept headers that clients send, and what the pipeline answers them with; any other is left to it. */
const mediaTypeByAccept = new Map([
  ['', json],
  ['*/*', json],
  ['application/json', json],
  ['application/json, */*', json],
  ['application/json, text/plain, */*', json],
  ['application/graphql-response+json', graphqlJson],
  ['application/graphql-response+json, application/json', graphqlJson],
  ['application/graphql-response+json,application/json', graphqlJson],
  ['application/graphql-response+json, application/json;q=0.9', graphqlJson],
  ['application/graphql-response+json,application/json;q=0.9', graphqlJson],
  ['application/graphql-response+json; charset=utf-8, application/json; charset=utf-8', graphqlJson],
])

export const knownAccepts: readonly string[] = [...mediaTypeByAccept.keys()]

/** The answer's content type; null for a request that the reference path has to negotiate. */
export function negotiate({ accept = '' }: IncomingHttpHeaders): string | null {
  return mediaTypeByAccept.get(accept) ?? null
}

export function isJson(contentType: string | undefined): boolean {
  return contentType === 'application/json' || contentType === json
}

/** The body's text; null for bytes that have to be decoded with care: a byte order mark, what is no UTF-8. */
export function decode(body: Buffer): string | null {
  return body[0] === 0xef || !isUtf8(body) ? null : body.toString()
}
