// The fields on features that the hot path answers: views and services beneath `features`, and `onlineFeatures`.

import type { FieldNode, GraphQLObjectType } from 'graphql'
import { mapWithBreaths } from '../../../concurrency/breath.ts'
import type { Vectors } from '../../../realtime/vectors/vectors.ts'
import type { HeldSchema } from '../../../schema/held.ts'
import { type Loading, lookUpValue, lookUpValues } from '../../../schema/lookup-fields.ts'
import type { TypedEntry, TypedService } from '../../../schema/typed/entries.ts'
import { onlyVector, vectorsOf } from '../../../schema/typed/service-lookups.ts'
import { keyOf, targetOfEntry } from '../../../schema/typed/typed-lookups.ts'
import { lookUpOnline, type OnlineArguments } from '../../../schema/vectors.ts'
import type { ByteText } from '../../../values/byte-text.ts'
import {
  createAnswerWriter,
  createServiceAnswerWriter,
  createVectorWriter,
  listOfTexts,
  rowOrNull,
} from './answer-writers.ts'
import type { Collect } from './object-writer.ts'
import { createRowWriter } from './row-writer.ts'

export type Arguments = Readonly<Record<string, unknown>>
/** Begins the lookup at once. */
export type Start = (args: Arguments, loading: Loading) => Promise<ByteText>

export interface TypedLookup {
  parent: 'Query' | 'Features'
  /** The argument with the entities, where there is one answer for each. */
  list: 'keys' | 'entities' | null
  givesVectors: boolean
  /** Where it fails: null in its place, or no data at all. */
  isNullable: boolean
  /** Whether the reference path would let them pass, and looks them up now. */
  takes(args: Arguments): boolean
  /** For what is selected of its answer. Throws NotProven. */
  starter(nodes: readonly FieldNode[], collect: Collect): Start
}

/** Undefined for what is no lookup. */
export type FindLookup = (parent: TypedLookup['parent'], name: string) => TypedLookup | undefined

const ending = 'Many'

export function findLookups(
  { schema, typed, services }: Pick<HeldSchema, 'schema' | 'typed' | 'services'>,
  vectors: Pick<Vectors, 'get'>,
): FindLookup {
  const typeOf = (name: string) => schema.getType(name) as GraphQLObjectType
  const typesOf = ({ typeName }: TypedEntry | TypedService) => ({
    row: typeOf(typeName),
    answer: typeOf(`${typeName}Answer`),
  })
  const many = (name: string) => (name.endsWith(ending) ? name.slice(0, -ending.length) : '')

  return (parent, name) => {
    if (parent === 'Query') return name === 'onlineFeatures' ? onlineFeatures(vectors) : undefined
    const view = typed.get(name)
    if (view !== undefined) return ofView(view, typeOf(view.typeName))
    const viewOfMany = typed.get(many(name))
    if (viewOfMany !== undefined) return ofViewMany(viewOfMany, typesOf(viewOfMany))
    const service = services.get(name)
    if (service !== undefined) return ofService(service, typeOf(service.typeName), vectors)
    const serviceOfMany = services.get(many(name))
    return serviceOfMany && ofServiceMany(serviceOfMany, typesOf(serviceOfMany), vectors)
  }
}

async function listOf<Answer>(
  answers: readonly Answer[],
  write: (answer: Answer, i: number) => string,
): Promise<ByteText> {
  return listOfTexts(await mapWithBreaths(answers, write))
}

const ofOne = { parent: 'Features', list: null, takes: () => true } as const
const ofMany = { ...ofOne, list: 'keys', isNullable: false } as const

function ofView(entry: TypedEntry, type: GraphQLObjectType): TypedLookup {
  return {
    ...ofOne,
    givesVectors: false,
    isNullable: entry.isInTime,
    starter(nodes, collect) {
      const writer = createRowWriter(type, entry.members, nodes, collect)
      const write = entry.isInTime ? rowOrNull : listOfTexts
      return async (args, loading) => {
        const { rows, error } = await lookUpValue(loading, targetOfEntry(entry), keyOf(entry, args))
        if (error !== null) throw error
        return write(writer.rows(rows))
      }
    },
  }
}

interface ManyTypes {
  row: GraphQLObjectType
  answer: GraphQLObjectType
}

function ofViewMany(entry: TypedEntry, { row, answer }: ManyTypes): TypedLookup {
  return {
    ...ofMany,
    givesVectors: false,
    starter(nodes, collect) {
      const write = createAnswerWriter(answer, {
        nodes,
        collect,
        rowsOf: (ofField) => createRowWriter(row, entry.members, ofField, collect),
      })
      return async (args, loading) => {
        const keys = args.keys as Arguments[]
        const texts = keys.map((own) => keyOf(entry, own))
        const results = await lookUpValues(loading, targetOfEntry(entry), texts)
        return listOf(results, (result, i) => write({ result, key: keys[i] ?? {} }))
      }
    },
  }
}

function ofService(
  service: TypedService,
  type: GraphQLObjectType,
  vectors: Pick<Vectors, 'get'>,
): TypedLookup {
  return {
    ...ofOne,
    givesVectors: false,
    isNullable: true,
    starter(nodes, collect) {
      const writer = createRowWriter(type, service.members, nodes, collect)
      return async (args, loading) =>
        writer.row(
          onlyVector(await vectorsOf(service, vectors, { entities: [args], asOf: null }, loading)).features,
        )
    },
  }
}

function ofServiceMany(
  service: TypedService,
  { row, answer }: ManyTypes,
  vectors: Pick<Vectors, 'get'>,
): TypedLookup {
  return {
    ...ofMany,
    givesVectors: true,
    starter(nodes, collect) {
      const write = createServiceAnswerWriter(answer, {
        nodes,
        collect,
        rowOf: (ofField) => createRowWriter(row, service.members, ofField, collect),
        columnOf: (name) => service.args.find((arg) => arg.name === name)?.column.name ?? name,
      })
      return async ({ keys }, loading) => {
        const asked = { entities: keys as Arguments[], asOf: null }
        return listOf(await vectorsOf(service, vectors, asked, loading), write)
      }
    },
  }
}

function onlineFeatures(vectors: Pick<Vectors, 'get'>): TypedLookup {
  return {
    parent: 'Query',
    list: 'entities',
    givesVectors: true,
    isNullable: false,
    takes: ({ service, asOf }) => service !== '' && asOf == null,
    starter(nodes, collect) {
      const write = createVectorWriter(nodes, collect)
      return async (args, loading) =>
        listOf(await lookUpOnline(vectors, args as unknown as OnlineArguments, loading), write)
    },
  }
}
