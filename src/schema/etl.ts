// Etl: a transformation pinned by commit and content hash.

import { parseColumns } from '../catalog/columns-json.ts'
import type { Prisma } from '../catalog/generated/client.ts'
import { catalogReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import { containing, newestFirst } from './listing.ts'
import type { Services } from './services.ts'

export function addEtl(builder: Builder, services: Services) {
  const language = builder.enumType('EtlLanguage', {
    description: 'What an ETL is written in.',
    values: ['SQL', 'JAVASCRIPT', 'TYPESCRIPT'] as const,
  })

  builder.prismaNode('Etl', {
    description: 'A transformation of rows into features, pinned by commit and content hash.',
    nullable: true,
    authScopes: catalogReaders,
    // Field by field: a page of ETLs need not carry every source.
    select: { id: true },
    id: { field: 'id' },
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version', {
        description: 'Counts the different sources saved under this name, from 1.',
      }),
      path: t.exposeString('path', { description: 'Where it was loaded from.' }),
      language: t.expose('language', { type: language }),
      commit: t.exposeString('commit', {
        nullable: true,
        description: 'Null when it did not come from git.',
      }),
      contentSha256: t.exposeString('contentSha256'),
      source: t.exposeString('source'),
      columns: t.field({
        type: ['Column'],
        description:
          'What its first training run gave; empty before one. Realtime output is held against it.',
        select: { outputs: { select: { columns: true }, orderBy: { createdAt: 'asc' }, take: 1 } },
        resolve: ({ outputs: [first] }) => (first === undefined ? [] : parseColumns(first.columns)),
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
    }),
  })

  builder.queryField('etl', (t) =>
    t.prismaField({
      type: 'Etl',
      nullable: true,
      authScopes: catalogReaders,
      args: { id: t.arg.id({ required: true }) },
      resolve: (query, _root, { id }) => services.catalog.prisma.etl.findUnique({ ...query, where: { id } }),
    }),
  )

  builder.queryField('etls', (t) =>
    t.prismaConnection(
      {
        type: 'Etl',
        cursor: 'id',
        description: 'ETLs, the newest first.',
        authScopes: catalogReaders,
        args: {
          search: t.arg.string({ description: 'Text within the name, the path or the source, in any case.' }),
        },
        totalCount: (_connection, args) =>
          services.catalog.prisma.etl.count({ where: matching(args.search) }),
        resolve: (query, _root, args) =>
          services.catalog.prisma.etl.findMany({
            ...query,
            where: matching(args.search),
            orderBy: newestFirst,
          }),
      },
      { name: 'EtlConnection' },
      { name: 'EtlEdge' },
    ),
  )

  builder.mutationField('refreshEtl', (t) =>
    t.prismaField({
      type: 'Etl',
      description: 'Loads an ETL again from where it came; other content becomes its next version.',
      authScopes: { 'catalog:write': true },
      args: { id: t.arg.id({ required: true }) },
      resolve: async (query, _root, args) => {
        const { id } = await services.etlService.refresh(args.id)
        // Lookups by the ETL's path find the new version from here on.
        services.realtime.forget()
        return services.catalog.prisma.etl.findUniqueOrThrow({ ...query, where: { id } })
      },
    }),
  )

  builder.mutationField('deleteEtl', (t) =>
    t.id({
      description:
        'Takes an ETL from the catalog and answers with its id. A CONFLICT names what uses it: feature views, datasets that are made, trusted documents. By its path the version before it is found from then on, or it is loaded anew.',
      authScopes: { 'catalog:write': true },
      args: { id: t.arg.id({ required: true }) },
      resolve: async (_root, { id }) => {
        await services.deletions.deleteEtl(id)
        return id
      },
    }),
  )
}

function matching(search: string | null | undefined): Prisma.EtlWhereInput {
  if (!search) return {}
  const text = containing(search)
  return { OR: [{ name: text }, { path: text }, { source: text }] }
}
