// The GraphQL types of one feature view: its row, its key, its answer, and the fields that give them.

import {
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLResolveInfo,
} from 'graphql'
import type { RealtimeResult } from '../../realtime/service.ts'
import type { Vectors } from '../../realtime/vectors/vectors.ts'
import { Moment } from '../../values/moment.ts'
import type { Context } from '../context.ts'
import type { TypedEntry } from './entries.ts'
import { type AnswersAt, hasPast } from './history.ts'
import {
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
import type { Shape } from './shapes.ts'
import { answersOf, keyOf, rowsOf, rowsOfOne, type TypedAnswer, toAnswer } from './typed-lookups.ts'

/** An entity's results, now and at every change, for a caller who may have them. */
export type Follow = (
  entry: TypedEntry,
  key: string,
  context: Context,
  info: GraphQLResolveInfo,
) => AsyncIterable<RealtimeResult>

/** Where answers come from that are not of now. */
export interface TypedSources {
  follow: Follow
  answersAt: AnswersAt
  vectors: Vectors
}

/** Whole: no part of them is left to be made when a schema is made of them. */
export function createViewTypes(
  entry: TypedEntry,
  base: BaseTypes,
  { follow, answersAt }: Omit<TypedSources, 'vectors'>,
): ViewTypes {
  const row = createRowType(entry, base)
  const args: GraphQLFieldConfigArgumentMap = Object.fromEntries(
    entry.keys.map(({ name, scalar, column }) => [
      name,
      { type: new GraphQLNonNull(base.scalars[scalar]), description: `The index key ${column.name}.` },
    ]),
  )
  const key = createKeyType(`${entry.typeName}Key`, `An entity of ${entry.view.record.name}.`, args)
  const answer = createAnswerType(entry, row, base)
  answer.getFields()
  const description = describeWords(entry.view.record, 'feature view')
  const one: GraphQLFieldConfig<FeaturesSource, Context> = {
    type: entry.isInTime ? row : listOf(row),
    description: `${description}\n\n${entry.isInTime ? 'The row as of the moment that is asked about, or null.' : "One entity's rows."}`,
    args,
    extensions: { complexity: { field: 1, multiplier: 1 } },
    resolve: async ({ asOf }, own, context) => {
      const key = keyOf(entry, own)
      const rows =
        asOf === null || !hasPast(entry)
          ? await rowsOfOne(entry, context, key)
          : rowsOf(await answersAt(entry, context, [key], asOf))
      return entry.isInTime ? (rows[0] ?? null) : rows
    },
  }
  const many = manyField(
    { answer, key, description: `${description}\n\nAn answer for each key, in order.` },
    ({ asOf }, keys, context) => {
      const texts = keys.map((own) => keyOf(entry, own))
      return asOf === null || !hasPast(entry)
        ? answersOf(entry, context, texts)
        : answersAt(entry, context, texts, asOf)
    },
  )
  return {
    fields: { [entry.name]: one, [`${entry.name}Many`]: many },
    subscription: [
      entry.name,
      {
        type: new GraphQLNonNull(answer),
        description: `${description}\n\nOne entity's answer: now, and again at every change.`,
        args,
        extensions: { complexity: { field: 1, multiplier: 1 } },
        subscribe: (_root, own, context, info) => follow(entry, keyOf(entry, own), context, info),
        resolve: toAnswer,
      },
    ],
  }
}

function createRowType(entry: TypedEntry, base: BaseTypes): GraphQLObjectType {
  const shape: Shape = { kind: 'object', typeName: entry.typeName, members: entry.members }
  return createObject(shape, base, {
    description: describeWords(entry.view.record, 'feature view'),
    noteOf: (key) => entry.notes.get(key),
  })
}

function createAnswerType(
  { typeName, isInTime, view }: TypedEntry,
  row: GraphQLObjectType,
  base: BaseTypes,
): GraphQLObjectType<TypedAnswer, Context> {
  const rows: Record<string, GraphQLFieldConfig<TypedAnswer, Context>> = isInTime
    ? { row: { type: row, resolve: ({ rows: [first] }) => first ?? null } }
    : {
        rows: {
          type: listOf(row),
          extensions: { complexity: { field: 1, multiplier: 1 } },
          resolve: (answer) => answer.rows,
        },
      }
  return new GraphQLObjectType<TypedAnswer, Context>({
    name: `${typeName}Answer`,
    description: `What ${view.record.name} answers of one entity.`,
    fields: {
      status: { type: new GraphQLNonNull(base.status), resolve: ({ result }) => result.status },
      source: { type: new GraphQLNonNull(base.source), resolve: ({ result }) => result.source },
      eventTime: {
        type: base.dateTime,
        description: 'When the row became true.',
        resolve: ({ result: { eventTime } }) => (eventTime === null ? null : new Moment(eventTime)),
      },
      asOf: {
        type: base.dateTime,
        description: 'When the rows were computed.',
        resolve: ({ result: { asOfMs } }) => (asOfMs === null ? null : new Date(asOfMs)),
      },
      error: {
        type: base.failure,
        description: 'Why there are no rows, when the status is FAILED; it concerns this entity alone.',
        resolve: ({ result: { error } }) => failureOf(error),
      },
      ...rows,
    },
  })
}
