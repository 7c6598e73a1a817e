// Training: the mutations that turn a query, or a query and an ETL, into a dataset.

import { z } from 'zod'
import { longestName } from '../catalog/database/violations.ts'
import { maxWaitMs, usualWaitMs } from '../training/limits.ts'
import { microsOfDate } from '../values/moment.ts'
import type { Builder } from './builder.ts'
import { queryDescription, repeatDescription } from './lookup-fields.ts'
import type { Services } from './services.ts'

const name = z.string().min(1).max(longestName)

export function addTraining(builder: Builder, services: Services) {
  builder.objectType('QueryTrainPayload', {
    authScopes: { train: true },
    fields: (t) => ({
      query: t.prismaField({
        type: 'SavedQuery',
        nullable: true,
        description: 'Null when save is false.',
        resolve: (query, { queryId }) =>
          queryId === null
            ? null
            : services.catalog.prisma.savedQuery.findUniqueOrThrow({ ...query, where: { id: queryId } }),
      }),
      dataset: t.prismaField({
        type: 'Dataset',
        resolve: (query, { datasetId }) =>
          services.catalog.prisma.dataset.findUniqueOrThrow({ ...query, where: { id: datasetId } }),
      }),
    }),
  })

  builder.objectType('ExtractTrainPayload', {
    authScopes: { train: true },
    fields: (t) => ({
      etl: t.prismaField({
        type: 'Etl',
        nullable: true,
        description: 'Null when save is false.',
        resolve: (query, { etlId }) =>
          etlId === null
            ? null
            : services.catalog.prisma.etl.findUniqueOrThrow({ ...query, where: { id: etlId } }),
      }),
      dataset: t.prismaField({
        type: 'Dataset',
        resolve: (query, { datasetId }) =>
          services.catalog.prisma.dataset.findUniqueOrThrow({ ...query, where: { id: datasetId } }),
      }),
    }),
  })

  builder.mutationFields((t) => {
    const howToRun = {
      asOf: t.arg({ type: 'DateTime', description: 'What as_of() is in the query: now, unless it is said.' }),
      save: t.arg.boolean({ defaultValue: true, description: 'Whether it enters the catalog.' }),
      waitMs: t.arg.int({
        defaultValue: usualWaitMs,
        description: 'How long to wait for the end before answering with the dataset as it stands.',
        validate: z.number().min(0).max(maxWaitMs).nullish(),
      }),
    }
    return {
      queryTrain: t.field({
        type: 'QueryTrainPayload',
        authScopes: { train: true },
        description:
          'Runs SQL on the warehouse into a dataset: to the end, or for waitMs; then datasetProgress tells the rest.',
        args: {
          query: t.arg.string({ required: true, validate: z.string().min(1) }),
          queryName: t.arg.string({ required: true, validate: name }),
          description: t.arg.string({ description: 'Left out, the entry keeps its own.' }),
          tags: t.arg.stringList({ description: 'Left out, the entry keeps its own.' }),
          idempotencyKey: t.arg.string({ description: repeatDescription }),
          ...howToRun,
        },
        complexity: { field: 50 },
        resolve: async (_root, args) => {
          const { query, dataset } = await services.training.queryTrain({
            sql: args.query,
            name: args.queryName,
            description: args.description ?? undefined,
            tags: args.tags ?? undefined,
            asOf: args.asOf ? microsOfDate(args.asOf) : undefined,
            save: args.save ?? true,
            waitMs: args.waitMs ?? usualWaitMs,
            idempotencyKey: args.idempotencyKey,
          })
          return { queryId: query?.id ?? null, datasetId: dataset.id }
        },
      }),
      extractTrain: t.field({
        type: 'ExtractTrainPayload',
        authScopes: { train: true },
        description: "Runs a saved query's rows through an ETL into a dataset: to the end, or for waitMs.",
        args: {
          queryId: t.arg.id({ required: true, description: queryDescription }),
          etlPath: t.arg.string({
            required: true,
            description:
              'Where the ETL lives (git::…//path?ref=…, https://…, file:…), or its id in the catalog.',
            validate: z.string().min(1),
          }),
          etlName: t.arg.string({ validate: name.nullish() }),
          ...howToRun,
        },
        complexity: { field: 50 },
        resolve: async (_root, args) => {
          const { etl, dataset } = await services.training.extractTrain({
            queryId: args.queryId,
            etlPath: args.etlPath,
            ...(args.etlName && { etlName: args.etlName }),
            asOf: args.asOf ? microsOfDate(args.asOf) : undefined,
            save: args.save ?? true,
            waitMs: args.waitMs ?? usualWaitMs,
          })
          return { etlId: etl?.id ?? null, datasetId: dataset.id }
        },
      }),
    }
  })
}
