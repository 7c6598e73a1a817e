// An API key as its holder has it: `fgw_`, which key it is, and the secret.

import { hash, randomBytes } from 'node:crypto'

/** Programs that look for secrets in sources and logs know a key by it. */
export const keyPrefix = 'fgw_'
const idPrefix = 'key_'
/** 256 bits, so that a plain hash keeps it. */
const secretBytes = 32
const pattern = /^fgw_([0-9a-z]{24})_([\w-]{43})$/

export interface NewSecret {
  /** Shown once. */
  token: string
  secretSha256: Buffer
}

/** `id` as the catalog makes it: `key_` and 24 characters. */
export function createSecret(id: string): NewSecret {
  const secret = randomBytes(secretBytes).toString('base64url')
  return { token: `${keyPrefix}${id.slice(idPrefix.length)}_${secret}`, secretSha256: sha256(secret) }
}

/** Null for what is no key. */
export function readToken(token: string): { id: string; secretSha256: Buffer } | null {
  const [, id, secret] = pattern.exec(token) ?? []
  if (id === undefined || secret === undefined) return null
  return { id: `${idPrefix}${id}`, secretSha256: sha256(secret) }
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
