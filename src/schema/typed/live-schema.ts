// The schema of the code together with the types of the catalog's entries; the types of an entry that stays are made once.

import {
  type GraphQLFieldConfig,
  type GraphQLFieldConfigMap,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLScalarType,
  GraphQLSchema,
} from 'graphql'
import { createBreath } from '../../concurrency/breath.ts'
import { microsOfDate } from '../../values/moment.ts'
import type { Context } from '../context.ts'
import type { Entries, TypedEntry, TypedService } from './entries.ts'
import { createFederationFields, type FederationOptions } from './federation.ts'
import { guard } from './guard.ts'
import { baseTypesOf, type EntityType, type EntryTypes, type FeaturesSource } from './row-types.ts'
import { featureScalars } from './scalars.ts'
import { createServiceTypes, type ServiceSources } from './service-types.ts'
import { createViewTypes, type ViewSources } from './view-types.ts'

export interface LiveSchemas {
  /** The schema with the fields of these entries; the base as it is where there are none. Types that are not of them are forgotten. */
  make(found: Typed): Promise<GraphQLSchema>
  /**
   * The same as clients have it, without the fields of federation, of other entries, which are forgotten again; the types
   * of those that it has are those of the last schema that was made.
   */
  makePart(found: Typed): GraphQLSchema
  /** What these entries bring to a federated graph, and nothing else. Null where there are none. */
  makeSubgraph(found: Typed): Subgraph | null
}

export interface Subgraph {
  schema: GraphQLSchema
  entities: readonly EntityType[]
}

export type Typed = Pick<Entries, 'entries' | 'services'>

export interface LiveOptions {
  sources: ViewSources & ServiceSources
  federation: Omit<FederationOptions, 'json'>
}

export function createLiveSchemas(base: GraphQLSchema, { sources, federation }: LiveOptions): LiveSchemas {
  const baseTypes = baseTypesOf(base)
  const config = base.toConfig()
  const rootOf = (type: GraphQLObjectType | null | undefined) => {
    if (type == null) throw new Error('The schema lacks a root type')
    return type.toConfig()
  }
  const [query, subscription] = [rootOf(config.query), rootOf(config.subscription)]
  const others = config.types.filter(({ name }) => name !== query.name && name !== subscription.name)
  let known = new Map<string, EntryTypes>()

  const typesOfView = (entry: TypedEntry) =>
    known.get(entry.signature) ?? createViewTypes(entry, baseTypes, sources)
  const typesOfService = (service: TypedService) =>
    known.get(service.signature) ?? createServiceTypes(service, baseTypes, sources)

  async function typesOf({ entries, services }: Typed): Promise<readonly Named[]> {
    const kept = new Map<string, EntryTypes>()
    const named: Named[] = []
    const breathe = createBreath()
    const keep = ({ name, signature }: TypedEntry | TypedService, types: EntryTypes) => {
      kept.set(signature, types)
      named.push({ name, types })
    }
    for (const entry of entries) {
      keep(entry, typesOfView(entry))
      await breathe()
    }
    for (const service of services) {
      keep(service, typesOfService(service))
      await breathe()
    }
    known = kept
    return named
  }

  const partOf = ({ entries, services }: Typed): readonly Named[] => [
    ...entries.map((entry) => ({ name: entry.name, types: typesOfView(entry) })),
    ...services.map((service) => ({ name: service.name, types: typesOfService(service) })),
  ]

  return {
    async make(found) {
      const types = await typesOf(found)
      if (types.length === 0) return base
      const breathe = createBreath()
      const roots = rootFieldsOf(types, baseTypes.dateTime)
      await breathe()
      const entities = types.flatMap(({ types: { entities: own } }) => own)
      const fields = createFederationFields(entities, { ...federation, json: baseTypes.scalars.JSON })
      await breathe()
      return assemble(roots, entities.length === 0 ? {} : fields)
    },
    makePart(found) {
      const types = partOf(found)
      return types.length === 0 ? base : assemble(rootFieldsOf(types, baseTypes.dateTime), {})
    },
    makeSubgraph(found) {
      const types = partOf(found)
      if (types.length === 0) return null
      const roots = rootFieldsOf(types, baseTypes.dateTime)
      const schema = new GraphQLSchema({
        query: new GraphQLObjectType({ name: query.name, fields: roots.query }),
        subscription: new GraphQLObjectType({ name: subscription.name, fields: roots.subscription }),
        assumeValid: true,
      })
      return { schema, entities: types.flatMap(({ types: { entities } }) => entities) }
    },
  }

  function assemble(roots: RootFields, own: GraphQLFieldConfigMap<unknown, Context>): GraphQLSchema {
    return new GraphQLSchema({
      ...config,
      query: new GraphQLObjectType({
        ...query,
        fields: inOrder({ ...query.fields, ...roots.query, ...own }),
      }),
      subscription: new GraphQLObjectType({
        ...subscription,
        fields: inOrder({ ...subscription.fields, ...roots.subscription }),
      }),
      types: [...others, ...featureScalars],
      // Names are chosen and held against each other before; a test validates schemas of generated catalogs.
      assumeValid: true,
    })
  }
}

/** An entry's types under the name of its field. */
interface Named {
  name: string
  types: EntryTypes
}

/** Of the types that all else is reached from. */
interface RootFields {
  query: GraphQLFieldConfigMap<unknown, Context>
  subscription: GraphQLFieldConfigMap<unknown, Context>
}

function rootFieldsOf(types: readonly Named[], dateTime: GraphQLScalarType): RootFields {
  const features = new GraphQLObjectType<FeaturesSource, Context>({
    name: 'Features',
    description: 'The feature views and services of the catalog, each by its graphqlName.',
    fields: Object.fromEntries(types.flatMap(({ types: { fields } }) => Object.entries(fields))),
  })
  features.getFields()
  return {
    query: { features: featuresField(features, dateTime) },
    subscription: Object.fromEntries(types.map(({ name, types: own }) => [name, own.subscription])),
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
