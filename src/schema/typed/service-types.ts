// The GraphQL types of one feature service: its row, its entity, its answer, and the fields that give them.

import {
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLNonNull,
  GraphQLObjectType,
} from 'graphql'
import type { FeatureVector, Vectors } from '../../realtime/vectors/vectors.ts'
import { toText } from '../../values/byte-text.ts'
import type { Context } from '../context.ts'
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

  async function get(
    { asOf }: FeaturesSource,
    entities: readonly Arguments[],
    { charge, answer: budget }: Context,
  ) {
    const request = { service: service.record.id, features: null, fullNames: false }
    const found = await vectors.get(
      { ...request, entities: entities.map((given) => entityOf(entry, given)), asOf },
      charge,
    )
    for (const { features } of found) budget.take(features.length)
    return found
  }

  const one: GraphQLFieldConfig<FeaturesSource, Context> = {
    type: row,
    description: `${description}\n\nOf one entity; an error where one of its views could not be read.`,
    args,
    extensions: { complexity: { field: 1, multiplier: 1 } },
    resolve: async (source, given, context) => {
      const [vector] = await get(source, [given], context)
      if (vector === undefined) throw new Error('one entity has no vector')
      const error = vector.error ?? vector.views.find((part) => part.error !== null)?.error ?? null
      if (error !== null) throw error
      return rowOf(vector)
    },
  }
  const many = manyField(
    { answer, key, description: `${description}\n\nAn answer for each entity, in order.` },
    get,
  )
  return { fields: { [name]: one, [`${name}Many`]: many }, subscription: null }
}

function rowOf({ features }: FeatureVector): object {
  return JSON.parse(toText(features)) as object
}

/** As the request's JSON would have it: integers beyond what numbers hold are digits. */
function entityOf({ args }: TypedService, given: Arguments): object {
  return Object.fromEntries(
    args
      .filter(({ name }) => given[name] !== undefined)
      .map(({ name, column }) => {
        const value = given[name]
        return [column.name, typeof value === 'bigint' ? String(value) : value]
      }),
  )
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
        extensions: { complexity: { field: 1, multiplier: 4 } },
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
