// A statement in the server's analysed form (pg_node_tree) as a relation of the algebra that the proofs read.

import type { Expression, Relation } from '../../../sql/algebra.ts'
import { isSameType, modifierOf, sortsPlainly } from './equality.ts'
import { createExpressions, type ReadExpression } from './expressions.ts'
import { createGroups } from './groups.ts'
import { createShapes, type Level, NotFollowed, type Place, type RelationParts } from './places.ts'
import { createTables, type Source } from './tables.ts'
import {
  isNode,
  listOf,
  nodeOf,
  nodesOf,
  numberOf,
  type TreeNode,
  type TreeValue,
  textOf,
  typeOf,
} from './tree.ts'

/** A query's rows before those columns are left out that only its order asks for. */
interface Ordered {
  relation: Relation
  width: number
  shown: readonly number[]
  orders: readonly Expression[]
}

const setTypes = [null, 'UNION', 'INTERSECT', 'EXCEPT'] as const

/** Throws NotFollowed where it meets what is not known here. */
export function readAlgebra(statement: TreeNode, parts: RelationParts): Relation {
  let definitions = 0
  const shapes = createShapes()
  const read: ReadExpression = createExpressions({
    shapes,
    nameOfFunction: (oid) => parts.functionOf(oid).name,
    relationOf,
    arrayOf,
  })
  const tables = createTables({ shapes, read, relationOf, tableOf })
  const groups = createGroups({ shapes, read, sorted, ...parts })

  function tableOf(oid: number, width: number): Relation {
    const found = parts.tableOf(oid)
    if (found.kind === 'view') return relationOf(found.query, { levels: [], row: new Map(), frames: [] })
    const { nameOf, ...table } = found
    return { ...table, columns: Array.from({ length: width }, (_, i) => nameOf(i + 1) ?? `${i + 1}`) }
  }

  function relationOf(query: TreeNode, outside: Place): Relation {
    return within(query, outside, ({ relation, shown, width }) =>
      shown.length === width ? relation : { kind: 'project', input: relation, items: shown.map(column) },
    )
  }

  function arrayOf(query: TreeNode, outside: Place): Relation {
    return within(query, outside, ({ relation, shown, orders }) => ({
      kind: 'aggregate',
      input: relation,
      groups: [],
      hasSets: false,
      aggregates: [{ name: 'ARRAY', nature: 'ORDERED', items: shown.map(column), orders }],
      extras: 0,
    }))
  }

  /** What the query's rows are made into, with its WITH around it. */
  function within(
    query: TreeNode,
    { levels: outer, frames }: Place,
    make: (rows: Ordered) => Relation,
  ): Relation {
    if (query.kind !== 'QUERY' || textOf(query, 'commandType') !== '1')
      throw new NotFollowed('it holds no SELECT')
    const level = shapes.createLevel(query)
    const place: Place = { levels: [level, ...outer], row: new Map(), frames }
    const defined = nodesOf(query, 'cteList').map((one) => define(one, level, place))
    const operation = nodeOf(query, 'setOperations')
    const rows = operation === null ? select(query, place) : combined(query, operation, place)
    return defined.reduceRight<Relation>(
      (input, { id, definition }) => ({ kind: 'define', id, definition, input }),
      make(rows),
    )
  }

  function define(node: TreeNode, level: Level, place: Place) {
    const id = `with ${++definitions}`
    const width = listOf(node, 'ctecolnames').length
    const query = nodeOf(node, 'ctequery')
    const isRecursive = textOf(node, 'cterecursive') === 'true' || query === null
    const definition: Relation = isRecursive
      ? { kind: 'opaque', reason: 'it holds a WITH RECURSIVE', inputs: [], width }
      : relationOf(query, place)
    level.withs.set(textOf(node, 'ctename'), { id, width })
    return { id, definition }
  }

  function select(query: TreeNode, outside: Place): Ordered {
    const from = nodeOf(query, 'jointree')
    const source = tables.fromList(from === null ? [] : nodesOf(from, 'fromlist'), outside)
    const filtered = from === null ? source : where(source, nodeOf(from, 'quals'), outside)
    const { relation, row } = groups.expanded(
      query,
      groups.windowed(query, groups.grouped(query, filtered, outside), outside),
      outside,
    )
    const targets = nodesOf(query, 'targetList')
    const items = targets.map((target) => read(target.fields.get('expr'), { ...outside, row }))
    return finished(query, { kind: 'project', input: relation, items }, outside)
  }

  function where(source: Source, condition: TreeNode | null, place: Place): Source {
    if (condition === null) return source
    const asked = read(condition, { ...place, row: source.row })
    return { ...source, relation: { kind: 'filter', input: source.relation, condition: asked } }
  }

  /** DISTINCT, ORDER BY and LIMIT over the targets. */
  function finished(query: TreeNode, projected: Relation, place: Place): Ordered {
    const targets = nodesOf(query, 'targetList')
    const places = (field: string) => nodesOf(query, field).map((clause) => sortedTarget(clause, targets))
    const orders = places('sortClause')
    const isOn = textOf(query, 'hasDistinctOn') === 'true'
    let relation = projected
    const order = () => {
      if (orders.length > 0) relation = { kind: 'order', input: relation, orders }
    }
    if (isOn) order()
    if (nodesOf(query, 'distinctClause').length > 0) {
      const on = nodesOf(query, 'distinctClause').map((clause) => column(placeOf(clause, targets)))
      relation = { kind: 'distinct', input: relation, on: isOn ? on : null, orders: isOn ? orders : null }
    }
    if (!isOn) order()
    const limits = ['limitCount', 'limitOffset']
      .flatMap((field) => nodeOf(query, field) ?? [])
      .filter(isLimit)
    if (limits.length > 0) {
      const items = limits.map((limit) => read(limit, place))
      relation = { kind: 'limit', input: relation, items }
    }
    const shown = targets.flatMap((target, i) => (textOf(target, 'resjunk') === 'false' ? [i] : []))
    return { relation, width: targets.length, shown, orders }
  }

  /** A target as what is sorted by. */
  function sortedTarget(clause: TreeNode, targets: readonly TreeNode[]): Expression {
    const index = placeOf(clause, targets)
    const node = targets[index]?.fields.get('expr')
    return sorted(node, column(index))
  }

  function sorted(node: TreeValue | undefined, expression: Expression): Expression {
    const isPlain = isNode(node) && sortsPlainly(node, parts.isLoose)
    return isPlain ? expression : { kind: 'call', name: 'a sort', items: [expression] }
  }

  function combined(query: TreeNode, operation: TreeNode, place: Place): Ordered {
    return finished(query, combine(operation, place, []), place)
  }

  /** `outer` are the operations that this one is a side of. */
  function combine(node: TreeNode, place: Place, outer: readonly TreeNode[]): Relation {
    if (node.kind === 'RANGETBLREF') return side(numberOf(node, 'rtindex'), place, outer)
    const type = setTypes[numberOf(node, 'op')]
    const [left, right] = [nodeOf(node, 'larg'), nodeOf(node, 'rarg')]
    if (node.kind !== 'SETOPERATIONSTMT' || type == null || left === null || right === null)
      throw new NotFollowed(`it holds a ${node.kind} of an unknown kind`)
    const [a, b] = [combine(left, place, [node, ...outer]), combine(right, place, [node, ...outer])]
    return { kind: 'set', type, isAll: textOf(node, 'all') === 'true', left: a, right: b }
  }

  /** With its columns cast to what the operations make of them. */
  function side(place: number, at: Place, operations: readonly TreeNode[]): Relation {
    const table = at.levels[0]?.tables[place - 1]
    const query = table === undefined ? null : nodeOf(table, 'subquery')
    if (query === null) throw new NotFollowed('it combines what is no query')
    const own = nodesOf(query, 'targetList').filter((target) => textOf(target, 'resjunk') === 'false')
    const items = own.map((target, i): Expression => {
      const node = nodeOf(target, 'expr')
      const isSame = operations.every((operation) => node !== null && staysIn(operation, i, node))
      return isSame ? column(i) : { kind: 'call', name: 'a cast', items: [column(i)] }
    })
    return { kind: 'project', input: relationOf(query, at), items }
  }

  return relationOf(statement, { levels: [], row: new Map(), frames: [] })
}

function staysIn(operation: TreeNode, index: number, node: TreeNode): boolean {
  const at = (field: string) => String(listOf(operation, field)[index + 1])
  const made = { type: at('colTypes'), modifier: at('colTypmods') }
  return isSameType({ type: typeOf(node), modifier: modifierOf(node) }, made)
}

const column = (index: number): Expression => ({ kind: 'column', index })

function placeOf(clause: TreeNode, targets: readonly TreeNode[]): number {
  const number = textOf(clause, 'tleSortGroupRef')
  return targets.findIndex((target) => textOf(target, 'ressortgroupref') === number)
}

const implicitCast = '2'

/** LIMIT NULL and OFFSET 0 leave all rows. */
function isLimit(node: TreeNode): boolean {
  const isCast = node.kind === 'FUNCEXPR' && textOf(node, 'funcformat') === implicitCast
  const [value = node] = isCast ? nodesOf(node, 'args') : [node]
  return value.kind !== 'CONST' || !/^\0*$/.test(textOf(value, 'constvalue'))
}
