// SavedQuery: SQL under a name and version. Found by id, by name, by search and tag.

import { parseColumns } from '../catalog/columns-json.ts'
import type { Prisma, SavedQuery } from '../catalog/generated/client.ts'
import { AppError } from '../errors.ts'
import { catalogReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import { type Determinism, noteDescription, promiseOf } from './determinism.ts'
import { containing, newestFirst } from './listing.ts'
import type { Services } from './services.ts'

export function addSavedQuery(builder: Builder, services: Services, determinism: Determinism) {
  const promise = (query: SavedQuery) => promiseOf(query, () => services.realtime.promiseOfQuery(query.id))

  builder.prismaNode('SavedQuery', {
    description: 'SQL under a name and version. The same SQL under the same name is the same entry.',
    nullable: true,
    authScopes: catalogReaders,
    id: { field: 'id' },
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version', {
        description: 'Counts the different SQL saved under this name, from 1.',
      }),
      sql: t.exposeString('sql'),
      description: t.exposeString('description', { nullable: true }),
      tags: t.exposeStringList('tags'),
      columns: t.field({ type: ['Column'], resolve: (query) => parseColumns(query.columns) }),
      determinism: t.field({
        type: determinism,
        description: 'What its SQL gives over the same rows, from one run to the next.',
        resolve: async (query) => (await promise(query)).level,
      }),
      determinismNote: t.string({
        nullable: true,
        description: noteDescription,
        resolve: async (query) => (await promise(query)).note,
      }),
      asksForMoment: t.exposeBoolean('asksForMoment', {
        description: 'Whether its SQL calls as_of(), the moment that is asked about.',
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
      featureViews: t.relation('featureViews', {
        description: 'The feature views that serve it online.',
        query: { orderBy: newestFirst },
        complexity: { field: 1, multiplier: 5 },
      }),
    }),
  })

  builder.queryField('savedQuery', (t) =>
    t.prismaField({
      type: 'SavedQuery',
      nullable: true,
      description: 'One saved query: by id, or the newest version under a name.',
      authScopes: catalogReaders,
      args: { id: t.arg.id(), name: t.arg.string() },
      resolve: (query, _root, { id, name }) => {
        const { savedQuery } = services.catalog.prisma
        if (typeof id === 'string' && typeof name !== 'string') {
          return savedQuery.findUnique({ ...query, where: { id } })
        }
        if (typeof name === 'string' && typeof id !== 'string') {
          return savedQuery.findFirst({ ...query, where: { name }, orderBy: { version: 'desc' } })
        }
        throw new AppError('BAD_USER_INPUT', 'savedQuery takes either an id or a name')
      },
    }),
  )

  builder.queryField('savedQueries', (t) =>
    t.prismaConnection(
      {
        type: 'SavedQuery',
        cursor: 'id',
        description: 'Saved queries, the newest first.',
        authScopes: catalogReaders,
        args: {
          search: t.arg.string({
            description: 'Text within the name, the description or the SQL, in any case.',
          }),
          tag: t.arg.string({ description: 'Only those with this tag.' }),
        },
        totalCount: (_connection, args) =>
          services.catalog.prisma.savedQuery.count({ where: matching(args) }),
        resolve: (query, _root, args) =>
          services.catalog.prisma.savedQuery.findMany({
            ...query,
            where: matching(args),
            orderBy: newestFirst,
          }),
      },
      { name: 'SavedQueryConnection' },
      { name: 'SavedQueryEdge' },
    ),
  )

  builder.mutationField('updateSavedQuery', (t) =>
    t.prismaField({
      type: 'SavedQuery',
      description: 'Says what a saved query is for. Its SQL never changes: other SQL is the next version.',
      authScopes: { 'catalog:write': true },
      args: {
        id: t.arg.id({ required: true }),
        description: t.arg.string({ description: 'Left out, it stays; null takes it away.' }),
        tags: t.arg.stringList({ description: 'Left out, they stay.' }),
      },
      resolve: async (query, _root, { id, description, tags }) => {
        await services.catalog.savedQueries.describe(id, { description, tags: tags ?? undefined })
        return services.catalog.prisma.savedQuery.findUniqueOrThrow({ ...query, where: { id } })
      },
    }),
  )

  builder.mutationField('deleteSavedQuery', (t) =>
    t.id({
      description:
        'Takes a saved query from the catalog and answers with its id. A CONFLICT names what uses it: feature views, datasets that are made, trusted documents. Its datasets stay.',
      authScopes: { 'catalog:write': true },
      args: { id: t.arg.id({ required: true }) },
      resolve: async (_root, { id }) => {
        await services.deletions.deleteSavedQuery(id)
        return id
      },
    }),
  )
}

interface Filter {
  search?: string | null | undefined
  tag?: string | null | undefined
}

function matching({ search, tag }: Filter): Prisma.SavedQueryWhereInput {
  const text = search ? containing(search) : null
  return {
    ...(text && { OR: [{ name: text }, { description: text }, { sql: text }] }),
    ...(tag && { tags: { has: tag } }),
  }
}
