// The GraphQL types of one feature service: its row, its entity, its answer, and the fields that give them.

import {
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLResolveInfo,
} from 'graphql'
import type { FeatureVector, Vectors } from '../../realtime/vectors/vectors.ts'
import type { Context } from '../context.ts'
import { partsMultiplier } from '../operation-cost.ts'
import {
  type Arguments,
  type BaseTypes,
  createKeyType,
  createObject,
  describeWords,
  type EntryTypes,
  entityKeysOf,
  type FeaturesSource,
  failureOf,
  keyFieldsOf,
  listOf,
  manyField,
  typeOfKey,
} from './row-types.ts'
import type { TypedService } from './service-entry.ts'
import { entityOf, onlyVector, rowOf, vectorsOf } from './service-lookups.ts'

/** An entity's vectors, now and at every change, for a caller who may have them. */
export type FollowService = (
  entry: TypedService,
  entity: Arguments,
  context: Context,
  info: GraphQLResolveInfo,
) => AsyncIterable<FeatureVector>

export interface ServiceSources {
  vectors: Pick<Vectors, 'get'>
  followService: FollowService
}

export function createServiceTypes(
  entry: TypedService,
  base: BaseTypes,
  { vectors, followService }: ServiceSources,
): EntryTypes {
  const { name, typeName, members, service } = entry
  const description = describeWords(service.record, 'feature service')
  const row = createObject({ kind: 'object', typeName, members }, base, { description })
  const args: GraphQLFieldConfigArgumentMap = Object.fromEntries(
    entry.args.map((arg) => [arg.name, { type: typeOfKey(arg, base), description: arg.column.name }]),
  )
  const key = createKeyType(
    `${typeName}Key`,
    `An entity of ${service.record.name}, and what a request brings with it.`,
    args,
  )
  const { answer, isKeyed } = createAnswerType(entry, row, base)

  const get = ({ asOf }: FeaturesSource, entities: readonly Arguments[], context: Context) =>
    vectorsOf(entry, vectors, { entities, asOf }, context)

  const one: GraphQLFieldConfig<FeaturesSource, Context> = {
    type: row,
    description: `${description}\n\nOf one entity; an error where one of its views could not be read.`,
    args,
    extensions: { complexity: { field: 1, multiplier: 1 } },
    resolve: async (source, given, context) => rowOf(onlyVector(await get(source, [given], context))),
  }
  const many = manyField(
    { answer, key, description: `${description}\n\nAn answer for each entity, in order.` },
    get,
  )
  const entity = {
    type: answer,
    keys: entityKeysOf(entry.args, base),
    find: (asked: readonly Arguments[], context: Context) => get({ asOf: null }, asked, context),
  }
  return {
    fields: { [name]: one, [`${name}Many`]: many },
    subscription: {
      type: new GraphQLNonNull(answer),
      description: `${description}\n\nOne entity's answer: now, and again at every change of one of its views.`,
      args,
      extensions: { complexity: { field: 1, multiplier: 1 } },
      subscribe: (_root, given, context, info) => followService(entry, entityOf(entry, given), context, info),
      resolve: (vector) => vector,
    },
    entities: isKeyed ? [entity] : [],
  }
}

function createAnswerType(
  { typeName, service, args }: TypedService,
  row: GraphQLObjectType,
  base: BaseTypes,
): { answer: GraphQLObjectType; isKeyed: boolean } {
  const own: Record<string, GraphQLFieldConfig<FeatureVector, Context>> = {
    row: {
      type: row,
      description:
        'Null where `error` says why there is none; a view that could not be read leaves its features null.',
      resolve: (vector) => (vector.error === null ? rowOf(vector) : null),
    },
    views: {
      type: listOf(base.part),
      description: 'How each view’s part was had.',
      extensions: { complexity: { field: 1, multiplier: partsMultiplier } },
      resolve: ({ views }) => views,
    },
    error: {
      type: base.failure,
      description: 'What is wrong with the entity, or why its ETL gave nothing.',
      resolve: ({ error }) => failureOf(error),
    },
  }
  const key = keyFieldsOf<FeatureVector>(args, base, {
    own,
    resolve: ({ entity }, { column }) => (entity as Arguments)[column.name],
  })
  const answer = new GraphQLObjectType<FeatureVector, Context>({
    name: `${typeName}Answer`,
    description: `What ${service.record.name} answers of one entity.`,
    fields: { ...key, ...own },
  })
  answer.getFields()
  return { answer, isKeyed: Object.keys(key).length === args.length }
}
