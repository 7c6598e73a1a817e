// Rows and answers of typed fields as JSON text, by what a selection asks of them, as the executor and its encoder would write them.

import {
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  getNullableType,
  isListType,
  isObjectType,
  isScalarType,
  type SelectionSetNode,
} from 'graphql'
import type { TypedEntry } from '../../../schema/typed/entries.ts'
import type { Member, Shape } from '../../../schema/typed/shapes.ts'
import type { TypedAnswer } from '../../../schema/typed/typed-lookups.ts'
import { formatMicros } from '../../../values/calendar.ts'
import { NotProven } from '../fields.ts'

export type Collect = (selections: readonly SelectionSetNode[]) => ReadonlyMap<string, readonly FieldNode[]>
export type Write<Value> = (value: Value) => string

const typename = '__typename'

function selectionsOf(nodes: readonly FieldNode[]): readonly SelectionSetNode[] {
  return nodes.flatMap(({ selectionSet }) => selectionSet ?? [])
}

/** `{"a":…,"b":…}` of what each of the fields writes. */
export function createObjectWriter<Value>(
  nodes: readonly FieldNode[],
  collect: Collect,
  writerOf: (name: string, nodes: readonly FieldNode[]) => Write<Value>,
): Write<Value> {
  const cells = [...collect(selectionsOf(nodes))].map(([name, ofField], i) => ({
    before: `${i === 0 ? '' : ','}"${name}":`,
    write: writerOf(ofField[0]?.name.value ?? '', ofField),
  }))
  return (value) => {
    let text = '{'
    for (const { before, write } of cells) text += before + write(value)
    return `${text}}`
  }
}

export function listWriter<Value>(write: Write<Value>): Write<readonly Value[]> {
  return (values) => `[${values.map(write).join()}]`
}

/** A row, or a struct within it. */
export function createRowWriter(
  type: GraphQLObjectType,
  members: readonly Member[],
  nodes: readonly FieldNode[],
  collect: Collect,
): Write<object> {
  return createObjectWriter<object>(nodes, collect, (name, ofField) => {
    if (name === typename) return () => `"${type.name}"`
    const member = members.find((each) => each.name === name)
    const field = type.getFields()[name]
    if (member === undefined || field === undefined) throw new NotProven()
    const write = createCellWriter(field.type, member.shape, ofField, collect)
    const { key } = member
    return (row) => write(Object.hasOwn(row, key) ? (row as Record<string, unknown>)[key] : null)
  })
}

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
    const items = listWriter(createCellWriter(own.ofType as GraphQLOutputType, shape.item, nodes, collect))
    return orNull((value) => items(value as readonly unknown[]))
  }
  if (isObjectType(own) && shape.kind === 'object') {
    const write = createRowWriter(own, shape.members, nodes, collect)
    return orNull((value) => write(value as object))
  }
  const leaf = getNamedType(type)
  if (!isScalarType(leaf)) throw new NotProven()
  return orNull((value) => JSON.stringify(leaf.coerceOutputValue(value)))
}

/** What a `…Many` field gives for one key. */
export function createAnswerWriter(
  { typeName, members, isInTime }: TypedEntry,
  { row, answer }: { row: GraphQLObjectType; answer: GraphQLObjectType },
  nodes: readonly FieldNode[],
  collect: Collect,
): Write<TypedAnswer> {
  const rowsOf = (ofField: readonly FieldNode[]) => createRowWriter(row, members, ofField, collect)
  return createObjectWriter<TypedAnswer>(nodes, collect, (name, ofField) => {
    switch (name) {
      case typename:
        return () => `"${typeName}Answer"`
      case 'status':
        return ({ result }) => `"${result.status}"`
      case 'source':
        return ({ result }) => `"${result.source}"`
      case 'asOf':
        return ({ result: { asOfMs } }) => (asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`)
      case 'eventTime':
        return ({ result: { eventTime } }) => (eventTime === null ? 'null' : `"${formatMicros(eventTime)}"`)
      case 'error':
        return createFailureWriter(ofField, collect)
      case 'row': {
        const write = rowsOf(ofField)
        return ({ rows: [first] }) => (first === undefined ? 'null' : write(first))
      }
      case 'rows': {
        const write = listWriter(rowsOf(ofField))
        return ({ rows }) => write(rows)
      }
      default:
        throw new NotProven(`${answer.name} ${isInTime}`)
    }
  })
}

function createFailureWriter(nodes: readonly FieldNode[], collect: Collect): Write<TypedAnswer> {
  const write = createObjectWriter<{ code: string; message: string }>(nodes, collect, (name) => {
    if (name === 'code') return ({ code }) => JSON.stringify(code)
    if (name === 'message') return ({ message }) => JSON.stringify(message)
    if (name === typename) return () => '"RealtimeFailure"'
    throw new NotProven()
  })
  return ({ result: { error } }) => (error === null ? 'null' : write(error))
}
