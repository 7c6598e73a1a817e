// Training sets: the features of a spine's rows as of their times, as a dataset.

import { z } from 'zod'
import { longestName } from '../catalog/database/violations.ts'
import { maxWaitMs, usualWaitMs } from '../training/limits.ts'
import type { RepeatKey } from '../training/repeated.ts'
import type { MadeTrainingSet } from '../training/requests.ts'
import { askFeatures } from '../training/sets/asked.ts'
import type { Builder } from './builder.ts'
import { type FeatureReferenceRef, toReferences } from './feature-reference.ts'
import { queryDescription, repeatDescription } from './lookup-fields.ts'
import type { Services } from './services.ts'

const toPayload = ({ dataset, notPointInTime }: MadeTrainingSet) => ({
  datasetId: dataset.id,
  notPointInTime,
})

/** How long is waited is not part of what is asked for. */
function toRepeat<Args extends { spine: { rows?: unknown }; waitMs?: unknown }>(
  key: string | null | undefined,
  { waitMs: _, spine: { rows, ...spine }, ...args }: Args,
): RepeatKey | undefined {
  return key == null ? undefined : { key, asked: { ...args, spine }, rows }
}

export function addTrainingSet(
  builder: Builder,
  services: Services,
  { reference }: { reference: FeatureReferenceRef },
) {
  const spine = builder.inputType('SpineInput', {
    isOneOf: true,
    description:
      'The rows that a training set is asked for: index keys, times, and whatever else passes through.',
    fields: (t) => ({
      sql: t.string({ description: 'A SELECT. Its ORDER BY is the order of the set.' }),
      queryId: t.id({ description: queryDescription }),
      datasetId: t.id({ description: 'A dataset that has SUCCEEDED.' }),
      rows: t.field({
        type: 'JSON',
        description:
          'An array of objects. Keys are read as their views’ index keys, times as RFC 3339 (UTC where they have no zone).',
      }),
    }),
  })

  builder.objectType('TrainingSetPayload', {
    authScopes: { train: true },
    fields: (t) => ({
      dataset: t.prismaField({
        type: 'Dataset',
        resolve: (query, { datasetId }) =>
          services.catalog.prisma.dataset.findUniqueOrThrow({ ...query, where: { id: datasetId } }),
      }),
      notPointInTime: t.stringList({
        description:
          'Names of views without a time: their rows are those of now, whatever the times of the spine.',
        resolve: ({ notPointInTime }) => [...notPointInTime],
      }),
    }),
  })

  builder.mutationFields((t) => {
    const waitMs = t.arg.int({
      defaultValue: usualWaitMs,
      description: 'How long to wait for the end before answering with the dataset as it stands.',
      validate: z.number().min(0).max(maxWaitMs).nullish(),
    })
    return {
      createTrainingSet: t.field({
        type: 'TrainingSetPayload',
        authScopes: { train: true },
        description:
          'Joins to each row of a spine the features as of its time: one row for each, in its order. Runs to the end, or for waitMs; then datasetProgress tells the rest.',
        args: {
          spine: t.arg({ type: spine, required: true }),
          service: t.arg.string({
            description: "A feature service's name (its newest version then), name@version, or id.",
            validate: z.string().min(1).nullish(),
          }),
          features: t.arg({ type: [reference] }),
          timestampColumn: t.arg.string({
            defaultValue: 'event_timestamp',
            description: "The spine's column of times, a TIMESTAMP or DATE; without a zone it is UTC.",
          }),
          fullNames: t.arg.boolean({ defaultValue: false, description: 'Names each feature view__feature.' }),
          knownAsOf: t.arg.boolean({
            defaultValue: false,
            description: 'Leaves out rows that were created later than the time that is asked about.',
          }),
          name: t.arg.string({ validate: z.string().min(1).max(longestName).nullish() }),
          idempotencyKey: t.arg.string({ description: repeatDescription }),
          waitMs,
        },
        complexity: { field: 50 },
        resolve: async (_root, { idempotencyKey, ...args }) =>
          toPayload(
            await services.training.createTrainingSet({
              spine: args.spine,
              resolve: askFeatures(services.featureServices, {
                service: args.service ?? null,
                features: args.features == null ? null : toReferences(args.features),
                fullNames: args.fullNames ?? false,
              }),
              timestampColumn: args.timestampColumn ?? 'event_timestamp',
              knownAsOf: args.knownAsOf ?? false,
              name: args.name ?? null,
              waitMs: args.waitMs ?? usualWaitMs,
              repeat: toRepeat(idempotencyKey, args),
            }),
          ),
      }),
      remakeDataset: t.prismaField({
        type: 'Dataset',
        authScopes: { train: true },
        description:
          'Makes a training set again, by the same statements and ETLs, as a dataset of its own: of the same history it has the same rows.',
        args: { id: t.arg.id({ required: true }), waitMs },
        complexity: { field: 50 },
        resolve: async (query, _root, args) => {
          const { dataset } = await services.training.remake(args.id, { waitMs: args.waitMs ?? usualWaitMs })
          return services.catalog.prisma.dataset.findUniqueOrThrow({ ...query, where: { id: dataset.id } })
        },
      }),
    }
  })
}
