// From what a request carries to who is calling: Authorization: Bearer, or x-api-key. What was found good is remembered.

import { createTextCache } from '../concurrency/text-cache.ts'
import { AppError } from '../errors.ts'
import { keyPrefix } from './api-key-token.ts'
import { everyone, type Identity } from './identity.ts'
import type { VerifyJwt } from './jwt.ts'
import type { KeyRing } from './key-ring.ts'

/** Longer ones are refused: headers cannot carry much more. */
const longestToken = 8_192
const remembered = { longest: longestToken + 16, most: 10_000, maxCharacters: 16 * 1024 * 1024 }
/** A token is looked at anew after so long, should its issuer have withdrawn the key that it is signed with. */
const lookAgainAfterMs = 300_000

/** A request's headers, or what a WebSocket's connection_init carries like them. */
export interface Credentials {
  authorization?: string | undefined
  'x-api-key'?: string | readonly string[] | undefined
}

export interface Authentication {
  /** Who is calling, from memory and at once; null where that has to be found out, and for those who carry nothing. */
  recall(credentials: Credentials): Identity | null
  /** Null for those who carry nothing. Rejects with UNAUTHENTICATED for those who carry what is not good. */
  identify(credentials: Credentials): Promise<Identity | null>
}

/** Where nobody is asked who they are. */
export const noAuthentication: Authentication = { recall: () => everyone, identify: async () => everyone }

export function createAuthentication(options: {
  keyRing: Pick<KeyRing, 'identify'>
  /** Null where no tokens are taken but keys. */
  verifyJwt: VerifyJwt | null
}): Authentication {
  const known = createTextCache<{ identity: Identity; untilMs: number }>(remembered)

  function recall(credentials: Credentials): Identity | null {
    const text = textOf(credentials)
    const found = typeof text === 'string' ? known.get(text) : undefined
    if (found === undefined) return null
    const nowMs = Date.now()
    if (nowMs >= found.untilMs || found.identity.endAt(nowMs) !== null) return null
    found.identity.lastUsedMs = nowMs
    return found.identity
  }

  function verify(token: string): Promise<Identity> {
    if (token.startsWith(keyPrefix)) return options.keyRing.identify(token)
    if (options.verifyJwt !== null) return options.verifyJwt(token)
    throw new AppError(
      'UNAUTHENTICATED',
      'What was sent is no API key, and this gateway takes no tokens (JWT_JWKS_URL)',
    )
  }

  return {
    recall,
    async identify(credentials) {
      const text = textOf(credentials)
      if (text === null) return null
      const recalled = recall(credentials)
      if (recalled !== null) return recalled
      const identity = await verify(tokenOf(credentials))
      const nowMs = Date.now()
      identity.lastUsedMs = nowMs
      known.set(text, { identity, untilMs: nowMs + lookAgainAfterMs })
      return identity
    },
  }
}

/** What a caller is remembered by: the header as it came; a line break, which none holds, tells the two apart. */
function textOf({ authorization, 'x-api-key': key }: Credentials): string | null {
  if (key === undefined) return authorization ?? null
  return `${authorization ?? ''}\n${key}`
}

function tokenOf({ authorization, 'x-api-key': key }: Credentials): string {
  if (authorization !== undefined && key !== undefined) {
    throw new AppError('UNAUTHENTICATED', 'Send either Authorization or x-api-key, not both')
  }
  const token = authorization === undefined ? String(key) : /^bearer +(\S+) *$/i.exec(authorization)?.[1]
  if (token === undefined) {
    throw new AppError('UNAUTHENTICATED', 'Authorization must be "Bearer " and a token or an API key')
  }
  if (token.length > longestToken) {
    throw new AppError('UNAUTHENTICATED', `A token has at most ${longestToken} characters`)
  }
  if (authorization === undefined && !token.startsWith(keyPrefix)) {
    throw new AppError(
      'UNAUTHENTICATED',
      'x-api-key takes an API key; a token goes into Authorization: Bearer',
    )
  }
  return token
}
