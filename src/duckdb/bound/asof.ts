// ASOF joins of a bound plan: for each row of the left the nearest row of the right.

import { conjuncts, type Expression, type Relation, type Window } from '../../sql/algebra.ts'
import { nodeOf, nodesOf, type PlanNode, UnreadPlan } from './bound-plan.ts'
import { readComparison, readExpression } from './expressions.ts'
import { joinTypeOf, meet, sidesOf } from './joins.ts'
import type { Above, Bind, Bound, Scope } from './scope.ts'

/** As a lateral join: of the right's rows that the conditions hold of, the first by what the inequality compares. */
export function readAsofJoin(node: PlanNode, scope: Scope, bind: Bind, { filled }: Above): Bound {
  const type = joinTypeOf(node)
  if (type !== 'INNER' && type !== 'LEFT') throw new UnreadPlan(`it has an ASOF ${type} join`)
  const [leftNode, rightNode] = sidesOf(node)
  const left = bind(leftNode, scope)
  const right = bind(rightNode, { ...scope, level: scope.level + 1 })
  const conditions = nodesOf(node.conditions)
  const nearest = conditions.filter(({ comparison }) => inequalities.has(String(comparison)))
  const [time, second] = nearest
  if (time === undefined || second !== undefined)
    throw new UnreadPlan('its ASOF join has other than one inequality')
  const read = (one: PlanNode) =>
    readComparison(
      { left: nodeOf(one.left), right: nodeOf(one.right), comparison: one.comparison },
      { ...left, depth: 1 },
      right,
    )
  const asked = readExpression(time.left, left)
  const isFilled =
    asked.kind === 'column' &&
    (filled?.includes(asked.index) === true || isNeverNull(left.relation, asked.index))
  const met: Relation = {
    kind: 'filter',
    input: right.relation,
    condition: { kind: 'and', items: conditions.map(read) },
  }
  const window: Window = {
    name: 'ASOF JOIN',
    ...(isFilled ? onTies : onNulls),
    items: [],
    partitions: conditions.filter((one) => one !== time).map((one) => readExpression(one.right, right)),
    orders: [readExpression(time.right, right)],
    isByRows: false,
  }
  const width = right.types.length
  const numbered: Relation = { kind: 'window', input: met, windows: [window] }
  const isFirst: Expression = { kind: 'call', name: '=', items: [{ kind: 'column', index: width }] }
  const first: Relation = { kind: 'filter', input: numbered, condition: isFirst }
  const items = right.types.map((_, index): Expression => ({ kind: 'column', index }))
  const relation: Relation = { kind: 'project', input: first, items }
  return meet(type, left, { ...right, relation }, { isLateral: true })
}

const inequalities = new Set([
  'COMPARE_GREATERTHANOREQUALTO',
  'COMPARE_GREATERTHAN',
  'COMPARE_LESSTHANOREQUALTO',
  'COMPARE_LESSTHAN',
])

const onTies = {
  nature: 'ORDERED',
  cure: 'join a table with a unique key of what the join compares',
} as const
/** Of more than about 64 rows on its left, the engine gives one whose time is null a partner all the same. */
const onNulls = {
  nature: 'OPEN',
  cure: 'leave out the rows whose time is null, by WHERE … IS NOT NULL',
} as const

function isNotNull(condition: Expression): number | undefined {
  if (condition.kind !== 'call' || condition.name !== 'IS NOT NULL') return undefined
  const [item] = condition.items
  return item?.kind === 'column' ? item.index : undefined
}

function isNeverNull(relation: Relation, index: number): boolean {
  switch (relation.kind) {
    case 'project': {
      const item = relation.items[index]
      return item?.kind === 'column' && isNeverNull(relation.input, item.index)
    }
    case 'filter':
      return (
        conjuncts(relation.condition).some((one) => isNotNull(one) === index) ||
        isNeverNull(relation.input, index)
      )
    case 'order':
    case 'limit':
    case 'distinct':
      return isNeverNull(relation.input, index)
    default:
      return false
  }
}
