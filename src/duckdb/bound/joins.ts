// The joins of a bound plan. Correlated subqueries and lateral joins are joins too (DELIM_JOIN): what stands on their
// right side reads from a DELIM_GET, for all rows of the left at once, what it asks of the left.

import type { Expression, JoinType, Relation } from '../../sql/algebra.ts'
import { nodeOf, nodesOf, type PlanNode, UnreadPlan } from './bound-plan.ts'
import { placeOf, readComparison, readExpression, typeOfExpression } from './expressions.ts'
import { type Bind, type Bound, bigint, boolean, type Scope } from './scope.ts'

const joinTypes: Record<string, JoinType> = {
  INNER: 'INNER',
  LEFT: 'LEFT',
  RIGHT: 'RIGHT',
  FULL: 'FULL',
  OUTER: 'FULL',
  SEMI: 'SEMI',
  ANTI: 'ANTI',
  MARK: 'MARK',
  SINGLE: 'SINGLE',
}

export function joinTypeOf(node: PlanNode): JoinType {
  const type = joinTypes[String(node.join_type)]
  if (type === undefined || node.delim_flipped === true)
    throw new UnreadPlan(`it has a join of the kind ${String(node.join_type)}`)
  return type
}

export function sidesOf(node: PlanNode): readonly [PlanNode, PlanNode] {
  const [left, right, third] = nodesOf(node.children)
  if (left === undefined || right === undefined || third !== undefined)
    throw new UnreadPlan(`its ${String(node.type)} has other than two sides`)
  return [left, right]
}

function typesAfter(type: JoinType, left: Bound, right: Bound): Bound['types'] {
  if (type === 'SEMI' || type === 'ANTI') return left.types
  return type === 'MARK' ? [...left.types, boolean] : [...left.types, ...right.types]
}

function conditionsOf(node: PlanNode, left: Bound, right: Bound): Expression | null {
  const theirs = { types: right.types, from: left.types.length }
  const items = nodesOf(node.conditions).map(({ left: a, right: b, comparison }) =>
    readComparison({ left: nodeOf(a), right: nodeOf(b), comparison }, left, theirs),
  )
  return items.length === 0 ? null : { kind: 'and', items }
}

export function meet(
  type: JoinType,
  left: Bound,
  right: Bound,
  more: Partial<Extract<Relation, { kind: 'join' }>>,
): Bound {
  const relation: Relation = {
    kind: 'join',
    type,
    left: left.relation,
    right: right.relation,
    condition: null,
    ...more,
  }
  return { relation, types: typesAfter(type, left, right) }
}

export function readJoin(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const [left, right] = sidesOf(node).map((side) => bind(side, scope)) as [Bound, Bound]
  if (node.type === 'LOGICAL_CROSS_PRODUCT') return meet('INNER', left, right, {})
  const type = joinTypeOf(node)
  const both = { types: [...left.types, ...right.types] }
  const condition =
    node.type === 'LOGICAL_ANY_JOIN' ? readExpression(node.condition, both) : conditionsOf(node, left, right)
  return meet(type, left, right, { condition })
}

/** What stands on the right is taken as evaluated for one row of the left after another, which it was before it became a join. */
export function readDelimJoin(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const type = joinTypeOf(node)
  const [leftNode, rightNode] = sidesOf(node)
  const left = isNumberedFor(node, leftNode) ? withoutNumbers(leftNode, scope, bind) : bind(leftNode, scope)
  const columns = nodesOf(node.duplicate_eliminated_columns).map((column) => placeOf(column, left))
  const types = columns.map((index) => left.types[index] ?? boolean)
  const level = scope.level + 1
  const right = bind(rightNode, { ...scope, outside: { columns, types, level }, level })
  return meet(type, left, right, { condition: conditionsOf(node, left, right), isLateral: true })
}

/**
 * Where a list or the like is correlated by, the engine numbers the rows of the left and tells them apart by that
 * number, which nothing else reads.
 */
function isNumberedFor(node: PlanNode, left: PlanNode): boolean {
  const [window, second] = nodesOf(left.expressions)
  const [number] = nodesOf(node.duplicate_eliminated_columns)
  return (
    left.type === 'LOGICAL_WINDOW' &&
    window?.type === 'WINDOW_ROW_NUMBER' &&
    window.alias === 'delim_index' &&
    second === undefined &&
    [window.partitions, window.orders, window.arg_orders].every((parts) => nodesOf(parts).length === 0) &&
    number !== undefined &&
    typeOfExpression(number).id === bigint.id
  )
}

/** Where rows come one by one, any number tells them apart. */
function withoutNumbers(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const input = bind(nodeOf(nodesOf(node.children)[0]), scope)
  const items: Expression[] = input.types.map((_, index) => ({ kind: 'column', index }))
  const relation: Relation = {
    kind: 'project',
    input: input.relation,
    items: [...items, { kind: 'constant' }],
  }
  return { relation, types: [...input.types, bigint] }
}

/** An aggregate over all rows is always one row. */
const oneRow: Relation = {
  kind: 'aggregate',
  input: { kind: 'values', width: 0, items: [] },
  groups: [],
  hasSets: false,
  aggregates: [],
  extras: 0,
}

export function readDelimGet(node: PlanNode, { outside, level }: Scope): Bound {
  const width = nodesOf(node.chunk_types).length
  if (outside === null || outside.types.length !== width)
    throw new UnreadPlan('it reads rows from outside that are not known')
  const { types, columns } = outside
  const depth = level - outside.level + 1
  const items = columns.map((index): Expression => ({ kind: 'outer', depth, index }))
  return { relation: { kind: 'project', input: oneRow, items }, types }
}
