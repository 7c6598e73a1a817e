// How an answer is written: the fixed text between values, and which value comes where.

import type { FieldNode, SelectionSetNode } from 'graphql'
import type { RealtimeResult } from '../../realtime/service.ts'

const rowFields = {
  indexKey: ({ indexKey }) => JSON.stringify(indexKey),
  indexValue: ({ indexValue }) => JSON.stringify(indexValue),
  status: ({ status }) => `"${status}"`,
  source: ({ source }) => `"${source}"`,
  rows: ({ rows }) => rows,
  asOf: ({ asOfMs }) => (asOfMs === null ? 'null' : `"${new Date(asOfMs).toISOString()}"`),
  __typename: () => '"RealtimeResult"',
} satisfies Record<string, (result: RealtimeResult) => string>

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
  cells: readonly { before: string; write: (result: RealtimeResult) => string }[]
  after: string
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
  const cells = [...fields].map(([name, [node]], i) => {
    const field = node?.name.value ?? ''
    if (!isRowField(field)) throw new Error(`No field ${field} was compiled`)
    return { before: `${i === 0 ? '{' : ','}"${name}":`, write: rowFields[field] }
  })
  return { cells, after: cells.length === 0 ? '{}' : '}' }
}

export function writeRow({ cells, after }: RowLayout, result: RealtimeResult): string {
  let text = ''
  for (const { before, write } of cells) text += before + write(result)
  return text + after
}
