// FeatureVector: the features of one entity out of several views, by a service or as they are named.

import { z } from 'zod'
import type { FeatureVector, Vectors } from '../realtime/vectors/vectors.ts'
import { toText } from '../values/byte-text.ts'
import { Moment, microsOfDate } from '../values/moment.ts'
import type { Builder } from './builder.ts'
import { type FeatureReferenceRef, type GivenReference, toReferences } from './feature-reference.ts'
import { JsonText } from './json-text.ts'
import type { Loading } from './lookup-fields.ts'
import { partsMultiplier } from './operation-cost.ts'
import type { RealtimeEnums } from './realtime.ts'
import type { Services } from './services.ts'

export interface OnlineArguments {
  service?: string | null | undefined
  features?: readonly GivenReference[] | null | undefined
  entities: readonly unknown[]
  asOf?: Date | null | undefined
  fullNames?: boolean | null | undefined
}

export function addVectors(
  builder: Builder,
  services: Services,
  { reference, realtime }: { reference: FeatureReferenceRef; realtime: RealtimeEnums },
) {
  builder.objectType('VectorPart', {
    description: "How one view's part of a vector was had.",
    authScopes: { realtime: true },
    fields: (t) => ({
      view: t.exposeString('view', { description: "The view's name." }),
      status: t.field({ type: realtime.status, resolve: ({ status }) => status }),
      source: t.expose('source', { type: realtime.source }),
      eventTime: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Of a view in time, when its row became true, to the microsecond.',
        resolve: ({ eventTime }) => momentOf(eventTime),
      }),
      asOf: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When its row was computed; of a view in time the moment that it was chosen for.',
        resolve: ({ asOf }) => momentOf(asOf),
      }),
      error: t.field({
        type: 'RealtimeFailure',
        nullable: true,
        description:
          'Why its features are null, when the status is FAILED; it concerns this view of this entity alone.',
        resolve: ({ error }) => error && { code: error.code, message: error.message },
      }),
    }),
  })

  builder.objectType('FeatureVector', {
    description: 'The features of one entity, at this moment.',
    authScopes: { realtime: true },
    fields: (t) => ({
      entity: t.field({
        type: 'JSON',
        description: 'As it was asked for.',
        resolve: ({ entity }) => new JsonText(JSON.stringify(entity ?? null)),
      }),
      features: t.field({
        type: 'JSON',
        description: 'An object of them by name: null where a view has none, or not for now.',
        resolve: ({ features }) => new JsonText(toText(features)),
      }),
      views: t.field({
        type: ['VectorPart'],
        description:
          'One for each of the views, in the order of the features; none where the entity itself is at fault.',
        complexity: { field: 1, multiplier: partsMultiplier },
        resolve: ({ views }) => views,
      }),
      error: t.field({
        type: 'RealtimeFailure',
        nullable: true,
        description: 'What is wrong with the entity, or why its ETL gave nothing.',
        resolve: ({ error }) => error && { code: error.code, message: error.message },
      }),
    }),
  })

  builder.queryField('onlineFeatures', (t) =>
    t.field({
      type: ['FeatureVector'],
      description:
        'The features of entities, out of several views at once: one vector for each, in order. Ask by a service, or by features of views.',
      authScopes: { realtime: true },
      args: {
        service: t.arg.string({
          description: "A feature service's name (its newest version then), name@version, or id.",
          validate: z.string().min(1).nullish(),
        }),
        features: t.arg({ type: [reference] }),
        entities: t.arg({
          type: ['JSON'],
          required: true,
          description:
            'Objects of index keys and, for a service with an ETL, request columns: {"driver_id": 7, "amount": "12.50"}.',
        }),
        asOf: t.arg({ type: 'DateTime', description: 'What they were then, out of history; now, left out.' }),
        fullNames: t.arg.boolean({
          defaultValue: false,
          description: 'Names each feature view__feature. What an ETL gives keeps its names.',
        }),
      },
      complexity: ({ entities }) => ({ field: 1, multiplier: entities.length }),
      resolve: (_root, args, context) => lookUpOnline(services.vectors, args, context),
    }),
  )
}

/** As the field's arguments ask. */
export async function lookUpOnline(
  vectors: Pick<Vectors, 'get'>,
  { service, features, entities, asOf, fullNames }: OnlineArguments,
  { charge, realtimeLoader, answer }: Loading,
): Promise<readonly FeatureVector[]> {
  const found = await vectors.get(
    {
      service: service ?? null,
      features: features == null ? null : toReferences(features),
      entities,
      asOf: asOf == null ? null : microsOfDate(asOf),
      fullNames: fullNames ?? false,
    },
    { charge, realtimeLoader },
  )
  for (const vector of found) answer.take(vector.features.length)
  return found
}

function momentOf(micros: bigint | null): Moment | null {
  return micros === null ? null : new Moment(micros)
}
