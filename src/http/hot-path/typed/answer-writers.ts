// What typed fields answer of an entity, and vectors, as JSON text by what a selection asks of them.

import { type FieldNode, type GraphQLObjectType, getNullableType, isScalarType } from 'graphql'
import type { AppError } from '../../../errors.ts'
import type { RealtimeResult } from '../../../realtime/service.ts'
import { rememberParts, type VectorPart } from '../../../realtime/vectors/parts.ts'
import type { FeatureVector } from '../../../realtime/vectors/vectors.ts'
import { type ByteText, toByteText } from '../../../values/byte-text.ts'
import { formatMicros } from '../../../values/calendar.ts'
import { NotProven } from '../fields.ts'
import { type Collect, createObjectWriter, typename, type Write } from './object-writer.ts'
import type { RowWriter } from './row-writer.ts'

type WriterOfRows = (nodes: readonly FieldNode[]) => RowWriter

export function listOfTexts(texts: readonly string[]): ByteText {
  return `[${texts.join()}]` as ByteText
}

/** Of a view's rows what its own field gives. */
export function rowOrNull([row]: readonly ByteText[]): ByteText {
  return row ?? ('null' as ByteText)
}

/** A view's result for one key, and that key. */
export interface Keyed {
  result: RealtimeResult
  key: Readonly<Record<string, unknown>>
}

/** What a view's `…Many` field gives for one key. */
export function createAnswerWriter(
  answer: GraphQLObjectType,
  { nodes, collect, rowsOf }: { nodes: readonly FieldNode[]; collect: Collect; rowsOf: WriterOfRows },
): Write<Keyed> {
  return createObjectWriter<Keyed>(nodes, collect, (name, ofField) => {
    switch (name) {
      case typename:
        return () => `"${answer.name}"`
      case 'status':
        return ({ result }) => `"${result.status}"`
      case 'source':
        return ({ result }) => `"${result.source}"`
      case 'asOf':
        return ({ result: { asOfMs } }) => (asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`)
      case 'eventTime':
        return ({ result }) => momentText(result.eventTime)
      case 'error': {
        const write = createFailureWriter(ofField, collect)
        return ({ result }) => write(result)
      }
      case 'row': {
        const writer = rowsOf(ofField)
        return ({ result }) => rowOrNull(writer.rows(result.rows))
      }
      case 'rows': {
        const writer = rowsOf(ofField)
        return ({ result }) => listOfTexts(writer.rows(result.rows))
      }
      default: {
        const write = createKeyWriter(answer, name)
        return ({ key }) => write(key[name])
      }
    }
  })
}

/** A part of the key, as it was asked by. */
function createKeyWriter(answer: GraphQLObjectType, name: string): Write<unknown> {
  const type = answer.getFields()[name]?.type
  const scalar = type && getNullableType(type)
  if (!isScalarType(scalar)) throw new NotProven()
  return (value) => (value == null ? 'null' : toByteText(JSON.stringify(scalar.coerceOutputValue(value))))
}

/** What a service's `…Many` field gives for one entity. */
export function createServiceAnswerWriter(
  answer: GraphQLObjectType,
  {
    nodes,
    collect,
    rowOf,
    columnOf,
  }: {
    nodes: readonly FieldNode[]
    collect: Collect
    rowOf: WriterOfRows
    /** An entity's, by the name of the argument. */
    columnOf(name: string): string
  },
): Write<FeatureVector> {
  return createObjectWriter<FeatureVector>(nodes, collect, (name, ofField) => {
    switch (name) {
      case typename:
        return () => `"${answer.name}"`
      case 'views':
        return createPartsWriter(ofField, collect)
      case 'error':
        return createFailureWriter(ofField, collect)
      case 'row': {
        const writer = rowOf(ofField)
        return ({ error, features }) => (error === null ? writer.row(features) : 'null')
      }
      default: {
        const write = createKeyWriter(answer, name)
        const column = columnOf(name)
        return ({ entity }) => write((entity as Keyed['key'])[column])
      }
    }
  })
}

/** A vector as `onlineFeatures` gives it. */
export function createVectorWriter(nodes: readonly FieldNode[], collect: Collect): Write<FeatureVector> {
  return createObjectWriter<FeatureVector>(nodes, collect, (name, ofField) => {
    switch (name) {
      case typename:
        return () => '"FeatureVector"'
      case 'views':
        return createPartsWriter(ofField, collect)
      case 'error':
        return createFailureWriter(ofField, collect)
      case 'entity':
        return ({ entity }) => toByteText(JSON.stringify(entity ?? null))
      case 'features':
        return ({ features }) => features
      default:
        throw new NotProven()
    }
  })
}

function createPartsWriter(nodes: readonly FieldNode[], collect: Collect): Write<FeatureVector> {
  const write = createObjectWriter<VectorPart>(nodes, collect, (name, ofField) => {
    switch (name) {
      case typename:
        return () => '"VectorPart"'
      case 'view':
        return ({ view }) => toByteText(JSON.stringify(view))
      case 'status':
        return ({ status }) => `"${status}"`
      case 'source':
        return ({ source }) => `"${source}"`
      case 'eventTime':
        return ({ eventTime }) => momentText(eventTime)
      case 'asOf':
        return ({ asOf }) => momentText(asOf)
      case 'error':
        return createFailureWriter(ofField, collect)
      default:
        throw new NotProven()
    }
  })
  const textOf = rememberParts(write)
  return ({ views }) => textOf(views)
}

function createFailureWriter(
  nodes: readonly FieldNode[],
  collect: Collect,
): Write<{ error: AppError | null }> {
  const write = createObjectWriter<AppError>(nodes, collect, (name) => {
    if (name === 'code') return ({ code }) => JSON.stringify(code)
    if (name === 'message') return ({ message }) => toByteText(JSON.stringify(message))
    if (name === typename) return () => '"RealtimeFailure"'
    throw new NotProven()
  })
  return ({ error }) => (error === null ? 'null' : write(error))
}

export function momentText(micros: bigint | null): string {
  return micros === null ? 'null' : `"${formatMicros(micros)}"`
}
