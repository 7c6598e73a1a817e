// API keys: what callers sign in with. Of a key's secret only the hash is here.

import { AppError } from '../errors.ts'
import { checkName } from './database/violations.ts'
import type { ApiKey, PrismaClient } from './generated/client.ts'
import { createId } from './ids.ts'

export type ApiKeyRecord = ApiKey

export interface NewApiKey {
  id: string
  name: string
  scopes: readonly string[]
  secretSha256: Uint8Array
  /** Null: it does not expire. */
  expiresAt: Date | null
}

export interface ApiKeys {
  createId(): string
  create(key: NewApiKey): Promise<ApiKeyRecord>
  /** The revoked ones too; the newest first. */
  all(): Promise<ApiKeyRecord[]>
  /** One that is revoked already stays as it is. Throws NOT_FOUND. */
  revoke(id: string): Promise<ApiKeyRecord>
  /** Another text once a key was made or revoked, by whichever process. */
  state(): Promise<string>
  /** When each key was last used; an older moment never replaces a newer one. */
  noteUses(uses: readonly { id: string; at: Date }[]): Promise<void>
}

export function createApiKeys(prisma: PrismaClient): ApiKeys {
  async function byId(id: string): Promise<ApiKeyRecord> {
    const key = await prisma.apiKey.findUnique({ where: { id } })
    if (key === null) throw new AppError('NOT_FOUND', `There is no API key ${JSON.stringify(id)}`)
    return key
  }

  return {
    createId: () => createId('key'),

    create({ scopes, secretSha256, ...key }) {
      checkName('an API key', key.name)
      return prisma.apiKey.create({
        data: { ...key, scopes: [...scopes], secretSha256: new Uint8Array(secretSha256) },
      })
    },

    all: () => prisma.apiKey.findMany({ orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] }),

    async revoke(id) {
      await prisma.apiKey.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: new Date() } })
      return byId(id)
    },

    async state() {
      const { _count } = await prisma.apiKey.aggregate({ _count: { _all: true, revokedAt: true } })
      return `${_count._all} ${_count.revokedAt}`
    },

    async noteUses(uses) {
      if (uses.length === 0) return
      const ids = uses.map(({ id }) => id)
      const moments = uses.map(({ at }) => at.toISOString())
      await prisma.$executeRaw`
        UPDATE "ApiKey" SET "lastUsedAt" = used.at
        FROM unnest(${ids}::text[], ${moments}::timestamptz[]) used(id, at)
        WHERE "ApiKey".id = used.id AND ("lastUsedAt" IS NULL OR "lastUsedAt" < used.at)`
    },
  }
}
