// Dataset: the result of a training query or extraction, with its rows, its progress and its downloads.

import { z } from 'zod'
import { parseColumns } from '../catalog/columns-json.ts'
import type { DatasetRecord } from '../catalog/datasets.ts'
import { type DownloadFormat, downloadFormats } from '../training/download.ts'
import { maxPage } from '../training/limits.ts'
import { describeReferences, describeSpine, parseRecipe, type SetRecipe } from '../training/sets/recipe.ts'
import { Moment } from '../values/moment.ts'
import type { Builder } from './builder.ts'
import { encodePage } from './dataset-page.ts'
import type { JobStatusRef } from './job-status.ts'
import { JsonText } from './json-text.ts'
import { newestFirst } from './listing.ts'
import type { Services } from './services.ts'

/** An operation may ask for the largest page, and for no second of that size. */
const costOfRow = 40

export function addDataset(builder: Builder, services: Services, jobStatus: JobStatusRef) {
  builder.objectType('DatasetDownloads', {
    description:
      "Where a dataset's file is to be had, in four formats. The Parquet URL answers range requests.",
    authScopes: { train: true },
    fields: (t) =>
      Object.fromEntries(
        downloadFormats.map((format) => [
          format,
          t.string({ resolve: ({ id }, _args, { origin }) => `${origin}${pathOf(id, format)}` }),
        ]),
      ),
  })

  function pathOf(id: string, format: DownloadFormat): string {
    const path = `/datasets/${id}.${format}`
    return services.access.downloadLinks?.sign(path) ?? path
  }

  const dataset = builder.prismaNode('Dataset', {
    description:
      'The result of a training query or extraction: a Parquet file with columns, rows and downloads.',
    nullable: true,
    authScopes: { 'catalog:read': true, train: true },
    id: { field: 'id' },
    fields: (t) => ({
      status: t.expose('status', { type: jobStatus }),
      query: t.relation('query', {
        nullable: true,
        description: 'Null when it was not saved, or was deleted since.',
      }),
      etl: t.relation('etl', { nullable: true }),
      sql: t.exposeString('sql'),
      asOf: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'The moment that stood for as_of(); null where nothing calls it, or each row has its own.',
        resolve: ({ asOf }) => (asOf === null ? null : new Moment(asOf)),
      }),
      columns: t.field({
        type: ['Column'],
        description: 'Empty until it has SUCCEEDED.',
        resolve: ({ columns }) => parseColumns(columns),
      }),
      rowCount: t.expose('rowCount', { type: 'BigInt', nullable: true }),
      rows: t.field({
        type: 'JSON',
        description: 'A page of rows: an array of objects, empty until it has SUCCEEDED.',
        authScopes: { train: true },
        args: {
          offset: t.arg.int({ defaultValue: 0, validate: z.number().min(0).nullish() }),
          limit: t.arg.int({
            defaultValue: 20,
            description: `At most ${maxPage}.`,
            validate: z.number().min(1).max(maxPage).nullish(),
          }),
        },
        complexity: (args) => ({ field: costOfRow * (args.limit ?? 20) }),
        resolve: async ({ id, status }, args, { answer: budget }) => {
          if (status !== 'SUCCEEDED') return new JsonText('[]')
          const page = { offset: args.offset ?? 0, limit: args.limit ?? 20 }
          return new JsonText(await encodePage(services.training, id, { page, budget }))
        },
      }),
      downloads: t.field({
        type: 'DatasetDownloads',
        authScopes: { train: true },
        resolve: ({ id }) => ({ id }),
      }),
      progress: t.exposeFloat('progress', {
        nullable: true,
        description: 'From 0 to 1 while it runs, where the engine tells.',
      }),
      elapsedMs: t.exposeFloat('elapsedMs', { nullable: true }),
      error: t.exposeString('error', { nullable: true }),
      errorCode: t.exposeString('errorCode', { nullable: true, description: 'One of the codes of errors.' }),
      log: t.stringList({
        description:
          'What its ETL has said by console, in the order of the rows; also of one that FAILED. At most 1,000 lines and 64,000 characters: a last line counts the others.',
        authScopes: { train: true },
        complexity: { field: 10 },
        resolve: async ({ id }) => [...(await services.catalog.datasets.log(id))],
      }),
      name: t.string({
        nullable: true,
        description: 'Of a training set that was given one.',
        resolve: ({ trainingSet }) => (trainingSet === null ? null : parseRecipe(trainingSet).name),
      }),
      spine: t.field({
        type: 'JSON',
        nullable: true,
        description: 'Of a training set: what its spine was.',
        resolve: ({ trainingSet }) => jsonOf(trainingSet, describeSpine),
      }),
      references: t.field({
        type: 'JSON',
        nullable: true,
        description:
          'Of a training set: its features, with the versions of their queries, and of their ETLs the commits.',
        resolve: ({ trainingSet }) => jsonOf(trainingSet, describeReferences),
      }),
      profile: t.field({
        type: ['ColumnProfile'],
        nullable: true,
        description: 'What its columns hold; null until it has SUCCEEDED.',
        authScopes: { train: true },
        complexity: { field: 50, multiplier: 20 },
        resolve: async ({ id, status }) => (status === 'SUCCEEDED' ? services.training.profile(id) : null),
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
    }),
  })

  builder.queryField('dataset', (t) =>
    t.prismaField({
      type: 'Dataset',
      nullable: true,
      authScopes: { 'catalog:read': true, train: true },
      args: { id: t.arg.id({ required: true }) },
      resolve: (query, _root, { id }) =>
        services.catalog.prisma.dataset.findUnique({ ...query, where: { id } }),
    }),
  )

  builder.queryField('datasets', (t) =>
    t.prismaConnection(
      {
        type: 'Dataset',
        cursor: 'id',
        description: 'Datasets, the newest first.',
        authScopes: { 'catalog:read': true, train: true },
        totalCount: () => services.catalog.prisma.dataset.count(),
        resolve: (query) => services.catalog.prisma.dataset.findMany({ ...query, orderBy: newestFirst }),
      },
      { name: 'DatasetConnection' },
      { name: 'DatasetEdge' },
    ),
  )

  builder.mutationField('deleteDataset', (t) =>
    t.id({
      description:
        'Takes away a dataset with its files, on every gateway, and answers with its id. A CONFLICT while it is made: cancel it first.',
      authScopes: { train: true },
      args: { id: t.arg.id({ required: true }) },
      resolve: async (_root, { id }) => {
        await services.training.delete(id)
        return id
      },
    }),
  )

  builder.subscriptionField('datasetProgress', (t) =>
    t.field({
      type: dataset,
      description:
        'A dataset while it is made: first as it stands, then each change, then its end; then it completes.',
      authScopes: { 'catalog:read': true, train: true },
      args: { id: t.arg.id({ required: true }) },
      subscribe: async (_root, { id }) => {
        await services.catalog.datasets.byId(id)
        return services.training.progress(id)
      },
      // As the database's rows are; which process owns it is not told.
      resolve: (record: DatasetRecord) => ({
        ...record,
        owner: null,
        columns: record.columns.map((column) => ({ ...column })),
      }),
    }),
  )
}

function jsonOf(trainingSet: unknown, tell: (recipe: SetRecipe) => object): JsonText | null {
  return trainingSet === null ? null : new JsonText(JSON.stringify(tell(parseRecipe(trainingSet))))
}
