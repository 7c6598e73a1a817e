// What a SELECT gives, column by column: which of them are columns of what it reads.

import { isColumn, resolveColumn, type Source, Unproven } from './key-sources.ts'
import type { SyntaxNode } from './statement.ts'

export interface Item {
  name: string | null
  /** The source's column that it is; undefined for anything made. */
  id: number | undefined
}

const starKeys = new Set(['class', 'type', 'relation_name', 'exclude_list', 'query_location'])
/** Nameless, these are called by their text, which is no column's name. */
const calledByText = new Set([
  'FUNCTION',
  'WINDOW',
  'CONSTANT',
  'CAST',
  'OPERATOR',
  'COMPARISON',
  'CONJUNCTION',
  'CASE',
])

export function expand(node: SyntaxNode, source: Source): Item[] {
  if (node.class === 'STAR') return expandStar(node, source)
  const id = resolveColumn(source, node)
  const isNameless = node.class !== 'COLUMN_REF' && !calledByText.has(String(node.class))
  if (typeof node.alias === 'string' && node.alias !== '') return [{ name: node.alias, id }]
  if (isNameless) throw new Unproven('it has a column without a name')
  return [{ name: isColumn(node) ? String((node.column_names as unknown[]).at(-1)) : null, id }]
}

export function expandStar(node: SyntaxNode, source: Source): Item[] {
  if (Object.keys(node).some((name) => !starKeys.has(name))) throw new Unproven('it has a * with changes')
  const excluded = (node.exclude_list ?? []) as unknown[]
  if (excluded.some((name) => typeof name !== 'string')) throw new Unproven('it has a * with changes')
  const without = new Set(excluded.map((name) => String(name).toLowerCase()))
  const only = typeof node.relation_name === 'string' ? node.relation_name.toLowerCase() : ''
  const done = new Set<string>()
  return source.relations
    .filter(({ name }) => only === '' || name === only)
    .flatMap(({ columns }) => columns)
    .flatMap(({ name, id }): Item[] => {
      const merged = only === '' && name !== null ? source.merged.get(name) : undefined
      if (name !== null && (without.has(name) || done.has(name))) return []
      if (merged !== undefined && name !== null) done.add(name)
      return [{ name, id: merged ?? id }]
    })
}

/** Columns by name, by the name or the number of what is selected. */
export function idsAmong(nodes: readonly SyntaxNode[], items: readonly Item[], source: Source): number[] {
  return nodes.flatMap((node) => {
    const id = resolveColumn(source, node) ?? items[placeAmong(node, items)]?.id
    return id === undefined ? [] : [id]
  })
}

export function placeAmong(node: SyntaxNode, items: readonly Item[]): number {
  if (node.class === 'CONSTANT') return Number((node.value as SyntaxNode | undefined)?.value) - 1
  const names = node.column_names as readonly string[] | undefined
  if (names?.length !== 1) return -1
  return items.findIndex(({ name }) => name?.toLowerCase() === names[0]?.toLowerCase())
}
