// Objects as JSON text by what a selection asks of them.

import type { FieldNode, SelectionSetNode } from 'graphql'

export type Collect = (selections: readonly SelectionSetNode[]) => ReadonlyMap<string, readonly FieldNode[]>
export type Write<Value> = (value: Value) => string

export const typename = '__typename'

export function selectionsOf(nodes: readonly FieldNode[]): readonly SelectionSetNode[] {
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
