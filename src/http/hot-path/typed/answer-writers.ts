// What typed fields answer of an entity, and vectors, as JSON text by what a selection asks of them.

import type { FieldNode } from 'graphql'
import type { AppError } from '../../../errors.ts'
import type { RealtimeResult } from '../../../realtime/service.ts'
import { rememberParts } from '../../../realtime/vectors/part-texts.ts'
import type { FeatureVector, VectorPart } from '../../../realtime/vectors/vectors.ts'
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

/** What a view's `…Many` field gives for one key. */
export function createAnswerWriter(
  typeName: string,
  { nodes, collect, rowsOf }: { nodes: readonly FieldNode[]; collect: Collect; rowsOf: WriterOfRows },
): Write<RealtimeResult> {
  return createObjectWriter<RealtimeResult>(nodes, collect, (name, ofField) => {
    switch (name) {
      case typename:
        return () => `"${typeName}"`
      case 'status':
        return ({ status }) => `"${status}"`
      case 'source':
        return ({ source }) => `"${source}"`
      case 'asOf':
        return ({ asOfMs }) => (asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`)
      case 'eventTime':
        return ({ eventTime }) => momentText(eventTime)
      case 'error':
        return createFailureWriter(ofField, collect)
      case 'row': {
        const writer = rowsOf(ofField)
        return ({ rows }) => rowOrNull(writer.rows(rows))
      }
      case 'rows': {
        const writer = rowsOf(ofField)
        return ({ rows }) => listOfTexts(writer.rows(rows))
      }
      default:
        throw new NotProven()
    }
  })
}

/** A vector as `onlineFeatures` gives it, or as a service's `…Many` field does, whose row is typed. */
export function createVectorWriter(
  typeName: string,
  { nodes, collect, rowOf }: { nodes: readonly FieldNode[]; collect: Collect; rowOf: WriterOfRows | null },
): Write<FeatureVector> {
  return createObjectWriter<FeatureVector>(nodes, collect, (name, ofField) => {
    switch (name) {
      case typename:
        return () => `"${typeName}"`
      case 'views':
        return createPartsWriter(ofField, collect)
      case 'error':
        return createFailureWriter(ofField, collect)
      case 'row': {
        if (rowOf === null) throw new NotProven()
        const writer = rowOf(ofField)
        return ({ error, features }) => (error === null ? writer.row(features) : 'null')
      }
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
  return ({ views }) => listOfTexts(views.map(textOf))
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
