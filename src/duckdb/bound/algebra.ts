// A bound plan as relations of numbered columns, the form that proofs are made over. What is not known to be understood,
// an operator, a field, a column that stands elsewhere, makes the whole opaque.

import { type Expression, isColumn, type Relation } from '../../sql/algebra.ts'
import { readAggregate, readOrders, readWindow } from './aggregates.ts'
import { readAsofJoin } from './asof.ts'
import { nodeOf, nodesOf, type PlanNode, refuseOthers, UnreadPlan } from './bound-plan.ts'
import { readExpression, typeOfExpression } from './expressions.ts'
import { readDelimGet, readDelimJoin, readJoin } from './joins.ts'
import { type Above, type Bind, type Bound, bigint, fail, inputOf, maxNested, type Scope } from './scope.ts'
import { readNothing, readRecursion, readReference, readSet, readValues, readWith } from './sets.ts'
import { readTable, type TableFacts } from './tables.ts'

type Reader = (node: PlanNode, scope: Scope, bind: Bind, above: Above) => Bound
type Operator = readonly [fields: string, read: Reader]

const join = 'join_type mark_index conditions delim_flipped'
const set = 'table_index column_count setop_all allow_out_of_order'

const operators: Record<string, Operator> = {
  PROJECTION: ['table_index expressions', readProjection],
  FILTER: ['expressions projection_map', readFilter],
  CROSS_PRODUCT: ['', readJoin],
  COMPARISON_JOIN: [join, readJoin],
  ANY_JOIN: ['join_type mark_index condition', readJoin],
  DELIM_JOIN: [`${join} mark_types duplicate_eliminated_columns`, readDelimJoin],
  DELIM_GET: ['table_index chunk_types', readDelimGet],
  ASOF_JOIN: [join, readAsofJoin],
  POSITIONAL_JOIN: ['', opaque('it has a POSITIONAL join')],
  AGGREGATE_AND_GROUP_BY: [
    'expressions group_index aggregate_index groupings_index groups grouping_sets grouping_functions distinct_validity',
    readGroups,
  ],
  WINDOW: ['window_index expressions', readWindows],
  UNNEST: ['unnest_index expressions', readUnnest],
  DISTINCT: ['distinct_type distinct_targets order_by', readDistinct],
  ORDER_BY: ['orders projection_map', readOrder],
  LIMIT: ['limit_val offset_val', readLimit],
  SAMPLE: ['sample_options', opaque('it samples')],
  UNION: [set, readSet],
  EXCEPT: [set, readSet],
  INTERSECT: [set, readSet],
  MATERIALIZED_CTE: ['table_index column_count ctename materialize', readWith],
  RECURSIVE_CTE: ['table_index column_count ctename union_all ref_recurring key_targets', readRecursion],
  CTE_REF: ['table_index cte_index chunk_types bound_columns is_recurring', readReference],
  DUMMY_SCAN: ['table_index', readNothing],
  EXPRESSION_GET: ['table_index expr_types expressions', readValues],
}
const fields = new Map(
  Object.entries(operators).map(([type, [own]]) => [type, new Set(['type', 'children', ...own.split(' ')])]),
)

export function readAlgebra(node: PlanNode, facts: TableFacts): Relation {
  let depth = 0
  const bind: Bind = (part, scope, above = {}) => {
    if (++depth > maxNested) throw new UnreadPlan('its plan is nested too deep')
    try {
      return read(part, scope, above)
    } finally {
      depth -= 1
    }
  }
  function read(part: PlanNode, scope: Scope, above: Above): Bound {
    if (part.type === 'LOGICAL_GET') {
      const [input] = nodesOf(part.children)
      return readTable(part, input && bind(input, scope), facts)
    }
    const type = String(part.type).replace('LOGICAL_', '')
    const [, readOperator] = operators[type] ?? []
    const known = fields.get(type)
    if (readOperator === undefined || known === undefined) throw new UnreadPlan(`it holds a ${type}`)
    refuseOthers(part, known)
    return readOperator(part, scope, bind, above)
  }
  return bind(node, { outside: null, level: 0, defined: new Map() }).relation
}

function readProjection(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const expressions = nodesOf(node.expressions)
  const input = inputOf(node, scope, bind, { sorted: sortedIn(expressions) })
  const tableIndex = nodeOf(nodesOf(node.children)[0]).table_index
  const items = expressions.map((item) => readExpression(item, { ...input, tableIndex }))
  const same = items.map((item, i) => {
    const first = items.findIndex((other) => isColumn(other) && isColumn(item) && other.index === item.index)
    return first < 0 ? i : first
  })
  return {
    relation: { kind: 'project', input: input.relation, items },
    types: expressions.map(typeOfExpression),
    same,
  }
}

/** Columns of which nothing is taken but what list_sort makes of them: so `list(DISTINCT x ORDER BY x)` is bound. */
function sortedIn(expressions: readonly PlanNode[]): number[] {
  const [sorted, plain] = [new Set<number>(), new Set<number>()]
  const visit = (part: unknown, isSorted: boolean) => {
    if (typeof part !== 'object' || part === null) return
    const node = part as PlanNode
    if (node.expression_class === 'BOUND_REF') (isSorted ? sorted : plain).add(Number(node.index))
    const isSort = node.expression_class === 'BOUND_FUNCTION' && sorts.has(String(node.name))
    for (const [key, child] of Object.entries(node)) {
      if (!isSort || key !== 'children') visit(child, false)
      else for (const [i, one] of nodesOf(child).entries()) visit(one, i === 0)
    }
  }
  visit(expressions, false)
  return [...sorted].filter((index) => !plain.has(index))
}

const sorts = new Set(['list_sort', 'array_sort', 'list_reverse_sort', 'array_reverse_sort'])

/** Those of an operator's columns that it passes on, where it does not pass on all. */
function chosen(bound: Bound, map: unknown): Bound {
  const places = nodesOf(map).map(Number)
  if (places.length === 0) return bound
  const types = places.map(
    (place) => bound.types[place] ?? fail('its columns do not stand where they are known to'),
  )
  const items: Expression[] = places.map((index) => ({ kind: 'column', index }))
  return { relation: { kind: 'project', input: bound.relation, items }, types }
}

function readFilter(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const filled = nodesOf(node.expressions).flatMap(({ type, children }) =>
    type === 'OPERATOR_IS_NOT_NULL' ? nodesOf(children).map(({ index }) => Number(index)) : [],
  )
  const input = inputOf(node, scope, bind, { filled })
  const items = nodesOf(node.expressions).map((item) => readExpression(item, input))
  const relation: Relation = { kind: 'filter', input: input.relation, condition: { kind: 'and', items } }
  return chosen({ relation, types: input.types }, node.projection_map)
}

function opaque(reason: string): Reader {
  return (node, scope, bind) => {
    const inputs = nodesOf(node.children).map((child) => bind(child, scope))
    const types = inputs.flatMap((input) => input.types)
    return {
      relation: {
        kind: 'opaque',
        reason,
        inputs: inputs.map(({ relation }) => relation),
        width: types.length,
      },
      types,
    }
  }
}

/** What the engine makes of an uncorrelated subquery: one value of at most one row, or whether there is a row at all. */
function isMade({ groupings_index: index }: PlanNode): boolean {
  return !Number.isSafeInteger(index)
}

/** To ask whether there is a row, the engine counts up to one, whichever: that is a LIMIT of no consequence. */
function withoutLimit(node: PlanNode): PlanNode {
  const [limit] = nodesOf(node.children)
  const [count] = nodesOf(node.expressions)
  const isAsked = isMade(node) && count?.name === 'count_star' && limit?.type === 'LOGICAL_LIMIT'
  return isAsked ? { ...node, children: limit.children } : node
}

function readGroups(node: PlanNode, scope: Scope, bind: Bind, above: Above): Bound {
  const input = inputOf(withoutLimit(node), scope, bind)
  const [grouped, expressions] = [nodesOf(node.groups), nodesOf(node.expressions)]
  const sorted = new Set(above.sorted)
  const isOfOne = isMade(node) && expressions.some(({ name }) => name === 'count_star')
  const extras = nodesOf(node.grouping_functions).map(() => bigint)
  const sets = node.grouping_sets as readonly (readonly number[])[]
  const relation: Relation = {
    kind: 'aggregate',
    input: input.relation,
    groups: grouped.map((group) => readExpression(group, input)),
    hasSets: sets.length > 1 || sets.some((own) => own.length !== grouped.length),
    aggregates: expressions
      .map((own) => readAggregate(own, input))
      .map((own) => (isOfOne && own.name === 'first' ? { ...own, nature: 'EXACT' as const } : own))
      .map((own, i) => (sorted.has(grouped.length + i) ? { ...own, orders: own.items } : own)),
    extras: extras.length,
  }
  return { relation, types: [...[...grouped, ...expressions].map(typeOfExpression), ...extras] }
}

function readWindows(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const input = inputOf(node, scope, bind)
  const expressions = nodesOf(node.expressions)
  const windows = expressions.map((own) => readWindow(own, input))
  return {
    relation: { kind: 'window', input: input.relation, windows },
    types: [...input.types, ...expressions.map(typeOfExpression)],
  }
}

const unnestFields = new Set(['expression_class', 'type', 'alias', 'query_location', 'return_type', 'child'])

function readUnnest(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const input = inputOf(node, scope, bind)
  const expressions = nodesOf(node.expressions)
  const items = expressions.map((own) => {
    if (own.expression_class !== 'BOUND_UNNEST') fail(`it unnests a ${String(own.expression_class)}`)
    refuseOthers(own, unnestFields)
    return readExpression(own.child, input)
  })
  return {
    relation: { kind: 'expand', input: input.relation, items, width: items.length },
    types: [...input.types, ...expressions.map(typeOfExpression)],
  }
}

function readDistinct(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const input = inputOf(node, scope, bind)
  const on = nodesOf(node.distinct_targets).map((target) => readExpression(target, input))
  // With a collation, rows are one that differ: then one of them stands for all.
  const isWhole =
    on.length === input.types.length &&
    on.every((item, i) => item.kind === 'column' && item.index === (input.same?.[i] ?? i))
  const orders = node.order_by === null ? null : readOrders(nodeOf(node.order_by).orders, input)
  return { ...input, relation: { kind: 'distinct', input: input.relation, on: isWhole ? null : on, orders } }
}

function readOrder(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const input = inputOf(node, scope, bind)
  const relation: Relation = { kind: 'order', input: input.relation, orders: readOrders(node.orders, input) }
  return chosen({ ...input, relation }, node.projection_map)
}

function readLimit(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const input = inputOf(node, scope, bind)
  const items = [node.limit_val, node.offset_val].map((value): Expression => {
    const { expression } = nodeOf(value)
    return expression === null ? { kind: 'constant' } : readExpression(expression, input)
  })
  return { ...input, relation: { kind: 'limit', input: input.relation, items } }
}
