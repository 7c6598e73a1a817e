// FeatureView: a saved query, and perhaps an ETL, served online by an index key; and the proof that it serves what training sees.

import { z } from 'zod'
import { longestName } from '../catalog/database/violations.ts'
import type { FeatureView } from '../catalog/generated/client.ts'
import { AppError } from '../errors.ts'
import { maxWaitMs, usualWaitMs } from '../training/limits.ts'
import { viewReaders } from './authorization.ts'
import type { Builder } from './builder.ts'
import { type Determinism, noteDescription, promiseOf } from './determinism.ts'
import type { FeatureWords } from './feature.ts'
import type { FreshnessField } from './freshness.ts'
import { newestFirst } from './listing.ts'
import { queryDescription } from './lookup-fields.ts'
import type { Services } from './services.ts'
import { createView, deleteView, updateView } from './view-actions.ts'

export function addFeatureView(
  builder: Builder,
  services: Services,
  {
    determinism,
    freshness,
    feature: { wordsOf, wordsFrom },
  }: { determinism: Determinism; freshness: FreshnessField; feature: FeatureWords },
) {
  const promise = (view: FeatureView) => promiseOf(view, () => services.realtime.promiseOfView(view.id))

  const refreshPolicy = builder.enumType('RefreshPolicy', {
    description: 'How a feature view follows the warehouse.',
    values: {
      AUTO: { description: 'BY_KEY where it is sound, else FULL.' },
      BY_KEY: {
        description:
          'The touched index values are computed again; needs the index key in every table that is read.',
      },
      FULL: { description: 'The whole result is computed again.' },
      MANUAL: { description: 'Only what is asked for.' },
    } as const,
  })

  builder.prismaObject('ViewRefresh', {
    name: 'FeatureViewRefresh',
    description: 'A refresh in full that waits for its turn, or is under way on one of the gateways.',
    authScopes: viewReaders,
    fields: (t) => ({
      startedAt: t.expose('startedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it began to read; null while it waits. A gateway that goes on with it leaves it.',
      }),
      rows: t.expose('rows', {
        type: 'BigInt',
        description: 'Rows of the query that are online by now.',
      }),
      updatedAt: t.expose('updatedAt', {
        type: 'DateTime',
        description: 'When that was; every second while it is under way.',
      }),
    }),
  })

  builder.prismaNode('FeatureView', {
    description: 'A saved query, and perhaps an ETL, served online by an index key.',
    nullable: true,
    authScopes: viewReaders,
    id: { field: 'id' },
    fields: (t) => ({
      name: t.exposeString('name'),
      query: t.relation('query'),
      etl: t.relation('etl', { nullable: true }),
      indexKey: t.exposeString('indexKey', {
        description: "The column that finds an entity's rows; of several their names, joined by commas.",
      }),
      indexKeys: t.exposeStringList('indexKeys', { description: "The columns that find an entity's rows." }),
      ttlSeconds: t.exposeInt('ttlSeconds', {
        nullable: true,
        description:
          'Older answers than this say STALE, and leave the online store after as long again. Null: none does.',
      }),
      refresh: t.expose('refresh', { type: refreshPolicy }),
      refreshNote: t.exposeString('refreshNote', {
        nullable: true,
        description: 'Why it is refreshed so, where the gateway chose or changed it.',
      }),
      timestampColumn: t.exposeString('timestampColumn', {
        nullable: true,
        description:
          'The column that tells when a row became true: the newest row whose time has come is served. Null: all rows are.',
      }),
      createdColumn: t.exposeString('createdColumn', {
        nullable: true,
        description: 'The column that tells when a row was written.',
      }),
      eventTtlSeconds: t.exposeInt('eventTtlSeconds', {
        nullable: true,
        description: 'How old the row may be that is served; null where any age is right.',
      }),
      description: t.exposeString('description', { nullable: true }),
      owner: t.exposeString('owner', { nullable: true }),
      tags: t.exposeStringList('tags'),
      features: t.field({
        type: ['Feature'],
        description:
          'The columns of its rows that are neither key nor time; of an ETL that has not run in training yet none are known.',
        resolve: (view) => services.realtime.features(view.id),
      }),
      tables: t.field({
        type: ['WarehouseTable'],
        description: 'The base tables that its query reads, as far as they are there now.',
        complexity: { field: 1, multiplier: 5 },
        resolve: async (view) => {
          const found = await Promise.all(view.tables.map(services.tables.find))
          return found.filter((table) => table !== null)
        },
      }),
      refreshEvery: t.exposeString('refreshEvery', {
        nullable: true,
        description:
          'How often it is computed anew for what others have written; null where no schedule does.',
      }),
      graphqlName: t.exposeString('graphqlName', {
        nullable: true,
        description:
          'Its field beneath `features`; null for one that lookups have made, and where `schemaProblems` says why it has none.',
      }),
      refreshedAt: t.expose('refreshedAt', { type: 'DateTime', nullable: true }),
      refreshing: t.relation('refreshing', {
        nullable: true,
        description: 'The refresh in full that is due or under way; null when there is none.',
      }),
      freshness: t.field({
        type: freshness.ref,
        description: 'What keeps it in step with its tables, and how far behind them it may be.',
        resolve: (view, _args, context) => freshness.resolve(view, context),
      }),
      determinism: t.field({
        type: determinism,
        description: 'What its query and its ETL give over the same rows, from one run to the next.',
        resolve: async (view) => (await promise(view)).level,
      }),
      determinismNote: t.string({
        nullable: true,
        description: noteDescription,
        resolve: async (view) => (await promise(view)).note,
      }),
      implicit: t.exposeBoolean('implicit', {
        description: 'Made on first use rather than by createFeatureView.',
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
    }),
  })

  builder.queryField('featureView', (t) =>
    t.prismaField({
      type: 'FeatureView',
      nullable: true,
      description: 'One feature view, by its id or its name.',
      authScopes: viewReaders,
      args: { id: t.arg.id(), name: t.arg.string() },
      resolve: (query, _root, { id, name }) => {
        if ((id == null) === (name == null))
          throw new AppError('BAD_USER_INPUT', 'featureView needs either id or name.')
        const where = id == null ? { name: name ?? '' } : { id }
        return services.catalog.prisma.featureView.findUnique({ ...query, where })
      },
    }),
  )

  builder.queryField('featureViews', (t) =>
    t.prismaConnection(
      {
        type: 'FeatureView',
        cursor: 'id',
        description: 'Feature views, the newest first.',
        authScopes: viewReaders,
        totalCount: () => services.catalog.prisma.featureView.count(),
        resolve: (query) => services.catalog.prisma.featureView.findMany({ ...query, orderBy: newestFirst }),
      },
      { name: 'FeatureViewConnection' },
      { name: 'FeatureViewEdge' },
    ),
  )

  builder.mutationField('createFeatureView', (t) =>
    t.prismaField({
      type: 'FeatureView',
      description:
        'Serves a saved query online by an index key. One that is there already, the same in all, is answered; one that differs is a CONFLICT that says in what.',
      authScopes: { 'catalog:write': true },
      args: {
        name: t.arg.string({ required: true, validate: z.string().min(1).max(longestName) }),
        queryId: t.arg.id({ required: true, description: queryDescription }),
        etlId: t.arg.id(),
        etlPath: t.arg.string({
          description: 'Instead of etlId: where the ETL lives. As in a lookup it is loaded and saved once.',
          validate: z.string().min(1).nullish(),
        }),
        indexKey: t.arg.string({
          description: "The column that finds an entity's rows. Either it or `indexKeys`.",
          validate: z.string().min(1).nullish(),
        }),
        indexKeys: t.arg.stringList({
          description: "The columns that find an entity's rows together, for a key of several.",
          validate: z.array(z.string().min(1)).min(1).nullish(),
        }),
        ttlSeconds: t.arg.int({ validate: z.number().min(1).nullish() }),
        refresh: t.arg({ type: refreshPolicy, defaultValue: 'AUTO' }),
        refreshEvery: t.arg.string({
          description:
            'Has it computed anew so often, by one of the gateways: "30s", "5m", "1h", "1d", or five cron fields in UTC.',
        }),
        timestampColumn: t.arg.string({
          description:
            'The column, of type TIMESTAMP or DATE, that tells when a row became true. The view then serves one row, the newest whose time has come, and trains with the newest at each time that is asked for.',
        }),
        createdColumn: t.arg.string({
          description:
            'The column that tells when a row was written: of rows of one time the one written last is served; where the view is refreshed by key, a schedule then computes the keys of rows written since the last time alone. Rows that are taken away it does not find.',
        }),
        eventTtlSeconds: t.arg.int({
          description:
            'How old the row may be that is served; an older one is EXPIRED. Needs a timestampColumn.',
          validate: z.number().min(1).nullish(),
        }),
        ...wordsOf(t.arg),
        lateness: t.arg.string({
          defaultValue: '1h',
          description: 'How late a row may come whose time is earlier: so much is looked at again each time.',
        }),
      },
      resolve: async (query, _root, args) => {
        const { name, queryId, etlId, etlPath, indexKey, indexKeys } = args
        const id = await createView(services, {
          ...{ name, queryId, etlId, etlPath, indexKey, indexKeys },
          ttlSeconds: args.ttlSeconds ?? null,
          refresh: args.refresh ?? 'AUTO',
          refreshEvery: args.refreshEvery ?? null,
          timestampColumn: args.timestampColumn ?? null,
          createdColumn: args.createdColumn ?? null,
          eventTtlSeconds: args.eventTtlSeconds ?? null,
          lateness: args.lateness ?? null,
          ...wordsFrom(args),
        })
        return services.catalog.prisma.featureView.findUniqueOrThrow({ ...query, where: { id } })
      },
    }),
  )

  builder.mutationField('updateFeatureView', (t) =>
    t.prismaField({
      type: 'FeatureView',
      description: 'Changes what is given; what is left out stays, and null takes away.',
      authScopes: { 'catalog:write': true },
      args: {
        id: t.arg.id({ required: true }),
        ttlSeconds: t.arg.int({ validate: z.number().min(1).nullish() }),
        eventTtlSeconds: t.arg.int({
          description: 'Counts from the answer on: nothing is computed for it.',
          validate: z.number().min(1).nullish(),
        }),
        refreshEvery: t.arg.string({ description: 'As in createFeatureView.' }),
        ...wordsOf(t.arg),
      },
      resolve: async (query, _root, { id, ttlSeconds, eventTtlSeconds, refreshEvery, ...words }) => {
        await updateView(services, id, {
          ...(ttlSeconds !== undefined && { ttlSeconds }),
          ...(eventTtlSeconds !== undefined && { eventTtlSeconds }),
          ...(refreshEvery !== undefined && { refreshEvery }),
          ...wordsFrom(words),
        })
        return services.catalog.prisma.featureView.findUniqueOrThrow({ ...query, where: { id } })
      },
    }),
  )

  builder.mutationField('refreshFeatureView', (t) =>
    t.prismaField({
      type: 'FeatureView',
      description:
        'Computes a feature view anew, whatever its policy. One that takes longer than `waitMs` goes on; `refreshing` tells how far it is.',
      authScopes: { 'catalog:write': true },
      args: {
        id: t.arg.id({ required: true }),
        waitMs: t.arg.int({
          defaultValue: usualWaitMs,
          validate: z.number().min(0).max(maxWaitMs).nullish(),
        }),
      },
      resolve: async (query, _root, { id, waitMs }) => {
        await services.realtime.refreshNow(id, { waitMs: waitMs ?? usualWaitMs })
        return services.catalog.prisma.featureView.findUniqueOrThrow({ ...query, where: { id } })
      },
    }),
  )

  builder.mutationField('deleteFeatureView', (t) =>
    t.id({
      description: 'Removes a feature view and its rows from the online store; answers with its id.',
      authScopes: { 'catalog:write': true },
      args: {
        id: t.arg.id({ required: true }),
        force: t.arg.boolean({
          defaultValue: false,
          description: 'Also where trusted documents ask for its fields: those are valid no longer then.',
        }),
      },
      resolve: async (_root, { id, force }) => {
        await deleteView(services, id, force === true)
        return id
      },
    }),
  )
}
