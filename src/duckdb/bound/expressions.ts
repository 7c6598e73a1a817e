// Expressions of a bound plan, in the form that proofs are made over.

import { type Expression, findWithin, isColumn } from '../../sql/algebra.ts'
import {
  equalsItselfAlone,
  nodeOf,
  nodesOf,
  type PlanNode,
  type PlanType,
  refuseOthers,
  typeOf,
  UnreadPlan,
} from './bound-plan.ts'

/** What an expression's references mean: columns by position, or by a table's number where the engine left them so. */
export interface ExpressionInput {
  types: readonly PlanType[]
  same?: readonly number[]
  /** Where these columns begin in the operator's input: the right side's stand behind the left's. */
  from?: number
  /** Where they are those of a row from outside. */
  depth?: number
  tableIndex?: unknown
}

const ofEvery = ['expression_class', 'type', 'alias', 'query_location', 'return_type']
const fieldsOf: Record<string, ReadonlySet<string>> = Object.fromEntries(
  Object.entries({
    BOUND_REF: ['index'],
    BOUND_COLUMN_REF: ['binding', 'depth'],
    BOUND_CONSTANT: ['value'],
    BOUND_CAST: ['child', 'try_cast'],
    BOUND_COMPARISON: ['left', 'right'],
    BOUND_BETWEEN: ['input', 'lower', 'upper', 'lower_inclusive', 'upper_inclusive'],
    BOUND_CONJUNCTION: ['children'],
    BOUND_OPERATOR: ['children'],
    BOUND_CASE: ['case_checks', 'else_expr'],
    BOUND_FUNCTION: [
      'children',
      'name',
      'arguments',
      'original_arguments',
      'catalog_name',
      'schema_name',
      'has_serialize',
      'function_data',
      'is_operator',
    ],
  }).map(([kind, own]) => [kind, new Set([...ofEvery, ...own])]),
)

const symbols: Record<string, string> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_GREATERTHAN: '>',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHANOREQUALTO: '>=',
  COMPARE_DISTINCT_FROM: 'IS DISTINCT FROM',
  COMPARE_NOT_DISTINCT_FROM: 'IS NOT DISTINCT FROM',
  COMPARE_IN: 'IN',
  COMPARE_NOT_IN: 'NOT IN',
}

/** Of floats, what passes a difference in the last digits on as one in the last digits. */
const smoothFunctions = new Set(
  '+ - * / abs @ sqrt cbrt exp ln log log2 log10 pow power ** ^ greatest least'.split(' '),
)

export function readExpression(value: unknown, input: ExpressionInput): Expression {
  const node = nodeOf(value)
  const known = fieldsOf[String(node.expression_class)]
  if (known === undefined) throw new UnreadPlan(`it holds a ${String(node.expression_class)}`)
  refuseOthers(node, known)
  const read = (part: unknown) => readExpression(part, input)
  const call = (name: string, parts: readonly unknown[]): Expression => ({
    kind: 'call',
    name,
    items: parts.map(read),
  })
  const children = nodesOf(node.children)
  switch (node.expression_class) {
    case 'BOUND_REF':
      return readColumn(node, Number(node.index), input)
    case 'BOUND_COLUMN_REF': {
      const { table_index: table, column_index: index } = nodeOf(node.binding)
      if (node.depth !== 0 || table !== input.tableIndex)
        throw new UnreadPlan('it refers to a column far off')
      return readColumn(node, Number(index), input)
    }
    case 'BOUND_CONSTANT':
      return { kind: 'constant' }
    case 'BOUND_CAST':
      return readCast(node, read(node.child))
    case 'BOUND_COMPARISON':
      return readComparison(
        { left: nodeOf(node.left), right: nodeOf(node.right), comparison: node.type },
        input,
        input,
      )
    case 'BOUND_BETWEEN':
      return call('BETWEEN', [node.input, node.lower, node.upper])
    case 'BOUND_CONJUNCTION':
      return node.type === 'CONJUNCTION_AND'
        ? { kind: 'and', items: children.map(read) }
        : call('OR', children)
    case 'BOUND_OPERATOR':
      return node.type === 'OPERATOR_COALESCE'
        ? { kind: 'choice', items: children.map(read) }
        : call(
            symbols[String(node.type)] ?? String(node.type).replace('OPERATOR_', '').replaceAll('_', ' '),
            children,
          )
    case 'BOUND_CASE':
      return readCase(node, read)
    default:
      return {
        kind: 'call',
        name: String(node.name),
        items: children.map(read),
        isSmooth: smoothFunctions.has(String(node.name)) && typeOf(node.return_type).id === 'DOUBLE',
      }
  }
}

/** The positions are held against the types, which tells a plan that is laid out otherwise than is known. */
function readColumn(
  node: PlanNode,
  position: number,
  { types, same, from = 0, depth }: ExpressionInput,
): Expression {
  const type = typeOf(node.return_type)
  if (types[position]?.id !== type.id)
    throw new UnreadPlan('its columns do not stand where they are known to')
  const index = from + (same?.[position] ?? position)
  const column: Expression = depth === undefined ? { kind: 'column', index } : { kind: 'outer', depth, index }
  return type.isCollated ? { kind: 'call', name: 'COLLATE', items: [column] } : column
}

/** The position of a column that is nothing but that. */
export function placeOf(node: PlanNode, input: ExpressionInput): number {
  const [column] = findWithin(readExpression(node, input), isColumn)
  if (node.expression_class !== 'BOUND_REF' || column === undefined)
    throw new UnreadPlan('it correlates by more than columns')
  return column.index
}

function readCase(node: PlanNode, read: (part: unknown) => Expression): Expression {
  const checks = nodesOf(node.case_checks)
  return {
    kind: 'call',
    name: 'CASE',
    items: [...checks.map((check) => read(check.then_expr)), read(node.else_expr)],
    tests: checks.map((check) => read(check.when_expr)),
    isSmooth: true,
  }
}

const integers = /^(U?)(TINY|SMALL|BIG|HUGE|)INT(?:EGER)?$/
const bitsOf: Record<string, number> = { TINY: 8, SMALL: 16, '': 32, BIG: 64, HUGE: 128 }

function integerOf({ id }: PlanType): { isSigned: boolean; bits: number } | null {
  const match = integers.exec(id)
  return match && { isSigned: match[1] === '', bits: bitsOf[match[2] ?? ''] ?? 0 }
}

/** An integer in a wider type is the same value still. */
function isWidening(from: PlanType, to: PlanType): boolean {
  const [narrow, wide] = [integerOf(from), integerOf(to)]
  if (narrow === null || wide === null) return false
  if (narrow.isSigned === wide.isSigned) return narrow.bits <= wide.bits
  return wide.isSigned && narrow.bits < wide.bits
}

function readCast(node: PlanNode, child: Expression): Expression {
  const [from, to] = [typeOfExpression(nodeOf(node.child)), typeOf(node.return_type)]
  if (child.kind === 'constant' || isWidening(from, to)) return child
  return {
    kind: 'call',
    name: `CAST(… AS ${to.id})`,
    items: [child],
    isSmooth: from.id === 'FLOAT' && to.id === 'DOUBLE',
  }
}

export function readComparison(
  { left, right, comparison }: { left: PlanNode; right: PlanNode; comparison: unknown },
  ours: ExpressionInput,
  theirs: ExpressionInput,
): Expression {
  const [a, b] = [readExpression(left, ours), readExpression(right, theirs)]
  const isNullSafe = comparison === 'COMPARE_NOT_DISTINCT_FROM'
  const isPlain = [left, right].every((side) => equalsItselfAlone(typeOfExpression(side)))
  if (isPlain && (isNullSafe || comparison === 'COMPARE_EQUAL'))
    return { kind: 'equal', left: a, right: b, ...(isNullSafe && { isNullSafe }) }
  return { kind: 'call', name: symbols[String(comparison)] ?? String(comparison), items: [a, b] }
}

export function typeOfExpression(node: PlanNode): PlanType {
  if (node.expression_class === 'BOUND_CONSTANT') return typeOf(nodeOf(node.value).type)
  return node.return_type === undefined ? { id: 'BOOLEAN', isCollated: false } : typeOf(node.return_type)
}
