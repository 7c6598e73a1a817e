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
import { AppError } from '../../errors.ts'
import { assertScope } from '../authorization.ts'
import type { Context } from '../context.ts'
import { assertAffordable } from '../operation-cost.ts'
import type { TypedEntry } from './entries.ts'
import { featureScalars } from './scalars.ts'
import {
  baseTypesOf,
  createViewTypes,
  type FeaturesSource,
  type Follow,
  type ViewTypes,
} from './view-types.ts'

export interface LiveSchemas {
  /** The schema with the fields of these entries; the base as it is where there are none. Types that are not of them are forgotten. */
  make(entries: readonly TypedEntry[]): Promise<GraphQLSchema>
  /** The same with fewer entries, their types those of the last schema that was made. */
  makePart(entries: readonly TypedEntry[]): GraphQLSchema
}

/** Whoever asks for features is judged here, as Pothos judges at its own fields. */
export function guard(context: Context, info: GraphQLResolveInfo): void {
  assertScope(context.identity, info, 'realtime')
  assertAffordable(context, info)
}

export function createLiveSchemas(base: GraphQLSchema, follow: Follow): LiveSchemas {
  const baseTypes = baseTypesOf(base)
  const config = base.toConfig()
  const rootOf = (type: GraphQLObjectType | null | undefined) => {
    if (type == null) throw new Error('The schema lacks a root type')
    return type.toConfig()
  }
  const [query, subscription] = [rootOf(config.query), rootOf(config.subscription)]
  const others = config.types.filter(({ name }) => name !== query.name && name !== subscription.name)
  let known = new Map<string, ViewTypes>()

  async function typesOf(entries: readonly TypedEntry[]): Promise<ViewTypes[]> {
    const kept = new Map<string, ViewTypes>()
    const breathe = createBreath()
    for (const entry of entries) {
      kept.set(entry.signature, known.get(entry.signature) ?? createViewTypes(entry, baseTypes, follow))
      await breathe()
    }
    known = kept
    return [...kept.values()]
  }

  return {
    make: async (entries) => assemble(await typesOf(entries)),
    makePart: (entries) => assemble(entries.flatMap(({ signature }) => known.get(signature) ?? [])),
  }

  function assemble(types: readonly ViewTypes[]): GraphQLSchema {
    if (types.length === 0) return base
    const features = new GraphQLObjectType<FeaturesSource, Context>({
      name: 'Features',
      description: 'The feature views of the catalog, each by its graphqlName.',
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
          ...Object.fromEntries(types.map((each) => each.subscription)),
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
        description: 'Left out, it is now.',
      },
    },
    extensions: { complexity: { field: 1, multiplier: 1 } },
    resolve(_root, { asOf }: { asOf?: Date | null }, context, info): FeaturesSource {
      guard(context, info)
      if (asOf != null)
        throw new AppError(
          'BAD_USER_INPUT',
          'features(asOf:) cannot be answered yet; leave asOf out for the features now.',
        )
      return { asOf: null }
    },
  }
}
