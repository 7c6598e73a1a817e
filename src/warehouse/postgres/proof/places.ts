// Where the server's columns stand in the rows of an operator, and which expressions of a statement are the same.

import type { CalledFunction } from './functions.ts'
import { isNode, listOf, nodesOf, numberOf, type TreeNode, type TreeValue } from './tree.ts'

/** Why a statement's tree cannot be followed, as the end of "…, because". */
export class NotFollowed extends Error {}

export interface BoundTable {
  kind: 'table'
  name: string
  /** Of a column by its number, from 1; undefined of one that is dropped. */
  nameOf(number: number): string | undefined
  keyIndexes: readonly (number | null)[]
  uniques: readonly (readonly number[])[]
}

/** What the server's catalog says of a statement's parts. */
export interface RelationParts {
  functionOf(oid: number): Pick<CalledFunction, 'name' | 'isOwn'>
  /** A table by its number, or the query behind a view. */
  tableOf(oid: number): BoundTable | { kind: 'view'; query: TreeNode }
  /** Whether texts may be compared by a collation to which different texts are equal. */
  isLoose: boolean
}

/** A query within queries. */
export interface Level {
  id: number
  tables: readonly TreeNode[]
  /** What WITH has defined here so far, by name. */
  withs: Map<string, { id: string; width: number }>
}

/** From the innermost out. */
export type Levels = readonly Level[]

/** The columns of a row, by the shapes of what they hold. */
export type Row = ReadonlyMap<string, number>

export interface Place {
  levels: Levels
  row: Row
  /** The rows from outside, from the nearest on. */
  frames: readonly Row[]
}

export type Shapes = ReturnType<typeof createShapes>

/** In which a same expression may differ: where it was written, and how. */
const unimportant = /^(location|varnosyn|varattnosyn|(func|relabel|coerce|row_)format)$/

/** Each expression's shape is the same text for all that the server takes for one. */
export function createShapes() {
  let lastLevel = 0
  const known = new Map<string, string>()
  /** By the query that the node was looked at in, which all levels follow from. */
  const seen = new WeakMap<TreeNode, { level: number; shape: string }>()
  const isWithin = (levels: Levels, node: TreeNode) => levels[numberOf(node, 'varlevelsup')] !== undefined

  function intern(text: string): string {
    const shape = known.get(text) ?? `#${known.size}`
    known.set(text, shape)
    return shape
  }

  const createLevel = (query: TreeNode): Level => levelOf(query, ++lastLevel)

  function of(value: TreeValue | undefined, levels: Levels): string {
    if (Array.isArray(value))
      return intern(`(${(value as TreeValue[]).map((item) => of(item, levels)).join(' ')})`)
    if (!isNode(value)) return String(value)
    const level = levels[0]?.id ?? 0
    const before = seen.get(value)
    if (before?.level === level) return before.shape
    const shape = ofNode(value, levels)
    if (level > 0) seen.set(value, { level, shape })
    return shape
  }

  function ofNode(value: TreeNode, levels: Levels): string {
    if (value.kind === 'VAR' && isWithin(levels, value)) {
      const meant = aliasOf(value, levels)
      return meant === null ? ofColumn(value, levels) : of(meant.expression, meant.levels)
    }
    // By its depth alone, so that two of the same text have the same shape.
    const own = value.kind === 'QUERY' ? [levelOf(value, -levels.length - 1)] : []
    const within = [...own, ...levels]
    const fields = [...value.fields].filter(([name]) => !unimportant.test(name))
    return intern(`${value.kind}${fields.map(([name, field]) => `:${name} ${of(field, within)}`).join('')}`)
  }

  function ofColumn(node: TreeNode, levels: Levels): string {
    const level = levels[numberOf(node, 'varlevelsup')]?.id ?? 0
    return columnShape(level, numberOf(node, 'varno'), numberOf(node, 'varattno'))
  }

  return { of, createLevel }
}

function levelOf(query: TreeNode, id: number): Level {
  return { id, tables: nodesOf(query, 'rtable'), withs: new Map() }
}

export function columnShape(level: number, table: number, column: number | string): string {
  return `${level}.${table}.${column}`
}

const join = 2
const group = 9

/** What a join's or a grouping's own column stands for; null for a table's. */
export function aliasOf(
  node: TreeNode,
  levels: Levels,
): { expression: TreeValue | undefined; levels: Levels } | null {
  const at = levels.slice(numberOf(node, 'varlevelsup'))
  const table = at[0]?.tables[numberOf(node, 'varno') - 1]
  const number = numberOf(node, 'varattno')
  if (table === undefined || number < 1) return null
  const kind = numberOf(table, 'rtekind')
  if (kind !== join && kind !== group) return null
  const expression = listOf(table, kind === join ? 'joinaliasvars' : 'groupexprs')[number - 1]
  return { expression, levels: at }
}

/** One row after another; shapes that both hold are the first one's. */
export function beside(left: Row, right: Row, width: number): Row {
  return new Map([...[...right].map(([shape, index]) => [shape, index + width] as const), ...left])
}
