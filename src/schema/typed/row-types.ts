// Rows as GraphQL objects, and what the fields of views and of services have in common.

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
  type GraphQLScalarType,
  type GraphQLSchema,
  GraphQLString,
} from 'graphql'
import type { AppError } from '../../errors.ts'
import type { Column } from '../../values/columns.ts'
import type { Context } from '../context.ts'
import { bytesScalar, dateScalar, decimalScalar, timestampScalar } from './scalars.ts'
import type { ScalarName, Shape } from './shapes.ts'

/** What the field `features` passes to those beneath it. */
export interface FeaturesSource {
  /** In microseconds UTC; null for now. */
  asOf: bigint | null
}

/** What a field is asked with. */
export type Arguments = Readonly<Record<string, unknown>>

/** The types of the schema's own that features are made of. */
export interface BaseTypes {
  scalars: Record<ScalarName, GraphQLScalarType>
  dateTime: GraphQLScalarType
  status: GraphQLEnumType
  source: GraphQLEnumType
  failure: GraphQLObjectType
  part: GraphQLObjectType
}

/** An object type that others of the graph refer to by its key. */
export interface EntityType {
  type: GraphQLObjectType
  keys: readonly { name: string; scalar: GraphQLScalarType; isNullable: boolean }[]
  /** Of each key, in order: the object, null where there is none, or what went wrong with it. */
  find(keys: readonly Arguments[], context: Context): Promise<readonly (object | null)[]>
}

export interface EntryTypes {
  /** Of `Features`. */
  fields: Readonly<Record<string, GraphQLFieldConfig<FeaturesSource, Context>>>
  /** Of `Subscription`, under the entry's name. */
  subscription: GraphQLFieldConfig<unknown, Context>
  entities: readonly EntityType[]
}

/** Of an argument that is found again in an answer. */
export interface KeyPart {
  name: string
  column: Pick<Column, 'name' | 'nullable'>
  scalar: ScalarName
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
    part: own<GraphQLObjectType>('VectorPart'),
  }
}

export function listOf(type: GraphQLObjectType): GraphQLOutputType {
  return new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)))
}

interface Described {
  description?: string
  noteOf?: (key: string) => { description: string | null; deprecated: string | null } | undefined
}

export function createObject(
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

/** What its owner says of a view or a service. */
export function describeWords(
  { name, description, owner, tags }: Words,
  noun: 'feature view' | 'feature service',
): string {
  const facts = [
    owner === null ? null : `Owner: ${owner}.`,
    tags.length === 0 ? null : `Tags: ${tags.join(', ')}.`,
  ].filter((fact) => fact !== null)
  const about = description ?? `The ${noun} ${name}.`
  return [about, ...(facts.length === 0 ? [] : [facts.join(' ')])].join('\n\n')
}

interface Words {
  name: string
  description: string | null
  owner: string | null
  tags: readonly string[]
}

/** Of the key's fields: an input object whose every part is made now. */
export function createKeyType(
  name: string,
  description: string,
  fields: GraphQLFieldConfigArgumentMap,
): GraphQLInputObjectType {
  const key = new GraphQLInputObjectType({ name, description, fields })
  key.getFields()
  return key
}

/** An argument's type, and that of its place in an answer. */
export function typeOfKey({ scalar, column }: KeyPart, base: BaseTypes) {
  const type = base.scalars[scalar]
  return column.nullable ? type : new GraphQLNonNull(type)
}

export function entityKeysOf(keys: readonly KeyPart[], base: BaseTypes): EntityType['keys'] {
  return keys.map(({ name, scalar, column }) => ({
    name,
    scalar: base.scalars[scalar],
    isNullable: column.nullable,
  }))
}

/** The key among an answer's own fields; what is called as one of those is left out. */
export function keyFieldsOf<Answer>(
  keys: readonly KeyPart[],
  base: BaseTypes,
  { own, resolve }: { own: object; resolve(answer: Answer, key: KeyPart): unknown },
): Record<string, GraphQLFieldConfig<Answer, Context>> {
  return Object.fromEntries(
    keys
      .filter(({ name }) => !Object.hasOwn(own, name))
      .map((key) => [
        key.name,
        {
          type: typeOfKey(key, base),
          description: 'As it was asked for.',
          resolve: (answer: Answer) => resolve(answer, key),
        },
      ]),
  )
}

/** The field that answers a list of keys. */
export function manyField(
  {
    answer,
    key,
    description,
  }: { answer: GraphQLObjectType; key: GraphQLInputObjectType; description: string },
  resolve: (source: FeaturesSource, keys: readonly Arguments[], context: Context) => unknown,
): GraphQLFieldConfig<FeaturesSource, Context> {
  return {
    type: listOf(answer),
    description,
    args: { keys: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(key))) } },
    extensions: {
      complexity: ({ keys }: { keys: readonly unknown[] }) => ({ field: 1, multiplier: keys.length }),
    },
    resolve: (source, { keys }, context) => resolve(source, keys as Arguments[], context),
  }
}

/** What went wrong, as an answer tells it. An executor throws an error that a resolver returns. */
export function failureOf(error: AppError | null) {
  return error && { code: error.code, message: error.message }
}
