// The schema of the code together with the types of the catalog's entries; the types of an entry that stays are made once.

import {
  type GraphQLFieldConfig,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLScalarType,
  GraphQLSchema,
} from 'graphql'
import { createBreath } from '../../concurrency/breath.ts'
import { microsOfDate } from '../../values/moment.ts'
import { assertScope } from '../authorization.ts'
import type { Context } from '../context.ts'
import { assertAffordable } from '../operation-cost.ts'
import type { Entries, TypedEntry, TypedService } from './entries.ts'
import { baseTypesOf, type FeaturesSource, type ViewTypes } from './row-types.ts'
import { featureScalars } from './scalars.ts'
import { createServiceTypes } from './service-types.ts'
import { createViewTypes, type TypedSources } from './view-types.ts'

export interface LiveSchemas {
  /** The schema with the fields of these entries; the base as it is where there are none. Types that are not of them are forgotten. */
  make(found: Typed): Promise<GraphQLSchema>
  /** The same with other entries, which are forgotten again; the types of those that it has are those of the last schema that was made. */
  makePart(found: Typed): GraphQLSchema
}

type Typed = Pick<Entries, 'entries' | 'services'>

/** Whoever asks for features is judged here, as Pothos judges at its own fields. */
export function guard(context: Context, info: GraphQLResolveInfo): void {
  assertScope(context.identity, info, 'realtime')
  assertAffordable(context, info)
}

export function createLiveSchemas(base: GraphQLSchema, sources: TypedSources): LiveSchemas {
  const baseTypes = baseTypesOf(base)
  const config = base.toConfig()
  const rootOf = (type: GraphQLObjectType | null | undefined) => {
    if (type == null) throw new Error('The schema lacks a root type')
    return type.toConfig()
  }
  const [query, subscription] = [rootOf(config.query), rootOf(config.subscription)]
  const others = config.types.filter(({ name }) => name !== query.name && name !== subscription.name)
  let known = new Map<string, ViewTypes>()

  const typesOfView = (entry: TypedEntry) =>
    known.get(entry.signature) ?? createViewTypes(entry, baseTypes, sources)
  const typesOfService = (service: TypedService) =>
    known.get(service.signature) ?? createServiceTypes(service, baseTypes, sources.vectors)

  async function typesOf({ entries, services }: Typed): Promise<ViewTypes[]> {
    const kept = new Map<string, ViewTypes>()
    const breathe = createBreath()
    for (const entry of entries) {
      kept.set(entry.signature, typesOfView(entry))
      await breathe()
    }
    for (const service of services) kept.set(service.signature, typesOfService(service))
    known = kept
    return [...kept.values()]
  }

  return {
    make: async (found) => assemble(await typesOf(found)),
    makePart: ({ entries, services }) =>
      assemble([...entries.map(typesOfView), ...services.map(typesOfService)]),
  }

  function assemble(types: readonly ViewTypes[]): GraphQLSchema {
    if (types.length === 0) return base
    const features = new GraphQLObjectType<FeaturesSource, Context>({
      name: 'Features',
      description: 'The feature views and services of the catalog, each by its graphqlName.',
      fields: Object.assign({}, ...types.map(({ fields }) => fields)) as Record<
        string,
        GraphQLFieldConfig<FeaturesSource, Context>
      >,
    })
    return new GraphQLSchema({
      ...config,
      query: new GraphQLObjectType({
        ...query,
        fields: inOrder({ ...query.fields, features: featuresField(features, baseTypes.dateTime) }),
      }),
      subscription: new GraphQLObjectType({
        ...subscription,
        fields: inOrder({
          ...subscription.fields,
          ...Object.fromEntries(types.flatMap(({ subscription: own }) => (own === null ? [] : [own]))),
        }),
      }),
      types: [...others, ...featureScalars],
      // Names are chosen and held against each other before; a test validates schemas of generated catalogs.
      assumeValid: true,
    })
  }
}

/** As the base has its fields. */
function inOrder<Field>(fields: Record<string, Field>): Record<string, Field> {
  return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function featuresField(
  features: GraphQLObjectType,
  dateTime: GraphQLScalarType,
): GraphQLFieldConfig<unknown, Context> {
  return {
    type: new GraphQLNonNull(features),
    description: 'The features of entities: now, or as they were at a moment.',
    args: {
      asOf: {
        type: dateTime,
        description:
          'Answers what a training set holds for the entity at this moment. Left out, it is now; of views without a time it always is.',
      },
    },
    extensions: { complexity: { field: 1, multiplier: 1 } },
    resolve(_root, { asOf }: { asOf?: Date | null }, context, info): FeaturesSource {
      guard(context, info)
      return { asOf: asOf == null ? null : microsOfDate(asOf) }
    },
  }
}
