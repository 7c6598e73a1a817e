// The fields by which the router of a federated graph gets features for its entities: `_entities` and `_service`.

import {
  type GraphQLFieldConfig,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLString,
  GraphQLUnionType,
} from 'graphql'
import { AppError, messageOf } from '../../errors.ts'
import type { Context } from '../context.ts'
import { guard } from './guard.ts'
import type { Arguments, EntityType } from './row-types.ts'

export interface FederationOptions {
  /** The scalar that takes any JSON. */
  json: GraphQLScalarType
  maxRepresentations: number
  /** The schema in force as other schemas are composed with it. */
  subgraphText(): Promise<string>
}

/** No entry may have one of these names, nor FieldSet, which federation's directives use. */
export const federationTypeNames = ['_Any', '_Entity', '_Service']
export const federationFieldNames = ['_entities', '_service']

/** Characters of what a caller has sent that are told back. */
const maxQuoted = 100

type Fields = Record<string, GraphQLFieldConfig<unknown, Context>>

/** Made anew for each schema: of which types an entity may be is asked of each. */
export function createFederationFields(
  entities: readonly EntityType[],
  { json, maxRepresentations, subgraphText }: FederationOptions,
): Fields {
  const byName = new Map(entities.map((each) => [each.type.name, each]))
  const typeNames = new WeakMap<object, string>()
  const entity = new GraphQLUnionType({
    name: '_Entity',
    types: entities.map(({ type }) => type),
    resolveType: (found) => typeNames.get(found as object),
  })
  const any = new GraphQLScalarType({
    ...json.toConfig(),
    name: '_Any',
    description: 'A __typename and a key.',
  })
  const service = new GraphQLObjectType({
    name: '_Service',
    fields: { sdl: { type: GraphQLString, resolve: subgraphText } },
  })
  return {
    _entities: {
      type: new GraphQLNonNull(new GraphQLList(entity)),
      description: 'For routers of a federated graph: what these refer to, as it is now.',
      args: { representations: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(any))) } },
      extensions: {
        complexity: ({ representations }: { representations: readonly unknown[] }) => ({
          field: 1,
          multiplier: representations.length,
        }),
      },
      async resolve(_root, { representations }: { representations: readonly unknown[] }, context, info) {
        guard(context, info)
        if (representations.length > maxRepresentations)
          throw new AppError(
            'TOO_LARGE',
            `${representations.length} representations were asked for at once; at most ${maxRepresentations} are answered (MAX_INDEX_VALUES).`,
          )
        return findEntities(byName, representations, { context, typeNames })
      },
    },
    _service: {
      type: new GraphQLNonNull(service),
      description: 'For routers of a federated graph: the schema that they compose with others.',
      resolve: () => ({}),
    },
  }
}

/** All types are asked at once, so that they share a read of the online store. */
async function findEntities(
  byName: ReadonlyMap<string, EntityType>,
  representations: readonly unknown[],
  { context, typeNames }: { context: Context; typeNames: WeakMap<object, string> },
): Promise<readonly (object | null)[]> {
  const answers: (object | null)[] = []
  const wanted = new Map<EntityType, { at: number; key: Arguments }[]>()
  for (const [at, each] of representations.entries()) {
    const read = readRepresentation(byName, each)
    answers[at] = read instanceof AppError ? read : null
    if (read instanceof AppError) continue
    const asked = wanted.get(read.entity) ?? []
    asked.push({ at, key: read.key })
    wanted.set(read.entity, asked)
  }
  await Promise.all(
    [...wanted].map(async ([{ type, find }, asked]) => {
      const keys = asked.map(({ key }) => key)
      const found = await find(keys, context).catch((error: Error) => asked.map(() => error))
      for (const [i, { at }] of asked.entries()) {
        const each = found[i] ?? null
        answers[at] = each
        if (each !== null) typeNames.set(each, type.name)
      }
    }),
  )
  return answers
}

/** An error where it is none: an executor throws an error that a resolver returns, in its own place. */
function readRepresentation(
  byName: ReadonlyMap<string, EntityType>,
  representation: unknown,
): { entity: EntityType; key: Arguments } | AppError {
  if (typeof representation !== 'object' || representation === null || Array.isArray(representation))
    return bad(`A representation is an object with a "__typename" and a key, not ${quote(representation)}`)
  const given = representation as Arguments
  const { __typename: typeName } = given
  const entity = typeof typeName === 'string' ? byName.get(typeName) : undefined
  if (entity === undefined)
    return bad(
      `A representation's __typename is the name of a type that has a key in this schema, not ${quote(typeName)}`,
    )
  const key: Record<string, unknown> = {}
  for (const { name, scalar, isNullable } of entity.keys) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    const label = `${name} of a representation of ${entity.type.name}`
    if (value === undefined || value === null) {
      if (!isNullable) return bad(`${label} is missing: it is a ${scalar.name}`)
      continue
    }
    try {
      key[name] = scalar.coerceInputValue(value)
    } catch (error) {
      return bad(`${label}: ${shorten(messageOf(error))}`)
    }
  }
  return { entity, key }
}

function bad(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}

function quote(value: unknown): string {
  return shorten(JSON.stringify(value) ?? String(value))
}

function shorten(text: string): string {
  return text.length > maxQuoted ? `${text.slice(0, maxQuoted)}…` : text
}
