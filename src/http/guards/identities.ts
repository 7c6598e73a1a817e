// Who each request is of: by what it carries, or for a WebSocket by what its connection_init carried.

import type { IncomingHttpHeaders } from 'node:http'
import type { Authentication, Credentials } from '../../access/authentication.ts'
import { everyone, type Identity } from '../../access/identity.ts'

/** What a request tells of who sends it. */
export interface Requester {
  headers: IncomingHttpHeaders
  socket: { remoteAddress?: string | undefined }
}

export interface Identities {
  /** Whether anybody has to say who it is. */
  readonly areAsked: boolean
  /** From memory and at once; null where it has to be found out, and for those who carry nothing. */
  recall(request: Requester): Identity | null
  /** Null for those who carry nothing. Rejects with UNAUTHENTICATED. */
  identify(request: Requester): Promise<Identity | null>
  /** For a socket: what its connection_init carries counts before what its upgrade did. */
  introduce(request: Requester, params: Record<string, unknown>): Promise<Identity | null>
}

export function createIdentities(authentication: Authentication, areAsked: boolean): Identities {
  if (!areAsked) {
    const all = async () => everyone
    return { areAsked, recall: () => everyone, identify: all, introduce: all }
  }
  const introduced = new WeakMap<Requester, Identity>()
  return {
    areAsked,
    recall: (request) => introduced.get(request) ?? authentication.recall(request.headers),
    identify: (request) => authentication.identify(request.headers),
    async introduce(request, params) {
      const identity = await authentication.identify(credentialsOf(params) ?? request.headers)
      if (identity !== null) introduced.set(request, identity)
      return identity
    },
  }
}

/** Clients name them like the headers, in any case. */
function credentialsOf(params: Record<string, unknown>): Credentials | null {
  const credentials: Credentials = {}
  for (const [name, value] of Object.entries(params)) {
    const header = name.toLowerCase()
    if ((header === 'authorization' || header === 'x-api-key') && typeof value === 'string') {
      credentials[header] = value
    }
  }
  return Object.keys(credentials).length === 0 ? null : credentials
}
