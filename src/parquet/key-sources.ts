// What stands after FROM, seen for one key: which columns tell whose row it is, and how joins pass that on.

import type { SyntaxNode } from './statement.ts'

/** Why a statement's rows cannot be shown to depend on rows of the same key alone. */
export class Unproven extends Error {}

export interface NamedColumn {
  /** Lower case; null where no reference can mean it. */
  name: string | null
  id: number
}

/**
 * Rows whose columns are known by ids. For a column in `keyed`, the rows that hold v in it depend on nothing but the
 * tables' rows whose key is v. A constant source depends on no table at all; then that is so of every column.
 */
export interface Source {
  relations: readonly { name: string; columns: readonly NamedColumn[] }[]
  /** Columns that USING or NATURAL have made one. */
  merged: ReadonlyMap<string, number>
  keyed: ReadonlySet<number>
  /** Pairs `a b`: in every row, a equals b or a is null. */
  follows: ReadonlySet<string>
  isConstant: boolean
}

export type JoinType = 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | 'SEMI' | 'ANTI'

const joinTypes = new Map<unknown, JoinType>([
  ['INNER', 'INNER'],
  ['LEFT', 'LEFT'],
  ['RIGHT', 'RIGHT'],
  ['FULL', 'FULL'],
  ['OUTER', 'FULL'],
  ['SEMI', 'SEMI'],
  ['ANTI', 'ANTI'],
])

export function readJoinType(value: unknown): JoinType {
  const type = joinTypes.get(value)
  if (type === undefined) throw new Unproven(`it has a join of the kind ${String(value)}`)
  return type
}

export function follows(source: Pick<Source, 'follows'>, follower: number, leader: number): boolean {
  return follower === leader || source.follows.has(`${follower} ${leader}`)
}

/** The keyed columns that remain when only rows with the same value in `through` stay together. */
export function keyedThrough(source: Source, through: readonly number[]): Set<number> {
  const sound = through.filter((id) => source.keyed.has(id))
  return new Set([...source.keyed].filter((id) => sound.some((other) => follows(source, other, id))))
}

export function isColumn(node: unknown): node is SyntaxNode {
  return (node as SyntaxNode | undefined)?.class === 'COLUMN_REF'
}

/** The one column that a reference means; undefined when it means none, several or a part of one. */
export function resolveColumn(source: Source, node: unknown): number | undefined {
  if (!isColumn(node)) return undefined
  const names = (node.column_names as readonly unknown[]).map((name) => String(name).toLowerCase())
  const column = names.at(-1) ?? ''
  const named = (name: string) => source.relations.filter((relation) => relation.name === name)
  let among = source.relations
  if (names.length === 1) {
    const merged = source.merged.get(column)
    if (merged !== undefined) return merged
  } else if (names.length === 2) among = named(names[0] ?? '')
  else if (names.length === 3 && named(names[0] ?? '').length === 0) among = named(names[1] ?? '')
  else return undefined
  const found = among.flatMap(({ columns }) => columns.filter(({ name }) => name === column))
  return found.length === 1 ? found[0]?.id : undefined
}

export function idsOf(source: Source): Set<number> {
  return new Set([
    ...source.relations.flatMap(({ columns }) => columns.map(({ id }) => id)),
    ...source.merged.values(),
  ])
}

/** All that AND joins. */
export function conjuncts(node: unknown): SyntaxNode[] {
  if (typeof node !== 'object' || node === null) return []
  const expression = node as SyntaxNode
  if (expression.type !== 'CONJUNCTION_AND') return [expression]
  return (expression.children as readonly unknown[]).flatMap(conjuncts)
}

/** The two sides of `a = b`, where both are columns. */
function equalColumns(all: Source, condition: SyntaxNode): [number, number] | null {
  if (condition.type !== 'COMPARE_EQUAL') return null
  const left = resolveColumn(all, condition.left)
  const right = resolveColumn(all, condition.right)
  return left === undefined || right === undefined ? null : [left, right]
}

/** Pairs of columns, one of each side, that the conditions hold equal. */
export function equalPairs(
  left: Source,
  right: Source,
  conditions: readonly SyntaxNode[],
): [number, number][] {
  const all = sideBySide(left, right)
  const [ours, theirs] = [idsOf(left), idsOf(right)]
  return conditions.flatMap((condition): [number, number][] => {
    const pair = equalColumns(all, condition)
    if (pair === null) return []
    const [a, b] = pair
    if (ours.has(a) && theirs.has(b)) return [[a, b]]
    return ours.has(b) && theirs.has(a) ? [[b, a]] : []
  })
}

export function sideBySide(left: Source, right: Source): Source {
  return {
    relations: [...left.relations, ...right.relations],
    merged: new Map([...right.merged, ...left.merged]),
    keyed: new Set([...left.keyed, ...right.keyed]),
    follows: new Set([...left.follows, ...right.follows]),
    isConstant: left.isConstant && right.isConstant,
  }
}

/** Null when the key does not hold the two sides together. */
export function joinSources(
  left: Source,
  right: Source,
  type: JoinType,
  equal: readonly (readonly [number, number])[],
): Source | null {
  const pairs = equal.filter(([a, b]) => left.keyed.has(a) && right.keyed.has(b))
  if (pairs.length === 0 && !left.isConstant && !right.isConstant) return null
  const ours = pairs.map(([a]) => a)
  const theirs = pairs.map(([, b]) => b)
  const keyed = new Set([
    ...(right.isConstant ? left.keyed : keyedThrough(left, ours)),
    ...(left.isConstant ? right.keyed : keyedThrough(right, theirs)),
  ])
  // A constant that meets a table is held together with it by nothing but the pairs.
  if (left.isConstant !== right.isConstant) {
    const [constant, bound] = left.isConstant ? [left, ours] : [right, theirs]
    for (const id of constant.keyed)
      if (!bound.some((other) => follows(constant, other, id))) keyed.delete(id)
  }
  const joined = sideBySide(left, right)
  const edges = pairs.flatMap(([a, b]) => [
    ...(type === 'INNER' || type === 'LEFT' ? [[b, a] as const] : []),
    ...(type === 'INNER' || type === 'RIGHT' ? [[a, b] as const] : []),
  ])
  if (type === 'SEMI' || type === 'ANTI') {
    const kept = idsOf(left)
    return { ...left, keyed: new Set([...keyed].filter((id) => kept.has(id))), isConstant: joined.isConstant }
  }
  return { ...joined, keyed, follows: closed(joined.follows, edges) }
}

export function closed(
  known: ReadonlySet<string>,
  edges: readonly (readonly [number, number])[],
): Set<string> {
  const pairs = [...known].map((pair) => pair.split(' ').map(Number) as [number, number])
  const all = new Set(known)
  const waiting = [...edges]
  for (let edge = waiting.pop(); edge !== undefined; edge = waiting.pop()) {
    const [from, to] = edge
    if (from === to || all.has(`${from} ${to}`)) continue
    all.add(`${from} ${to}`)
    for (const [a, b] of pairs) {
      if (a === to) waiting.push([from, b])
      if (b === from) waiting.push([a, to])
    }
    pairs.push([from, to])
  }
  return all
}
