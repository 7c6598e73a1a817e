// The GraphQL types of one feature view: its row, its key, its answer, and the fields that give them.

import {
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLResolveInfo,
} from 'graphql'
import type { RealtimeResult } from '../../realtime/service.ts'
import { Moment } from '../../values/moment.ts'
import type { Context } from '../context.ts'
import type { TypedEntry } from './entries.ts'
import { type AnswersAt, hasPast } from './history.ts'
import {
  type BaseTypes,
  createKeyType,
  createObject,
  describeWords,
  type EntityType,
  type EntryTypes,
  entityKeysOf,
  type FeaturesSource,
  failureOf,
  keyFieldsOf,
  listOf,
  manyField,
  typeOfKey,
} from './row-types.ts'
import type { Shape } from './shapes.ts'
import { answersOf, type KeyedAnswer, keyOf, rowsOf, rowsOfOne, toAnswer } from './typed-lookups.ts'

/** An entity's results, now and at every change, for a caller who may have them. */
export type Follow = (
  entry: TypedEntry,
  key: string,
  context: Context,
  info: GraphQLResolveInfo,
) => AsyncIterable<RealtimeResult>

/** Where answers come from that are not of now. */
export interface ViewSources {
  follow: Follow
  answersAt: AnswersAt
}

/** Whole: no part of them is left to be made when a schema is made of them. */
export function createViewTypes(
  entry: TypedEntry,
  base: BaseTypes,
  { follow, answersAt }: ViewSources,
): EntryTypes {
  const keys = keysOf(entry)
  const row = createRowType(entry, base)
  const args: GraphQLFieldConfigArgumentMap = Object.fromEntries(
    keys.map((each) => [
      each.name,
      { type: typeOfKey(each, base), description: `The index key ${each.column.name}.` },
    ]),
  )
  const key = createKeyType(`${entry.typeName}Key`, `An entity of ${entry.view.record.name}.`, args)
  const { answer, isKeyed } = createAnswerType(entry, row, base)
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
    async ({ asOf }, asked, context) => {
      if (asOf === null || !hasPast(entry)) return answersOf(entry, context, asked)
      const texts = asked.map((own) => keyOf(entry, own))
      const answers = await answersAt(entry, context, texts, asOf)
      return answers.map((answer, i): KeyedAnswer => ({ ...answer, key: asked[i] ?? {} }))
    },
  )
  const entityKeys = entityKeysOf(keys, base)
  const answersOfKeys: EntityType['find'] = (asked, context) => answersOf(entry, context, asked)
  const rowsOfKeys: EntityType['find'] = async (asked, context) =>
    (await answersOf(entry, context, asked)).map(({ result, rows }) => result.error ?? rows[0] ?? null)
  return {
    fields: { [entry.name]: one, [`${entry.name}Many`]: many },
    subscription: {
      type: new GraphQLNonNull(answer),
      description: `${description}\n\nOne entity's answer: now, and again at every change.`,
      args,
      extensions: { complexity: { field: 1, multiplier: 1 } },
      subscribe: (_root, own, context, info) => follow(entry, keyOf(entry, own), context, info),
      resolve: (result, own) => ({ ...toAnswer(result as RealtimeResult), key: own }),
    },
    entities: [
      ...(isKeyed ? [{ type: answer, keys: entityKeys, find: answersOfKeys }] : []),
      ...(carriesItsKey(entry) ? [{ type: row, keys: entityKeys, find: rowsOfKeys }] : []),
    ],
  }
}

/** No entity is found by a null. */
function keysOf({ keys }: TypedEntry) {
  return keys.map(({ column, ...rest }) => ({ ...rest, column: { ...column, nullable: false } }))
}

/** One row, of one key, that has its columns. */
function carriesItsKey({ isInTime, keys, members }: TypedEntry): boolean {
  return isInTime && keys.every(({ column }) => members.some(({ key }) => key === column.name))
}

function createRowType(entry: TypedEntry, base: BaseTypes): GraphQLObjectType {
  const shape: Shape = { kind: 'object', typeName: entry.typeName, members: entry.members }
  return createObject(shape, base, {
    description: describeWords(entry.view.record, 'feature view'),
    noteOf: (key) => entry.notes.get(key),
  })
}

function createAnswerType(
  entry: TypedEntry,
  row: GraphQLObjectType,
  base: BaseTypes,
): { answer: GraphQLObjectType; isKeyed: boolean } {
  const { typeName, isInTime, view } = entry
  const rows: Record<string, GraphQLFieldConfig<KeyedAnswer, Context>> = isInTime
    ? { row: { type: row, resolve: ({ rows: [first] }) => first ?? null } }
    : {
        rows: {
          type: listOf(row),
          extensions: { complexity: { field: 1, multiplier: 1 } },
          resolve: (answer) => answer.rows,
        },
      }
  const own: Record<string, GraphQLFieldConfig<KeyedAnswer, Context>> = {
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
  }
  const key = keyFieldsOf<KeyedAnswer>(keysOf(entry), base, {
    own,
    resolve: ({ key }, { name }) => key[name],
  })
  const answer = new GraphQLObjectType<KeyedAnswer, Context>({
    name: `${typeName}Answer`,
    description: `What ${view.record.name} answers of one entity.`,
    fields: { ...key, ...own },
  })
  answer.getFields()
  return { answer, isKeyed: Object.keys(key).length === entry.keys.length }
}
