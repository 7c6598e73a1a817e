// Rows of typed fields out of their stored JSON, by what a selection asks of them, as the executor and its encoder would write them.

import {
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLScalarType,
  getNamedType,
  getNullableType,
  isListType,
  isObjectType,
  isScalarType,
} from 'graphql'
import { createRowSurvey } from '../../../realtime/vectors/picker.ts'
import type { Member, Shape } from '../../../schema/typed/shapes.ts'
import { type ByteText, toByteText, toText } from '../../../values/byte-text.ts'
import { NotProven } from '../fields.ts'
import { type Collect, createObjectWriter, selectionsOf, typename, type Write } from './object-writer.ts'
import { isAsWritten } from './plain-values.ts'

const nothing = 'null' as ByteText
const comma = 0x2c

export interface RowWriter {
  /** All rows of an array. */
  rows(array: ByteText): readonly ByteText[]
  /** One that stands by itself. */
  row(object: ByteText): ByteText
}

interface Cell {
  before: string
  /** Of the columns that are read; -1 for what stands in `text`. */
  column: number
  text: ByteText
  /** Of a value as it is stored. */
  write(stored: ByteText): ByteText
}

export function createRowWriter(
  type: GraphQLObjectType,
  members: readonly Member[],
  nodes: readonly FieldNode[],
  collect: Collect,
): RowWriter {
  const columns: string[] = []
  const cells = [...collect(selectionsOf(nodes))].map(([name, ofField], i): Cell => {
    const before = `${i === 0 ? '' : ','}"${name}":`
    const asked = ofField[0]?.name.value ?? ''
    if (asked === typename)
      return { before, column: -1, text: `"${type.name}"` as ByteText, write: () => nothing }
    const { member, field } = memberOf(type, members, asked)
    const known = columns.indexOf(member.key)
    const column = known < 0 ? columns.push(member.key) - 1 : known
    return { before, column, text: nothing, write: createStoredWriter(field, member.shape, ofField, collect) }
  })
  const survey = createRowSurvey(columns)
  const { starts, ends, labels } = survey

  /** After the survey has read it. */
  function write(rows: ByteText): ByteText {
    let text = '{'
    for (const cell of cells) {
      text += cell.before
      const start = cell.column < 0 ? -1 : (starts[cell.column] ?? -1)
      text +=
        start < 0
          ? cell.text
          : cell.write(rows.slice(start + (labels[cell.column] ?? 0), ends[cell.column]) as ByteText)
    }
    return `${text}}` as ByteText
  }

  return {
    row(object) {
      survey.read(object, 0)
      return write(object)
    },
    rows(array) {
      const written: ByteText[] = []
      if (array.length <= 2) return written
      for (let at = 1; ; at++) {
        at = survey.read(array, at)
        written.push(write(array))
        if (array.charCodeAt(at) !== comma) return written
      }
    },
  }
}

function memberOf(type: GraphQLObjectType, members: readonly Member[], name: string) {
  const member = members.find((each) => each.name === name)
  const field = type.getFields()[name]
  if (member === undefined || field === undefined) throw new NotProven()
  return { member, field: field.type }
}

/** What is stored as it is written is copied; all else is read and written anew. */
function createStoredWriter(
  type: GraphQLOutputType,
  shape: Shape,
  nodes: readonly FieldNode[],
  collect: Collect,
): (stored: ByteText) => ByteText {
  const write = createCellWriter(type, shape, nodes, collect)
  const isPlain = shape.kind === 'scalar' ? isAsWritten[shape.scalar] : () => false
  return (stored) =>
    isPlain(stored) || stored === nothing ? stored : toByteText(write(JSON.parse(toText(stored))))
}

/** Of a struct within a row. */
function createStructWriter(
  type: GraphQLObjectType,
  members: readonly Member[],
  nodes: readonly FieldNode[],
  collect: Collect,
): Write<object> {
  return createObjectWriter<object>(nodes, collect, (name, ofField) => {
    if (name === typename) return () => `"${type.name}"`
    const { member, field } = memberOf(type, members, name)
    const write = createCellWriter(field, member.shape, ofField, collect)
    const { key } = member
    return (row) => write(Object.hasOwn(row, key) ? (row as Record<string, unknown>)[key] : null)
  })
}

/** Of a value that is read. */
function createCellWriter(
  type: GraphQLOutputType,
  shape: Shape,
  nodes: readonly FieldNode[],
  collect: Collect,
): Write<unknown> {
  const orNull =
    (write: Write<unknown>): Write<unknown> =>
    (value) =>
      value == null ? 'null' : write(value)
  const own = getNullableType(type)
  if (isListType(own) && shape.kind === 'list') {
    const write = createCellWriter(own.ofType as GraphQLOutputType, shape.item, nodes, collect)
    return orNull((value) => `[${(value as readonly unknown[]).map(write).join()}]`)
  }
  if (isObjectType(own) && shape.kind === 'object') {
    const write = createStructWriter(own, shape.members, nodes, collect)
    return orNull((value) => write(value as object))
  }
  const leaf = getNamedType(type)
  if (!isScalarType(leaf)) throw new NotProven()
  return orNull((value) => JSON.stringify((leaf as GraphQLScalarType).coerceOutputValue(value)))
}
