// What stands after FROM in the server's analysed form: tables, views, joins, as relations of numbered columns.

import type { Expression, JoinType, Relation } from '../../../sql/algebra.ts'
import type { ReadExpression } from './expressions.ts'
import { beside, columnShape, NotFollowed, type Place, type Row, type Shapes } from './places.ts'
import { isNode, listOf, nodeOf, nodesOf, numberOf, type TreeNode, textOf } from './tree.ts'

/** A relation, and what its columns are. */
export interface Source {
  relation: Relation
  row: Row
  width: number
}

export interface TableParts {
  shapes: Shapes
  read: ReadExpression
  relationOf(query: TreeNode, place: Place): Relation
  /** A table by the server's number of it, or what stands behind a view. */
  tableOf(oid: number, width: number): Relation
}

export const nothing: Source = { relation: { kind: 'values', width: 0, items: [] }, row: new Map(), width: 0 }
const joinTypes: readonly JoinType[] = ['INNER', 'LEFT', 'FULL', 'RIGHT']

export function createTables({ shapes, read, relationOf, tableOf }: TableParts) {
  function fromList(items: readonly TreeNode[], place: Place): Source {
    const [first, ...others] = items
    if (first === undefined) return nothing
    return others.reduce((left, item) => joined('INNER', left, item, null, place), fromItem(first, place))
  }

  function fromItem(item: TreeNode, place: Place): Source {
    if (item.kind === 'RANGETBLREF') return table(numberOf(item, 'rtindex'), place)
    const type = joinTypes[numberOf(item, 'jointype')]
    const [left, right] = [nodeOf(item, 'larg'), nodeOf(item, 'rarg')]
    if (item.kind !== 'JOINEXPR' || type === undefined || left === null || right === null)
      throw new NotFollowed(`it holds a ${item.kind} of an unknown kind`)
    const source = joined(type, fromItem(left, place), right, nodeOf(item, 'quals'), place)
    return type === 'FULL' ? merged(source, numberOf(item, 'rtindex'), place) : source
  }

  function joined(
    type: JoinType,
    left: Source,
    item: TreeNode,
    condition: TreeNode | null,
    place: Place,
  ): Source {
    const isLateral = seesLeft(item, place)
    const right = fromItem(item, isLateral ? { ...place, frames: [left.row, ...place.frames] } : place)
    const row = beside(left.row, right.row, left.width)
    const relation: Relation = {
      kind: 'join',
      type,
      left: left.relation,
      right: right.relation,
      condition: condition === null ? null : read(condition, { ...place, row }),
      isLateral,
    }
    return { relation, row, width: left.width + right.width }
  }

  function seesLeft(item: TreeNode, place: Place): boolean {
    if (item.kind !== 'RANGETBLREF')
      return [nodeOf(item, 'larg'), nodeOf(item, 'rarg')].some(
        (side) => side !== null && seesLeft(side, place),
      )
    const table = place.levels[0]?.tables[numberOf(item, 'rtindex') - 1]
    return table !== undefined && textOf(table, 'lateral') === 'true'
  }

  /** Of a full join, with the columns that its USING has made of both sides'. */
  function merged(source: Source, place: number, at: Place): Source {
    const table = at.levels[0]?.tables[place - 1]
    const both =
      table === undefined ? [] : nodesOf(table, 'joinaliasvars').filter(({ kind }) => kind !== 'VAR')
    if (both.length === 0) return source
    const own = Array.from({ length: source.width }, (_, index): Expression => ({ kind: 'column', index }))
    const made = both.map((value) => read(value, { ...at, row: source.row }))
    const row = new Map(source.row)
    both.forEach((value, i) => {
      row.set(shapes.of(value, at.levels), source.width + i)
    })
    const relation: Relation = { kind: 'project', input: source.relation, items: [...own, ...made] }
    return { relation, row, width: own.length + made.length }
  }

  function table(number: number, place: Place): Source {
    const [level] = place.levels
    const node = level?.tables[number - 1]
    if (level === undefined || node === undefined)
      throw new NotFollowed('it reads a table that it does not name')
    const names = nodeOf(node, 'eref')
    const width = names === null ? 0 : listOf(names, 'colnames').length
    const row = new Map(
      Array.from({ length: width }, (_, i) => [columnShape(level.id, number, i + 1), i] as const),
    )
    return { relation: relation(node, width, place), row, width }
  }

  function relation(node: TreeNode, width: number, place: Place): Relation {
    switch (numberOf(node, 'rtekind')) {
      case 0:
        return nodeOf(node, 'tablesample') === null
          ? tableOf(numberOf(node, 'relid'), width)
          : { kind: 'opaque', reason: 'it samples', inputs: [], width }
      case 1: {
        const query = nodeOf(node, 'subquery')
        if (query === null) break
        return relationOf(query, place)
      }
      case 3: {
        const items = nodesOf(node, 'functions').flatMap((one) =>
          argumentsOf(one.fields.get('funcexpr'), place),
        )
        return { kind: 'expand', input: nothing.relation, items, width }
      }
      case 5: {
        const cells = listOf(node, 'values_lists').flatMap((row) => (Array.isArray(row) ? row : []))
        return { kind: 'values', width, items: cells.map((cell) => read(cell, place)) }
      }
      case 6: {
        const defined = place.levels[numberOf(node, 'ctelevelsup')]?.withs.get(textOf(node, 'ctename'))
        if (defined === undefined) break
        return { kind: 'reference', ...defined }
      }
      case 8:
        return nothing.relation
    }
    throw new NotFollowed('it reads from what cannot be looked into')
  }

  /** Of a function that makes rows. */
  function argumentsOf(call: unknown, place: Place): Expression[] {
    const node = call as TreeNode
    if (!isNode(node)) throw new NotFollowed('it reads from what cannot be looked into')
    return node.kind === 'FUNCEXPR'
      ? listOf(node, 'args').map((item) => read(item, place))
      : [read(node, place)]
  }

  return { fromList }
}
