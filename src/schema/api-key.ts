// ApiKey: what callers sign in with, for those who give them out; and `me`, whom the gateway takes a caller for.

import { z } from 'zod'
import { longestName } from '../catalog/database/violations.ts'
import { AppError } from '../errors.ts'
import type { Builder } from './builder.ts'
import { newestFirst } from './listing.ts'
import type { Services } from './services.ts'

export function addApiKey(builder: Builder, services: Services) {
  addMe(builder)

  builder.prismaNode('ApiKey', {
    description: 'What a caller signs in with. The key itself is told once, when it is made.',
    nullable: true,
    authScopes: { admin: true },
    // Field by field: the secret's hash stays in the database.
    select: { id: true },
    id: { field: 'id' },
    fields: (t) => ({
      name: t.exposeString('name'),
      scopes: t.exposeStringList('scopes'),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
      revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
      lastUsedAt: t.expose('lastUsedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'Up to a minute behind.',
      }),
    }),
  })

  builder.objectType('CreateApiKeyPayload', {
    authScopes: { admin: true },
    fields: (t) => ({
      key: t.prismaField({
        type: 'ApiKey',
        resolve: (query, { keyId }) =>
          services.catalog.prisma.apiKey.findUniqueOrThrow({ ...query, where: { id: keyId } }),
      }),
      token: t.exposeString('token', {
        description: 'What the caller sends as `Authorization: Bearer …`. It is told this once.',
      }),
    }),
  })

  builder.queryField('apiKeys', (t) =>
    t.prismaConnection(
      {
        type: 'ApiKey',
        cursor: 'id',
        description: 'API keys, the newest first; those that were revoked too.',
        authScopes: { admin: true },
        totalCount: () => services.catalog.prisma.apiKey.count(),
        resolve: (query) => services.catalog.prisma.apiKey.findMany({ ...query, orderBy: newestFirst }),
      },
      { name: 'ApiKeyConnection' },
      { name: 'ApiKeyEdge' },
    ),
  )

  builder.mutationFields((t) => ({
    createApiKey: t.field({
      type: 'CreateApiKeyPayload',
      description:
        'Makes a key with some of the scopes catalog:read, catalog:write, train, realtime, publish, admin.',
      authScopes: { admin: true },
      args: {
        name: t.arg.string({ required: true, validate: z.string().min(1).max(longestName) }),
        scopes: t.arg.stringList({ required: true }),
        expiresAt: t.arg({ type: 'DateTime', description: 'Left out, it is good until it is revoked.' }),
      },
      resolve: async (_root, { name, scopes, expiresAt }) => {
        const { key, token } = await services.access.keyDesk.create({
          name,
          scopes,
          expiresAt: expiresAt ?? null,
        })
        return { keyId: key.id, token }
      },
    }),
    revokeApiKey: t.prismaField({
      type: 'ApiKey',
      description: 'Ends a key, and all that is held open by it, on every gateway within seconds.',
      authScopes: { admin: true },
      args: { id: t.arg.id({ required: true }) },
      resolve: async (query, _root, { id }) => {
        await services.access.keyDesk.revoke(id)
        return services.catalog.prisma.apiKey.findUniqueOrThrow({ ...query, where: { id } })
      },
    }),
  }))
}

function addMe(builder: Builder) {
  builder.objectType('Caller', {
    description: 'Whom the gateway takes a caller for.',
    authScopes: { signedIn: true },
    fields: (t) => ({
      name: t.exposeString('name', { description: "A token's subject, or an API key's name." }),
      scopes: t.stringList({ resolve: ({ scopes }) => [...scopes] }),
      expiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        resolve: ({ expiresAtMs }) => (Number.isFinite(expiresAtMs) ? new Date(expiresAtMs) : null),
      }),
    }),
  })

  builder.queryField('me', (t) =>
    t.field({
      type: 'Caller',
      description: 'Who is asking, and what it may do.',
      authScopes: { signedIn: true },
      resolve: (_root, _args, { identity }) => {
        if (identity === null) throw new AppError('UNAUTHENTICATED', 'Nobody is signed in')
        return identity
      },
    }),
  )
}
