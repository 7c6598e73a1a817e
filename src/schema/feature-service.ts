// FeatureService: features of several views under a name and version, what one model uses; perhaps with an ETL on top.

import { z } from 'zod'
import { parseColumns } from '../catalog/columns-json.ts'
import { longestName } from '../catalog/database/violations.ts'
import type { FeatureService, Prisma } from '../catalog/generated/client.ts'
import { featuresOfService, type FeatureService as Resolved } from '../features/services.ts'
import { viewReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import type { ColumnInputRef } from './column.ts'
import { type FeatureReferenceRef, toReferences } from './feature-reference.ts'
import { containing, newestFirst } from './listing.ts'
import type { Services } from './services.ts'

interface Inputs {
  columnInput: ColumnInputRef
  reference: FeatureReferenceRef
}

export function addFeatureService(builder: Builder, services: Services, inputs: Inputs) {
  addType(builder, services)
  addQueries(builder, services)
  addMutations(builder, services, inputs)
}

function addType(builder: Builder, services: Services) {
  /** Put together once for each that is answered. */
  const known = new WeakMap<object, Promise<Resolved>>()
  const resolved = (service: Pick<FeatureService, 'id'>) => {
    const found = known.get(service) ?? services.featureServices.resolve(service.id)
    known.set(service, found)
    return found
  }

  builder.objectType('ServiceFeature', {
    description: 'A feature of a view, as a service names it.',
    authScopes: viewReaders,
    fields: (t) => ({
      name: t.exposeString('name', { description: 'In the answer.' }),
      view: t.prismaField({
        type: 'FeatureView',
        resolve: (query, { view: { id } }) =>
          services.catalog.prisma.featureView.findUniqueOrThrow({ ...query, where: { id } }),
      }),
      feature: t.field({ type: 'Feature', resolve: ({ feature }) => feature }),
      prefix: t.exposeString('prefix', { nullable: true }),
    }),
  })

  builder.prismaNode('FeatureService', {
    description:
      'Features of several views under a name and version: what one model uses, in training and in serving. It stays what it was when it was made.',
    nullable: true,
    authScopes: viewReaders,
    id: { field: 'id' },
    fields: (t) => ({
      name: t.exposeString('name'),
      version: t.exposeInt('version', {
        description: 'Counts the different contents saved under this name, from 1.',
      }),
      features: t.field({
        type: ['ServiceFeature'],
        complexity: { field: 1, multiplier: 10 },
        resolve: async (service) => featuresOfService(await resolved(service)),
      }),
      indexKeys: t.field({
        type: ['Column'],
        description: 'What an entity is found by, each column once.',
        resolve: async (service) => (await resolved(service)).indexKeys,
      }),
      requestColumns: t.field({
        type: ['Column'],
        description: 'What an entity brings besides, for the ETL.',
        resolve: ({ requestColumns }) => parseColumns(requestColumns),
      }),
      etl: t.relation('etl', { nullable: true, description: 'What the joined row goes through.' }),
      columns: t.field({
        type: ['Column'],
        description:
          'What is answered: the features; of a service with an ETL what that gave when it was tried.',
        resolve: async (service) => {
          const { etl, record, references } = await resolved(service)
          if (etl !== null) return record.columns
          return references.flatMap(({ features }) =>
            features.map(({ column, name }) => ({ ...column, name })),
          )
        },
      }),
      graphqlName: t.exposeString('graphqlName', {
        nullable: true,
        description: 'Of all its versions: the field beneath `features`, which gives the newest.',
      }),
      description: t.exposeString('description', { nullable: true }),
      owner: t.exposeString('owner', { nullable: true }),
      tags: t.exposeStringList('tags'),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
    }),
  })
}

function addQueries(builder: Builder, services: Services) {
  builder.queryField('featureService', (t) =>
    t.prismaField({
      type: 'FeatureService',
      nullable: true,
      description: 'A feature service by its name: the newest version, or this one.',
      authScopes: viewReaders,
      args: { name: t.arg.string({ required: true }), version: t.arg.int() },
      resolve: (query, _root, { name, version }) =>
        services.catalog.prisma.featureService.findFirst({
          ...query,
          where: { name, ...(version != null && { version }) },
          orderBy: { version: 'desc' },
        }),
    }),
  )

  builder.queryField('featureServices', (t) =>
    t.prismaConnection(
      {
        type: 'FeatureService',
        cursor: 'id',
        description: 'Feature services, the newest first.',
        authScopes: viewReaders,
        args: {
          search: t.arg.string({ description: 'Text within the name or the description, in any case.' }),
        },
        totalCount: (_connection, { search }) =>
          services.catalog.prisma.featureService.count({ where: matching(search) }),
        resolve: (query, _root, { search }) =>
          services.catalog.prisma.featureService.findMany({
            ...query,
            where: matching(search),
            orderBy: newestFirst,
          }),
      },
      { name: 'FeatureServiceConnection' },
      { name: 'FeatureServiceEdge' },
    ),
  )
}

function addMutations(builder: Builder, services: Services, { columnInput, reference }: Inputs) {
  builder.mutationField('createFeatureService', (t) =>
    t.prismaField({
      type: 'FeatureService',
      description:
        'Puts features of several views together under a name. The same content under the same name is the same entry, other content its next version. Views, features and ETL stay what they are now.',
      authScopes: { 'catalog:write': true },
      args: {
        name: t.arg.string({ required: true, validate: z.string().min(1).max(longestName) }),
        features: t.arg({ type: [reference], required: true }),
        etlPath: t.arg.string({
          description:
            'An ETL, or its id in the catalog, that makes of the joined row, with its keys and request columns, what is answered. It is tried on rows first, which pin its columns.',
          validate: z.string().min(1).nullish(),
        }),
        requestColumns: t.arg({
          type: [columnInput],
          description:
            'What an entity brings besides its keys, for the ETL: the amount of the payment that is judged, say.',
        }),
        description: t.arg.string(),
        owner: t.arg.string(),
        tags: t.arg.stringList(),
      },
      resolve: async (
        query,
        _root,
        { name, features, etlPath, requestColumns, description, owner, tags },
      ) => {
        const { id } = await services.featureServices.create({
          name,
          features: toReferences(features),
          etlPath: etlPath ?? null,
          requestColumns: (requestColumns ?? []).map(({ nullable, storage, ...column }) => ({
            ...column,
            nullable: nullable ?? true,
            storage: storage ?? undefined,
          })),
          description,
          owner,
          tags: tags ?? undefined,
        })
        await services.typed.refreshed()
        return services.catalog.prisma.featureService.findUniqueOrThrow({ ...query, where: { id } })
      },
    }),
  )

  builder.mutationField('deleteFeatureService', (t) =>
    t.id({
      description:
        'Takes one version of a feature service from the catalog and answers with its id. Its number is not given again.',
      authScopes: { 'catalog:write': true },
      args: {
        id: t.arg.id({ required: true }),
        force: t.arg.boolean({
          defaultValue: false,
          description: 'Also where trusted documents ask for it: those may be valid no longer then.',
        }),
      },
      resolve: async (_root, { id, force }) => {
        if (!force) services.typed.assertUnused(id)
        await services.deletions.deleteFeatureService(id, { force: force ?? false })
        await services.typed.refreshed()
        return id
      },
    }),
  )
}

function matching(search: string | null | undefined): Prisma.FeatureServiceWhereInput {
  if (!search) return {}
  const text = containing(search)
  return { OR: [{ name: text }, { description: text }] }
}
