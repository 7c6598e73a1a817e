// Expressions of the server's analysed form over the columns of an operator's rows.

import type { Expression, Relation } from '../../../sql/algebra.ts'
import { isSmooth } from './aggregates.ts'
import { isPlainEquality, isText } from './equality.ts'
import { aliasOf, columnShape, NotFollowed, type Place, type Shapes } from './places.ts'
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

/** What works on one row and nothing else. */
const rowWise = new Set(
  (
    'FUNCEXPR OPEXPR DISTINCTEXPR SCALARARRAYOPEXPR BOOLEXPR RELABELTYPE COERCEVIAIO ARRAYCOERCEEXPR ' +
    'CONVERTROWTYPEEXPR COLLATEEXPR ARRAYEXPR ROWEXPR ROWCOMPAREEXPR XMLEXPR NULLTEST BOOLEANTEST COERCETODOMAIN ' +
    'FIELDSELECT SUBSCRIPTINGREF NAMEDARGEXPR JSONFORMAT JSONRETURNING JSONVALUEEXPR JSONCONSTRUCTOREXPR ' +
    'JSONISPREDICATE JSONBEHAVIOR JSONEXPR'
  ).split(' '),
)
const constant: Expression = { kind: 'constant' }
/** A query's result as a value: of one row, a test of rows, all its rows as a list. */
const tests = ['EXISTS', 'OTHER', 'OTHER', 'OTHER', 'SCALAR', 'OTHER', 'SCALAR'] as const
const any = 2
const asArray = 6

export interface ExpressionParts {
  shapes: Shapes
  nameOfFunction(oid: number): string
  relationOf(query: TreeNode, place: Place): Relation
  /** All rows of one column as one list. */
  arrayOf(query: TreeNode, place: Place): Relation
}

export type ReadExpression = (value: TreeValue | undefined, place: Place) => Expression

export function createExpressions({
  shapes,
  nameOfFunction,
  relationOf,
  arrayOf,
}: ExpressionParts): ReadExpression {
  function read(value: TreeValue | undefined, place: Place): Expression {
    if (!isNode(value)) return constant
    const index = place.row.get(shapes.of(value, place.levels))
    if (index !== undefined) return { kind: 'column', index }
    switch (value.kind) {
      case 'CONST':
      case 'PARAM':
      case 'CASETESTEXPR':
      case 'SQLVALUEFUNCTION':
        return constant
      case 'VAR':
        return column(value, place)
      case 'SUBLINK':
        return subquery(value, place)
      case 'AGGREF':
        throw new NotFollowed('it aggregates outside of a subquery')
      case 'OPEXPR':
        return operator(value, place)
      case 'BOOLEXPR':
        return logical(value, place)
      case 'COALESCEEXPR':
        return { kind: 'choice', items: items(value, 'args', place) }
      case 'MINMAXEXPR':
        return { kind: 'call', name: 'GREATEST or LEAST', items: items(value, 'args', place), isSmooth: true }
      case 'NULLIFEXPR': {
        const sides = items(value, 'args', place)
        return { kind: 'call', name: 'NULLIF', items: sides.slice(0, 1), tests: sides, isSmooth: true }
      }
      case 'CASEEXPR':
        return cases(value, place)
      case 'RELABELTYPE':
        return isSameText(value) ? read(value.fields.get('arg'), place) : call(value, place)
      default:
        return call(value, place)
    }
  }

  function items(node: TreeNode, field: string, place: Place): Expression[] {
    return listOf(node, field).map((item) => read(item, place))
  }

  function column(node: TreeNode, place: Place): Expression {
    const shape = shapes.of(node, place.levels)
    const depth = place.frames.findIndex((frame) => frame.has(shape))
    const index = place.frames[depth]?.get(shape)
    if (index !== undefined) return { kind: 'outer', depth: depth + 1, index }
    const meant = aliasOf(node, place.levels)
    if (meant !== null) return read(meant.expression, { ...place, levels: meant.levels })
    if (numberOf(node, 'varattno') < 0) throw new NotFollowed('it reads a system column')
    if (numberOf(node, 'varattno') === 0)
      return { kind: 'call', name: 'a whole row', items: wholeRow(node, place) }
    throw new NotFollowed('it has a column of no table')
  }

  function wholeRow(node: TreeNode, { levels, row, frames }: Place): Expression[] {
    const level = levels[numberOf(node, 'varlevelsup')]?.id ?? 0
    const prefix = columnShape(level, numberOf(node, 'varno'), '')
    const within = (of: Place['row'], depth: number): Expression[] =>
      [...of].flatMap(([shape, index]): Expression[] => {
        if (!shape.startsWith(prefix)) return []
        return depth === 0 ? [{ kind: 'column', index }] : [{ kind: 'outer', depth, index }]
      })
    const found = [row, ...frames].map(within).find((columns) => columns.length > 0)
    if (found === undefined) throw new NotFollowed('it reads a whole row of no table')
    return found
  }

  function operator(node: TreeNode, place: Place): Expression {
    const [left, right] = items(node, 'args', place)
    return left !== undefined && right !== undefined && isPlainEquality(node, nodesOf(node, 'args'))
      ? { kind: 'equal', left, right }
      : call(node, place)
  }

  function logical(node: TreeNode, place: Place): Expression {
    const operation = textOf(node, 'boolop')
    if (operation === 'and') return { kind: 'and', items: items(node, 'args', place) }
    const [inner] = nodesOf(node, 'args')
    const isSame = operation === 'not' && inner?.kind === 'DISTINCTEXPR'
    if (!isSame || !isPlainEquality(inner, nodesOf(inner, 'args'))) return call(node, place)
    const [left = constant, right = constant] = items(inner, 'args', place)
    return { kind: 'equal', left, right, isNullSafe: true }
  }

  function cases(node: TreeNode, place: Place): Expression {
    const whens = nodesOf(node, 'args')
    const fieldsOf = (field: string) => whens.map((when) => read(when.fields.get(field), place))
    return {
      kind: 'call',
      name: 'CASE',
      items: [...fieldsOf('result'), read(node.fields.get('defresult'), place)],
      tests: [read(node.fields.get('arg'), place), ...fieldsOf('expr')],
      isSmooth: true,
    }
  }

  function call(node: TreeNode, place: Place): Expression {
    if (!rowWise.has(node.kind)) throw new NotFollowed(`it holds a ${node.kind}`)
    if (textOf(node, 'funcretset') === 'true' || textOf(node, 'opretset') === 'true')
      throw new NotFollowed('it makes rows within an expression')
    const named = node.kind === 'FUNCEXPR' ? 'funcid' : node.kind === 'OPEXPR' ? 'opfuncid' : null
    const name = named === null ? node.kind : nameOfFunction(numberOf(node, named))
    const parts = [...node.fields.values()].flatMap((field) => partsOf(field, place))
    return { kind: 'call', name, items: parts, isSmooth: named !== null && isSmooth(name) }
  }

  function partsOf(value: TreeValue, place: Place): Expression[] {
    if (Array.isArray(value)) return (value as TreeValue[]).flatMap((item) => partsOf(item, place))
    return isNode(value) ? [read(value, place)] : []
  }

  function subquery(node: TreeNode, place: Place): Expression {
    const query = nodeOf(node, 'subselect')
    const type = numberOf(node, 'subLinkType')
    const test = tests[type]
    if (query === null || test === undefined)
      throw new NotFollowed('it has a subquery that cannot be looked into')
    const inner = { ...place, frames: [place.row, ...place.frames] }
    const asked = nodeOf(node, 'testexpr')
    const relation = type === asArray ? arrayOf(query, inner) : relationOf(query, inner)
    const left = type === any && asked !== null ? comparedWithFirst(asked) : null
    if (left === null || asked === null)
      return { kind: 'subquery', test, items: asked === null ? [] : [read(asked, place)], relation }
    return { kind: 'subquery', test: 'IN', items: [read(left, place), read(asked, place)], relation }
  }

  /** What is held equal to the query's first column, alone or among others. */
  function comparedWithFirst(test: TreeNode): TreeNode | null {
    if (test.kind === 'BOOLEXPR' && textOf(test, 'boolop') === 'and')
      return (
        nodesOf(test, 'args')
          .map(comparedWithFirst)
          .find((found) => found !== null) ?? null
      )
    const sides = nodesOf(test, 'args')
    const isFirst = test.kind === 'OPEXPR' && isFirstResult(sides[1]) && isPlainEquality(test, sides)
    return isFirst ? (sides[0] ?? null) : null
  }

  return read
}

/** A text stays the same text as another type of text. */
function isSameText(node: TreeNode): boolean {
  const inner = nodeOf(node, 'arg')
  return inner !== null && isText(typeOf(node)) && isText(typeOf(inner))
}

function isFirstResult(node: TreeNode | undefined): boolean {
  if (node?.kind === 'RELABELTYPE' && isSameText(node)) return isFirstResult(nodeOf(node, 'arg') ?? undefined)
  return node?.kind === 'PARAM' && textOf(node, 'paramkind') === '2' && textOf(node, 'paramid') === '1'
}
