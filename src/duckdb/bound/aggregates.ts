// Aggregate and window functions of a bound plan, and what the engine's own make of the order of their rows.

import type { Aggregate, Expression, Nature, Window } from '../../sql/algebra.ts'
import { nodeOf, nodesOf, type PlanNode, refuseOthers, UnreadPlan } from './bound-plan.ts'
import { type ExpressionInput, readExpression, typeOfExpression } from './expressions.ts'

const natures = new Map<string, Nature>(
  Object.entries({
    EXACT:
      'count count_star count_if countif bool_and bool_or bit_and bit_or bit_xor bitstring_agg min max sum avg mean sum_no_overflow median mad quantile quantile_cont quantile_disc approx_count_distinct histogram histogram_exact regr_count rank dense_rank percent_rank cume_dist',
    ROUNDING:
      'fsum favg kahan_sum sumkahan product stddev stddev_samp stddev_pop variance var_samp var_pop sem covar_samp covar_pop corr regr_avgx regr_avgy regr_sxx regr_syy regr_sxy regr_slope regr_intercept regr_r2 entropy skewness kurtosis kurtosis_pop',
    ORDERED:
      'first last any_value arbitrary list array_agg string_agg group_concat listagg mode arg_max arg_min max_by min_by argmax argmin arg_max_null arg_min_null arg_max_nulls_last arg_min_nulls_last row_number ntile lag lead first_value last_value nth_value LIMIT',
  }).flatMap(([nature, names]) => names.split(' ').map((name) => [name, nature as Nature] as const)),
)
/** Exact over integers and decimals, which are added without loss. */
const sums = new Set(['sum', 'avg', 'mean'])
const floats = new Set(['FLOAT', 'DOUBLE'])
/** They give a value of the row that sorts first or last by their second. */
const byAnother = /^(arg_?(max|min)(_null|_nulls_last)?|(max|min)_by)$/

const cures: Record<string, string> = {
  approx_quantile: 'take quantile_cont',
  reservoir_quantile: 'take quantile_cont',
  approx_top_k: 'take histogram',
  mode: 'give it an ORDER BY of its own',
}

function natureOf(name: string, children: readonly PlanNode[]): Nature {
  const [first] = children
  if (sums.has(name) && first !== undefined && floats.has(typeOfExpression(first).id)) return 'ROUNDING'
  return natures.get(name) ?? 'OPEN'
}

const ofEvery =
  'expression_class type alias query_location return_type children name arguments original_arguments catalog_name schema_name has_serialize function_data'.split(
    ' ',
  )
const aggregateFields = new Set([...ofEvery, 'aggregate_type', 'filter', 'order_bys'])
const windowFields = new Set([
  ...ofEvery,
  ...'partitions orders filters ignore_nulls start end start_expr end_expr offset_expr default_expr exclude_clause distinct arg_orders'.split(
    ' ',
  ),
])

export function readOrders(value: unknown, input: ExpressionInput): Expression[] {
  return nodesOf(value).map((order) => readExpression(order.expression, input))
}

export function readAggregate(node: PlanNode, input: ExpressionInput): Aggregate {
  if (node.expression_class !== 'BOUND_AGGREGATE')
    throw new UnreadPlan(`it aggregates by a ${String(node.type)}`)
  refuseOthers(node, aggregateFields)
  const own = node.order_bys === null ? [] : readOrders(nodeOf(node.order_bys).orders, input)
  return { ...readFunction(node, String(node.name), own, input), filter: readFilter(node.filter, input) }
}

function readFilter(value: unknown, input: ExpressionInput): Expression | undefined {
  return value === null || value === undefined ? undefined : readExpression(value, input)
}

function readFunction(
  node: PlanNode,
  name: string,
  orders: readonly Expression[],
  input: ExpressionInput,
): Aggregate {
  if (name === 'bitstring_agg' && nodeOf(nodeOf(node.function_data).min).is_null === true)
    throw new UnreadPlan(
      'its bitstring_agg takes its bounds from all rows of the table; give it a minimum and a maximum',
    )
  const children = nodesOf(node.children)
  const nature = natureOf(name, children)
  const items = children.map((child) => readExpression(child, input))
  const by = byAnother.test(name) ? items.slice(1, 2) : []
  const isOfDistinct = node.aggregate_type === 'DISTINCT' || node.distinct === true
  return {
    name: isOfDistinct ? `${name}(DISTINCT)` : name,
    nature,
    items,
    orders: [...by, ...orders],
    cure: cures[name],
  }
}

/** They do not look at a frame. */
const frameless = new Set('row_number LIMIT rank dense_rank percent_rank cume_dist ntile lag lead'.split(' '))
/** What they give tells which place a row has among its peers, even where all that they take is the same in these. */
const ofPlace = new Set('row_number ntile lag lead'.split(' '))

/** Of a correlated subquery's LIMIT the engine makes a row number over ROWS. */
function nameOf(type: string, { end }: PlanNode): string {
  if (type === 'row_number' && end === 'CURRENT_ROW_ROWS') return 'LIMIT'
  return type === 'rank_dense' ? 'dense_rank' : type
}

export function readWindow(node: PlanNode, input: ExpressionInput): Window {
  if (node.expression_class !== 'BOUND_WINDOW')
    throw new UnreadPlan(`it has a window of ${String(node.type)}`)
  refuseOthers(node, windowFields)
  const type = String(node.type).replace('WINDOW_', '').toLowerCase()
  const name = type === 'aggregate' ? String(node.name) : nameOf(type, node)
  const isByRows =
    !frameless.has(name) && [node.start, node.end].some((bound) => String(bound).endsWith('_ROWS'))
  const [orders, own] = [readOrders(node.orders, input), readOrders(node.arg_orders, input)]
  // Of two orders, of the frame and of the rows within, neither alone tells what comes out.
  const decisive = own.length === 0 ? orders : isByRows ? [] : own
  const { items, ...rest } = readFunction(node, name, decisive, input)
  const bounds = [node.start_expr, node.end_expr, node.offset_expr, node.default_expr]
    .filter((bound) => bound !== null)
    .map((bound) => readExpression(bound, input))
  const given = [...items, ...bounds]
  const isOfPlace = ofPlace.has(name)
  return {
    ...rest,
    items: isOfPlace ? [] : given,
    orders: isOfPlace ? [...rest.orders, { kind: 'call', name, items: given }] : rest.orders,
    partitions: nodesOf(node.partitions).map((part) => readExpression(part, input)),
    filter: readFilter(node.filters, input),
    isByRows,
  }
}
