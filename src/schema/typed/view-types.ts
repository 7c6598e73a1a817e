// The GraphQL types of one feature view: its row, its key, its answer, and the fields that give them.

import {
  GraphQLBoolean,
  type GraphQLEnumType,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLFloat,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  type GraphQLNamedType,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLScalarType,
  type GraphQLSchema,
  GraphQLString,
} from 'graphql'
import type { RealtimeResult } from '../../realtime/service.ts'
import { Moment } from '../../values/moment.ts'
import type { Context } from '../context.ts'
import type { TypedEntry } from './entries.ts'
import { bytesScalar, dateScalar, decimalScalar, timestampScalar } from './scalars.ts'
import type { ScalarName, Shape } from './shapes.ts'
import { answersOf, keyOf, rowsOfOne, type TypedAnswer, toAnswer } from './typed-lookups.ts'

/** What the field `features` passes to those beneath it. */
export interface FeaturesSource {
  asOf: Date | null
}

type Arguments = Readonly<Record<string, unknown>>

/** The types of the schema's own that features are made of. */
export interface BaseTypes {
  scalars: Record<ScalarName, GraphQLScalarType>
  dateTime: GraphQLScalarType
  status: GraphQLEnumType
  source: GraphQLEnumType
  failure: GraphQLObjectType
}

/** An entity's results, now and at every change, for a caller who may have them. */
export type Follow = (
  entry: TypedEntry,
  key: string,
  context: Context,
  info: GraphQLResolveInfo,
) => AsyncIterable<RealtimeResult>

export interface ViewTypes {
  /** Of `Features`. */
  fields: Readonly<Record<string, GraphQLFieldConfig<FeaturesSource, Context>>>
  /** Of `Subscription`. */
  subscription: readonly [name: string, field: GraphQLFieldConfig<RealtimeResult, Context>]
}

export function baseTypesOf(schema: GraphQLSchema): BaseTypes {
  function own<Type extends GraphQLNamedType = GraphQLScalarType>(name: string): Type {
    const type = schema.getType(name)
    if (type === undefined) throw new Error(`The schema has no type ${name}`)
    return type as Type
  }
  return {
    scalars: {
      Boolean: GraphQLBoolean,
      Int: GraphQLInt,
      BigInt: own('BigInt'),
      Float: GraphQLFloat,
      Decimal: decimalScalar,
      String: GraphQLString,
      Bytes: bytesScalar,
      Date: dateScalar,
      Timestamp: timestampScalar,
      JSON: own('JSON'),
    },
    dateTime: own('DateTime'),
    status: own<GraphQLEnumType>('RealtimeStatus'),
    source: own<GraphQLEnumType>('RealtimeSource'),
    failure: own<GraphQLObjectType>('RealtimeFailure'),
  }
}

/** Whole: no part of them is left to be made when a schema is made of them. */
export function createViewTypes(entry: TypedEntry, base: BaseTypes, follow: Follow): ViewTypes {
  const row = createRowType(entry, base)
  const args: GraphQLFieldConfigArgumentMap = Object.fromEntries(
    entry.keys.map(({ name, scalar, column }) => [
      name,
      { type: new GraphQLNonNull(base.scalars[scalar]), description: `The index key ${column.name}.` },
    ]),
  )
  const key = new GraphQLInputObjectType({
    name: `${entry.typeName}Key`,
    description: `An entity of ${entry.view.record.name}.`,
    fields: args,
  })
  const answer = createAnswerType(entry, row, base)
  key.getFields()
  answer.getFields()
  const description = describe(entry)
  const one: GraphQLFieldConfig<FeaturesSource, Context> = {
    type: entry.isInTime ? row : listOf(row),
    description: `${description}\n\n${entry.isInTime ? 'The row as of the moment that is asked about, or null.' : "One entity's rows."}`,
    args,
    extensions: { complexity: { field: 1, multiplier: 1 } },
    resolve: async (_features, own, context) => {
      const rows = await rowsOfOne(entry, context, keyOf(entry, own))
      return entry.isInTime ? (rows[0] ?? null) : rows
    },
  }
  const many: GraphQLFieldConfig<FeaturesSource, Context> = {
    type: listOf(answer),
    description: `${description}\n\nAn answer for each key, in order.`,
    args: { keys: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(key))) } },
    extensions: {
      complexity: ({ keys }: { keys: readonly unknown[] }) => ({ field: 1, multiplier: keys.length }),
    },
    resolve: (_features, { keys }, context) =>
      answersOf(
        entry,
        context,
        (keys as Arguments[]).map((own) => keyOf(entry, own)),
      ),
  }
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

function listOf(type: GraphQLObjectType): GraphQLOutputType {
  return new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)))
}

function createRowType(entry: TypedEntry, base: BaseTypes): GraphQLObjectType {
  const shape: Shape = { kind: 'object', typeName: entry.typeName, members: entry.members }
  return createObject(shape, base, {
    description: describe(entry),
    noteOf: (key) => entry.notes.get(key),
  })
}

interface Described {
  description?: string
  noteOf?: (key: string) => { description: string | null; deprecated: string | null } | undefined
}

function createObject(
  { typeName, members }: Extract<Shape, { kind: 'object' }>,
  base: BaseTypes,
  { description, noteOf = () => undefined }: Described = {},
): GraphQLObjectType {
  const fields = members.map(({ name, key, shape }): [string, GraphQLFieldConfig<object, Context>] => {
    const note = noteOf(key)
    return [
      name,
      {
        type: toType(shape, base),
        description: note?.description ?? (name === key ? undefined : key),
        deprecationReason: note?.deprecated,
        extensions: { complexity: { field: 1, multiplier: 1 } },
        resolve: (row) => cellOf(row, key),
      },
    ]
  })
  const type = new GraphQLObjectType({ name: typeName, description, fields: Object.fromEntries(fields) })
  type.getFields()
  return type
}

/** A row may lack what an ETL leaves out, and a column may be called as what every object has. */
function cellOf(row: object, key: string): unknown {
  return Object.hasOwn(row, key) ? (row as Record<string, unknown>)[key] : null
}

function toType(shape: Shape, base: BaseTypes): GraphQLOutputType {
  switch (shape.kind) {
    case 'scalar':
      return base.scalars[shape.scalar]
    case 'list':
      return new GraphQLList(toType(shape.item, base))
    case 'object':
      return createObject(shape, base)
  }
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
        // An executor throws an error that a resolver returns.
        resolve: ({ result: { error } }) => error && { code: error.code, message: error.message },
      },
      ...rows,
    },
  })
}

/** What its owner says of it. */
function describe({ view: { record } }: TypedEntry): string {
  const facts = [
    record.owner === null ? null : `Owner: ${record.owner}.`,
    record.tags.length === 0 ? null : `Tags: ${record.tags.join(', ')}.`,
  ].filter((fact) => fact !== null)
  const about = record.description ?? `The feature view ${record.name}.`
  return [about, ...(facts.length === 0 ? [] : [facts.join(' ')])].join('\n\n')
}
