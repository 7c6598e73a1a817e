// Where API keys are made, listed and revoked.

import type { ApiKeyRecord, ApiKeys } from '../catalog/api-keys.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import { createSecret } from './api-key-token.ts'
import { isScope, scopes as knownScopes } from './scopes.ts'

export interface KeyRequest {
  name: string
  scopes: readonly string[]
  expiresAt: Date | null
}

/** What may be told of a key. */
export type KeyEntry = Omit<ApiKeyRecord, 'secretSha256'>

export interface KeyDesk {
  /** The token is told this once. Throws BAD_USER_INPUT. */
  create(request: KeyRequest): Promise<{ key: KeyEntry; token: string }>
  /** Every gateway on the catalog refuses the key from then on, and ends what it holds open. Throws NOT_FOUND. */
  revoke(id: string): Promise<KeyEntry>
  /** The newest first; the revoked ones too. */
  list(): Promise<KeyEntry[]>
}

export function createKeyDesk({ apiKeys, events }: { apiKeys: ApiKeys; events: Events }): KeyDesk {
  return {
    async create({ name, scopes, expiresAt }) {
      checkScopes(scopes)
      if (expiresAt !== null && !(expiresAt.getTime() > Date.now())) {
        throw new AppError('BAD_USER_INPUT', 'An API key expires in the future, or never')
      }
      const id = apiKeys.createId()
      const { token, secretSha256 } = createSecret(id)
      const key = await apiKeys.create({ id, name, scopes: [...new Set(scopes)], secretSha256, expiresAt })
      events.publish('apiKeys', 'all', { changed: true })
      return { key: toEntry(key), token }
    },
    async revoke(id) {
      const key = await apiKeys.revoke(id)
      events.publish('apiKeys', 'all', { changed: true })
      return toEntry(key)
    },
    list: async () => (await apiKeys.all()).map(toEntry),
  }
}

function toEntry({ secretSha256: _, ...entry }: ApiKeyRecord): KeyEntry {
  return entry
}

function checkScopes(scopes: readonly string[]) {
  const unknown = scopes.find((scope) => !isScope(scope))
  if (scopes.length > 0 && unknown === undefined) return
  const wrong = unknown === undefined ? 'is missing' : `${JSON.stringify(unknown)} is unknown`
  throw new AppError('BAD_USER_INPUT', `A scope ${wrong}; an API key has some of ${knownScopes.join(', ')}`)
}
