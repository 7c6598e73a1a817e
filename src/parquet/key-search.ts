// Finds parts of a statement's tree: subqueries, windows, columns from outside.

import { idsOf, isColumn, resolveColumn, type Source } from './key-sources.ts'
import type { SyntaxNode } from './statement.ts'

/** The nodes that pass the test, and are not within one that does. */
export function outermost(part: unknown, test: (node: SyntaxNode) => boolean): SyntaxNode[] {
  if (Array.isArray(part)) return part.flatMap((item) => outermost(item, test))
  if (typeof part !== 'object' || part === null) return []
  if (test(part as SyntaxNode)) return [part as SyntaxNode]
  return Object.values(part).flatMap((child) => outermost(child, test))
}

export function isSubquery(node: SyntaxNode): boolean {
  return node.class === 'SUBQUERY'
}

export function hasSubquery(part: unknown): boolean {
  return outermost(part, isSubquery).length > 0
}

export function windowsIn(part: unknown): SyntaxNode[] {
  const found = outermost(part, (node) => node.class === 'WINDOW' || isSubquery(node))
  return found.filter(({ class: kind }) => kind === 'WINDOW')
}

/** Columns that come from outside: of a constant, all that it does not know. */
export function hasForeignColumns(part: unknown, source: Source): boolean {
  return outermost(part, isColumn).some((node) => resolveColumn(source, node) === undefined)
}

/** Whether any table of the source has a column of the reference's name, or bears the name before it. */
export function isKnownIn(node: unknown, source: Source): boolean {
  if (!isColumn(node)) return false
  const names = (node.column_names as readonly unknown[]).map((name) => String(name).toLowerCase())
  const column = names.at(-1)
  if (names.length === 1)
    return (
      idsOf(source).size > 0 &&
      source.relations.some(({ columns }) => columns.some(({ name }) => name === column))
    )
  return source.relations.some(({ name }) => name === names.at(-2))
}
