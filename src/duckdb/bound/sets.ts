// Set operations, WITH, and rows from no table, of a bound plan.

import type { Relation } from '../../sql/algebra.ts'
import { nodeOf, nodesOf, type PlanNode, type PlanType, typeOf, typesOf } from './bound-plan.ts'
import { readExpression } from './expressions.ts'
import { type Bind, type Bound, fail, inputOf, type Scope } from './scope.ts'

export function readSet(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const bound = nodesOf(node.children).map((child) => bind(child, scope))
  const type = String(node.type).replace('LOGICAL_', '') as SetType
  if (bound.length > 2 && type !== 'UNION') fail(`its ${type} has more than two sides`)
  const isAll = node.setop_all === true
  return {
    relation: united(
      { type, isAll },
      bound.map(({ relation }) => relation),
    ),
    types: bound[0]?.types ?? [],
  }
}

type SetType = 'UNION' | 'EXCEPT' | 'INTERSECT'

/** Halved again and again: a chain of thousands would be as deep. */
function united(by: { type: SetType; isAll: boolean }, relations: readonly Relation[]): Relation {
  const [only] = relations
  if (relations.length <= 1) return only ?? fail('it holds an empty set operation')
  const half = relations.length >> 1
  return {
    kind: 'set',
    ...by,
    left: united(by, relations.slice(0, half)),
    right: united(by, relations.slice(half)),
  }
}

const nameOf = (index: unknown) => `with ${String(index)}`

/** The definition, and what may hold references to it. */
function withDefinition(node: PlanNode, scope: Scope, bind: Bind): { definition: Bound; input: Bound } {
  const [definitionNode, inputNode] = nodesOf(node.children)
  const definition = bind(nodeOf(definitionNode), scope)
  const defined = new Map(scope.defined).set(node.table_index, definition.types)
  return { definition, input: bind(nodeOf(inputNode), { ...scope, defined }) }
}

export function readWith(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const { definition, input } = withDefinition(node, scope, bind)
  const id = nameOf(node.table_index)
  return {
    ...input,
    relation: { kind: 'define', id, definition: definition.relation, input: input.relation },
  }
}

export function readRecursion(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const { definition, input } = withDefinition(node, scope, bind)
  const id = nameOf(node.table_index)
  const step: Relation = { kind: 'define', id, definition: definition.relation, input: input.relation }
  const width = definition.types.length
  return {
    ...definition,
    relation: { kind: 'opaque', reason: 'it is a WITH RECURSIVE', inputs: [step], width },
  }
}

export function readReference(node: PlanNode, { defined }: Scope): Bound {
  const types = defined.get(node.cte_index)
  if (types === undefined || types.length !== nodesOf(node.chunk_types).length)
    fail('it refers to a WITH that is not known')
  return { relation: { kind: 'reference', id: nameOf(node.cte_index), width: types.length }, types }
}

/** One row without content, in which the engine counts a column. */
export function readNothing(): Bound {
  return { relation: { kind: 'values', width: 1, items: [] }, types: [typeOf({ id: 'INTEGER' })] }
}

/** VALUES: a row of each list, for each row of the input that they may speak of. */
export function readValues(node: PlanNode, scope: Scope, bind: Bind): Bound {
  const input = inputOf(node, scope, bind)
  const types: readonly PlanType[] = typesOf(node.expr_types)
  const rows = (node.expressions as readonly (readonly unknown[])[]).map((row) =>
    row.map((item) => readExpression(item, input)),
  )
  if (input.relation.kind === 'values')
    return {
      relation: {
        kind: 'values',
        width: types.length,
        items: rows.flat().filter(({ kind }) => kind !== 'constant'),
      },
      types,
    }
  const projected = rows.map((items): Relation => ({ kind: 'project', input: input.relation, items }))
  return { relation: united({ type: 'UNION', isAll: true }, projected), types }
}
