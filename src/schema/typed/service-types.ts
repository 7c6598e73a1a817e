// The GraphQL types of one feature service: its row, its entity, its answer, and the fields that give them.

import {
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLNonNull,
  GraphQLObjectType,
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
  type FeaturesSource,
  failureOf,
  listOf,
  manyField,
  type ViewTypes,
} from './row-types.ts'
import type { TypedService } from './service-entry.ts'
import { onlyVector, rowOf, vectorsOf } from './service-lookups.ts'

export function createServiceTypes(entry: TypedService, base: BaseTypes, vectors: Vectors): ViewTypes {
  const { name, typeName, members, service } = entry
  const description = describeWords(service.record, 'feature service')
  const row = createObject({ kind: 'object', typeName, members }, base, { description })
  const args: GraphQLFieldConfigArgumentMap = Object.fromEntries(
    entry.args.map(({ name: own, scalar, column }) => {
      const type = base.scalars[scalar]
      return [own, { type: column.nullable ? type : new GraphQLNonNull(type), description: column.name }]
    }),
  )
  const key = createKeyType(
    `${typeName}Key`,
    `An entity of ${service.record.name}, and what a request brings with it.`,
    args,
  )
  const answer = createAnswerType(entry, row, base)
  answer.getFields()

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
  return { fields: { [name]: one, [`${name}Many`]: many }, subscription: null }
}

function createAnswerType(
  { typeName, service }: TypedService,
  row: GraphQLObjectType,
  base: BaseTypes,
): GraphQLObjectType<FeatureVector, Context> {
  return new GraphQLObjectType<FeatureVector, Context>({
    name: `${typeName}Answer`,
    description: `What ${service.record.name} answers of one entity.`,
    fields: {
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
    },
  })
}
