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
import { createRowSurvey, type RowSurvey } from '../../../realtime/vectors/picker.ts'
import { anyScalar, createLatestShape, createRowShape } from '../../../realtime/vectors/row-shape.ts'
import type { Member, ScalarName, Shape } from '../../../schema/typed/shapes.ts'
import { type ByteText, toByteText, toText } from '../../../values/byte-text.ts'
import { NotProven } from '../fields.ts'
import { type Collect, createObjectWriter, selectionsOf, typename, type Write } from './object-writer.ts'
import { isAsWritten, sourceOf } from './plain-values.ts'

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
  /** Null for what is not a scalar. */
  scalar: ScalarName | null
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
      return { before, column: -1, text: `"${type.name}"` as ByteText, scalar: null, write: () => nothing }
    const { member, field } = memberOf(type, members, asked)
    const known = columns.indexOf(member.key)
    const column = known < 0 ? columns.push(member.key) - 1 : known
    const scalar = member.shape.kind === 'scalar' ? member.shape.scalar : null
    const write = createStoredWriter(field, member.shape, ofField, collect)
    return { before, column, text: nothing, scalar, write }
  })
  return createReader(cells, createRowSurvey(columns))
}

function createReader(cells: readonly Cell[], survey: RowSurvey): RowWriter {
  const { starts, ends, labels } = survey
  const latest = cells.some(mustBeRead) ? null : createLatestShape((found) => shapeOf(found, cells, labels))
  let end = 0

  function writeRead(rows: ByteText): ByteText {
    let text = '{'
    for (const { before, column, text: fixed, write } of cells) {
      const start = column < 0 ? -1 : (starts[column] ?? -1)
      const stored = () => rows.slice(start + (labels[column]?.length ?? 0), ends[column]) as ByteText
      text += before + (start < 0 ? fixed : write(stored()))
    }
    return `${text}}` as ByteText
  }

  /** Of the row at `at`; then `end` is behind it. */
  function writeAt(rows: ByteText, at: number): ByteText {
    const shape = latest?.current ?? null
    const values = shape?.match(rows, at) ?? null
    if (shape === null || values === null) {
      end = survey.read(rows, at)
      latest?.note(survey.lastLabels())
      return writeRead(rows)
    }
    end = shape.end()
    let text = '{'
    for (const { before, column, text: fixed } of cells) {
      const place = column < 0 ? 0 : (shape.places[column] ?? 0)
      text += before + (place === 0 ? fixed : values[place])
    }
    return `${text}}` as ByteText
  }

  return {
    row: (object) => writeAt(object, 0),
    rows(array) {
      const written: ByteText[] = []
      if (array.length <= 2) return written
      for (let at = 1; ; at = end + 1) {
        written.push(writeAt(array, at))
        if (array.charCodeAt(end) !== comma) return written
      }
    },
  }
}

function mustBeRead({ column, scalar }: Cell): boolean {
  return column >= 0 && scalar === null
}

/** Of rows with these labels, and which of its values each column is; 0 where the rows lack it. */
function shapeOf(found: readonly string[], cells: readonly Cell[], labels: readonly string[]) {
  const scalarOf = new Map(cells.map(({ column, scalar }) => [labels[column], scalar]))
  const captured: string[] = []
  const parts = found.map((label) => {
    const scalar = scalarOf.get(label) ?? null
    if (scalar !== null) captured.push(label)
    return RegExp.escape(label) + (scalar === null ? anyScalar : sourceOf(scalar))
  })
  return { ...createRowShape(parts), places: labels.map((label) => captured.indexOf(label) + 1) }
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
  const scalar = shape.kind === 'scalar' ? shape.scalar : null
  return (stored) =>
    stored === nothing || (scalar !== null && isAsWritten(scalar, stored))
      ? stored
      : toByteText(write(JSON.parse(toText(stored))))
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
