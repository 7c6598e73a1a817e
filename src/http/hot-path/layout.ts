// How an answer is written: the fixed text between values, and which value comes where.

import type { FieldNode, SelectionSetNode } from 'graphql'
import type { RealtimeResult } from '../../realtime/service.ts'
import type { AnswerField, AnswerType } from '../../schema/lookup-fields.ts'
import type { ByteText } from '../../values/byte-text.ts'

const typename = '__typename'

/** Null for what the type's answers do not have. */
export function fieldOf<Answer>(type: AnswerType<Answer>, name: string): AnswerField<Answer> | null {
  if (name === typename) return { write: () => `"${type.name}"`, isFixed: true }
  return Object.hasOwn(type.fields, name) ? (type.fields[name] ?? null) : null
}

export interface RootField {
  /** The response's name of the field. */
  name: string
  /** Null for __typename. */
  lookup: { call: number; row: RowLayout<RealtimeResult> } | null
  /** Where the document asks for it, for an error's locations. */
  positions: readonly number[]
}

export interface RowLayout<Answer> {
  /** How answers like this one are written. */
  formOf(answer: Answer): RowForm<Answer>
}

/** Texts, and between each two of them a value. */
interface RowForm<Answer> {
  name: string
  first: string
  last: string
  /** From the end of one row to the first value of the next. */
  joint: string
  values: readonly { write: (answer: Answer) => string; after: string }[]
}

interface Cell<Answer> {
  /** The response's name of the field. */
  name: string
  write(answer: Answer): string
  isFixed: boolean
}

export interface Layout {
  fields: readonly RootField[]
}

type Fields = ReadonlyMap<string, readonly FieldNode[]>

/** A call's place among the operation's, and what answers it. */
export interface PlacedCall {
  index: number
  type: AnswerType<RealtimeResult>
}

type Collect = (selections: readonly SelectionSetNode[]) => Fields

export function layOut(fields: Fields, callOf: ReadonlyMap<FieldNode, PlacedCall>, collect: Collect): Layout {
  return {
    fields: [...fields].map(([name, nodes]) => {
      const call = nodes[0] && callOf.get(nodes[0])
      return {
        name,
        lookup: call ? { call: call.index, row: layOutRow(call.type, nodes, collect) } : null,
        positions: nodes.flatMap(({ loc }) => (loc === undefined ? [] : [loc.start])),
      }
    }),
  }
}

function layOutRow<Answer>(
  type: AnswerType<Answer>,
  nodes: readonly FieldNode[],
  collect: Collect,
): RowLayout<Answer> {
  const fields = collect(nodes.flatMap(({ selectionSet }) => selectionSet ?? []))
  const cells = [...fields].map(([name, nodesOfField]) => toCell(type, name, nodesOfField, collect))
  const forms: RowForm<Answer>[] = []
  return {
    formOf(answer) {
      const name = type.formOf(answer)
      for (const form of forms) if (form.name === name) return form
      const form = formRow(name, cells, answer)
      forms.push(form)
      return form
    },
  }
}

function toCell<Answer>(
  type: AnswerType<Answer>,
  name: string,
  nodes: readonly FieldNode[],
  collect: Collect,
): Cell<Answer> {
  const field = fieldOf(type, nodes[0]?.name.value ?? '')
  if (field === null) throw new Error(`The field ${name} was not compiled`)
  if ('write' in field) return { name, write: field.write, isFixed: field.isFixed === true }
  const row = layOutRow(field.type, nodes, collect)
  const write = (answer: Answer) => {
    const own = field.of(answer)
    return own === null ? 'null' : writeRow(row, own)
  }
  return { name, write, isFixed: false }
}

function formRow<Answer>(form: string, cells: readonly Cell<Answer>[], example: Answer): RowForm<Answer> {
  const texts = ['{']
  const writers: ((answer: Answer) => string)[] = []
  for (const [i, { name, write, isFixed }] of cells.entries()) {
    texts[texts.length - 1] += `${i === 0 ? '' : ','}"${name}":`
    if (isFixed) texts[texts.length - 1] += write(example)
    else texts[writers.push(write)] = ''
  }
  texts[texts.length - 1] += '}'
  const [first = ''] = texts
  const last = writers.length === 0 ? '' : (texts.at(-1) ?? '')
  return {
    name: form,
    first,
    last,
    joint: `${last},${first}`,
    values: writers.map((write, i) => ({
      write,
      after: i === writers.length - 1 ? '' : (texts[i + 1] ?? ''),
    })),
  }
}

/** Names are ASCII; so is all else that is not `ByteText` already. */
export function writeRow<Answer>(layout: RowLayout<Answer>, answer: Answer): ByteText {
  const { first, values, last } = layout.formOf(answer)
  let text = first
  for (const { write, after } of values) text += write(answer) + after
  return (text + last) as ByteText
}

/** One text out of few pieces: they are joined at once. */
export function writeRows<Answer>(layout: RowLayout<Answer>, answers: readonly Answer[]): ByteText {
  const pieces: string[] = ['[']
  let before: RowForm<Answer> | null = null
  for (const answer of answers) {
    const form = layout.formOf(answer)
    if (before === form) pieces.push(form.joint)
    else pieces.push(before === null ? '' : `${before.last},`, form.first)
    for (const { write, after } of form.values) {
      pieces.push(write(answer))
      if (after !== '') pieces.push(after)
    }
    before = form
  }
  pieces.push(before?.last ?? '', ']')
  return pieces.join('') as ByteText
}
