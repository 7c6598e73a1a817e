// How an answer is written: the fixed text between values, and which value comes where.

import type { FieldNode, SelectionSetNode } from 'graphql'
import type { RealtimeResult } from '../../realtime/service.ts'
import { type ByteText, toByteText } from '../../values/byte-text.ts'

const rowFields = {
  indexKey: ({ indexKey }) => toByteText(JSON.stringify(indexKey)),
  indexValue: ({ indexValue }) => toByteText(JSON.stringify(indexValue)),
  status: ({ status }) => `"${status}"`,
  source: ({ source }) => `"${source}"`,
  rows: ({ rows }) => rows,
  asOf: ({ asOfMs }) => (asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`),
  __typename: () => '"RealtimeResult"',
} satisfies Record<string, (result: RealtimeResult) => string>

/** The same for all results of one status and source. */
const fixedFields: ReadonlySet<string> = new Set(['status', 'source', '__typename'])

type RowField = keyof typeof rowFields

export function isRowField(name: string): name is RowField {
  return Object.hasOwn(rowFields, name)
}

export interface RootField {
  /** The response's name of the field. */
  name: string
  /** Which of the plan's calls answers it; null for __typename. */
  call: number | null
  row: RowLayout
  /** Where the document asks for it, for an error's locations. */
  positions: readonly number[]
}

export interface RowLayout {
  /** How results like this one are written: of its status and source. */
  formOf(result: RealtimeResult): RowForm
}

/** Texts, and between each two of them a value. */
interface RowForm extends Pick<RealtimeResult, 'status' | 'source'> {
  first: string
  last: string
  /** From the end of one row to the first value of the next. */
  joint: string
  values: readonly { write: (result: RealtimeResult) => string; after: string }[]
}

export interface Layout {
  fields: readonly RootField[]
}

type Fields = ReadonlyMap<string, readonly FieldNode[]>

export function layOut(
  fields: Fields,
  callOf: ReadonlyMap<FieldNode, number>,
  collect: (selections: readonly SelectionSetNode[]) => Fields,
): Layout {
  return {
    fields: [...fields].map(([name, nodes]) => ({
      name,
      call: nodes[0] === undefined ? null : (callOf.get(nodes[0]) ?? null),
      row: layOutRow(collect(nodes.flatMap(({ selectionSet }) => selectionSet ?? []))),
      positions: nodes.flatMap(({ loc }) => (loc === undefined ? [] : [loc.start])),
    })),
  }
}

function layOutRow(fields: Fields): RowLayout {
  const cells = [...fields].map(([name, [node]]) => {
    const field = node?.name.value ?? ''
    if (!isRowField(field)) throw new Error(`No field ${field} was compiled`)
    return { name, field }
  })
  const forms: RowForm[] = []
  return {
    formOf(result) {
      for (const form of forms) {
        if (form.status === result.status && form.source === result.source) return form
      }
      const form = formRow(cells, result)
      forms.push(form)
      return form
    },
  }
}

function formRow(cells: readonly { name: string; field: RowField }[], example: RealtimeResult): RowForm {
  const texts = ['{']
  const writers: ((result: RealtimeResult) => string)[] = []
  for (const [i, { name, field }] of cells.entries()) {
    texts[texts.length - 1] += `${i === 0 ? '' : ','}"${name}":`
    if (fixedFields.has(field)) texts[texts.length - 1] += rowFields[field](example)
    else texts[writers.push(rowFields[field])] = ''
  }
  texts[texts.length - 1] += '}'
  const [first = ''] = texts
  const last = writers.length === 0 ? '' : (texts.at(-1) ?? '')
  return {
    status: example.status,
    source: example.source,
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
export function writeRow(layout: RowLayout, result: RealtimeResult): ByteText {
  const { first, values, last } = layout.formOf(result)
  let text = first
  for (const { write, after } of values) text += write(result) + after
  return (text + last) as ByteText
}

/** One text out of few pieces: they are joined at once. */
export function writeRows(layout: RowLayout, results: readonly RealtimeResult[]): ByteText {
  const pieces: string[] = ['[']
  let before: RowForm | null = null
  for (const result of results) {
    const form = layout.formOf(result)
    if (before === form) pieces.push(form.joint)
    else pieces.push(before === null ? '' : `${before.last},`, form.first)
    for (const { write, after } of form.values) {
      pieces.push(write(result))
      if (after !== '') pieces.push(after)
    }
    before = form
  }
  pieces.push(before?.last ?? '', ']')
  return pieces.join('') as ByteText
}
