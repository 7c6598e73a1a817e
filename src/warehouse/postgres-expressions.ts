// Expressions of the server's analysed form in the shape that the proof of key locality reads.

import { Unproven } from '../parquet/key-sources.ts'
import type { SyntaxNode } from '../parquet/statement.ts'
import {
  isNode,
  listOf,
  nodeOf,
  nodesOf,
  numberOf,
  type TreeNode,
  type TreeValue,
  textOf,
} from './postgres-tree.ts'

/** A query within queries, and what its columns are called. */
export interface Level {
  query: TreeNode
  /** Its tables, from 1 on in the server's numbers. */
  tables: readonly TreeNode[]
  /** By the same places. */
  names: readonly string[]
  /** The names of what WITH has defined here so far. */
  withs: Map<string, string>
}

/** From the innermost out. */
export type Levels = readonly [Level, ...Level[]]

/** Of `=` those by which only one and the same value is equal: of booleans, integers, texts, dates, bytes and uuids. */
const equalities = new Set(
  '91 94 96 410 532 533 1862 1868 15 416 607 98 1054 1093 2060 1320 1955 2972'.split(' '),
)
const textTypes = new Set(['25', '1043'])

/** What works on one row and nothing else; names differ between versions. */
const rowWise = new Set(
  (
    'CONST PARAM FUNCEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR RELABELTYPE COERCEVIAIO ' +
    'ARRAYCOERCEEXPR CONVERTROWTYPEEXPR COLLATEEXPR CASE CASEEXPR WHEN CASEWHEN CASETESTEXPR ARRAY ARRAYEXPR ROW ' +
    'ROWEXPR ROWCOMPARE ROWCOMPAREEXPR COALESCE COALESCEEXPR MINMAX MINMAXEXPR SQLVALUEFUNCTION XMLEXPR NULLTEST ' +
    'BOOLEANTEST COERCETODOMAIN FIELDSELECT SUBSCRIPTINGREF NAMEDARGEXPR GROUPINGFUNC TARGETENTRY SORTGROUPCLAUSE ' +
    'JSONFORMAT JSONRETURNING JSONVALUEEXPR JSONCONSTRUCTOREXPR JSONISPREDICATE JSONBEHAVIOR JSONEXPR'
  ).split(' '),
)

/** What stands for every aggregate. */
export const aggregateName = 'aggregate'

export function createExpressions(parts: {
  nameOfFunction(oid: number): string
  translateSubquery(query: TreeNode, levels: Levels): SyntaxNode
}) {
  const { nameOfFunction, translateSubquery } = parts

  function translateExpression(value: TreeValue | undefined, levels: Levels): unknown {
    if (Array.isArray(value)) return value.map((item: TreeValue) => translateExpression(item, levels))
    if (!isNode(value)) return undefined
    switch (value.kind) {
      case 'VAR':
        return column(value, levels)
      case 'RELABELTYPE':
        return isOfText(value) ? translateExpression(value.fields.get('arg'), levels) : other(value, levels)
      case 'OPEXPR':
        return comparison(value, levels)
      case 'SUBLINK':
        return subquery(value, levels)
      case 'AGGREF':
        if (numberOf(value, 'agglevelsup') > 0) throw new Unproven('it aggregates outside of a subquery')
        return { class: 'FUNCTION', function_name: aggregateName, children: within(value, levels) }
      case 'WINDOWFUNC':
        return window(value, levels)
      default:
        return other(value, levels)
    }
  }

  function other(node: TreeNode, levels: Levels): SyntaxNode {
    if (!rowWise.has(node.kind)) throw new Unproven(`it holds a ${node.kind}`)
    const isAnd = node.kind === 'BOOLEXPR' && textOf(node, 'boolop') === 'and'
    return isAnd
      ? {
          class: 'CONJUNCTION',
          type: 'CONJUNCTION_AND',
          children: translateExpression(listOf(node, 'args'), levels),
        }
      : { class: 'OPERATOR', type: node.kind, children: within(node, levels) }
  }

  function within(node: TreeNode, levels: Levels): unknown[] {
    return [...node.fields.values()].map((field) => translateExpression(field, levels))
  }

  function column(node: TreeNode, levels: Levels): unknown {
    const [above, place, number] = ['varlevelsup', 'varno', 'varattno'].map((field) => numberOf(node, field))
    const at = levels.slice(above) as [Level, ...Level[]]
    const [table, name] = [at[0]?.tables[(place ?? 0) - 1], at[0]?.names[(place ?? 0) - 1]]
    if (table === undefined || number === undefined) throw new Unproven('it has a column of no table')
    const kind = numberOf(table, 'rtekind')
    if (kind === 2) {
      const meant = listOf(table, 'joinaliasvars')[number - 1]
      const isMerged = numberOf(table, 'jointype') === 2 && !(isNode(meant) && meant.kind === 'VAR')
      return isMerged ? reference([mergedName(name, number)]) : translateExpression(meant, at)
    }
    if (kind === 9) return translateExpression(listOf(table, 'groupexprs')[number - 1], at)
    if (number < 0) throw new Unproven('it reads a system column')
    return reference([name, number === 0 ? 'whole row' : `c${number}`])
  }

  /** Of a full join, which of both sides a merged column takes its value from, where those are columns. */
  function mergedColumns(place: number, levels: Levels): SyntaxNode[] {
    const [table, name] = [levels[0].tables[place - 1], levels[0].names[place - 1]]
    if (table === undefined) return []
    return listOf(table, 'joinaliasvars').flatMap((meant, i) => {
      if (!isNode(meant) || !meant.kind.startsWith('COALESCE')) return []
      const [left, right] = nodesOf(meant, 'args').map((side) => translateExpression(side, levels))
      return [{ name: mergedName(name, i + 1), left, right }]
    })
  }

  function comparison(node: TreeNode, levels: Levels): SyntaxNode {
    const [left, right] = listOf(node, 'args').map((side) => translateExpression(side, levels))
    if (!equalities.has(textOf(node, 'opno')))
      return { class: 'OPERATOR', type: 'OTHER', children: [left, right] }
    return { class: 'COMPARISON', type: 'COMPARE_EQUAL', left, right }
  }

  function subquery(node: TreeNode, levels: Levels): SyntaxNode {
    const query = nodeOf(node, 'subselect')
    if (query === null) throw new Unproven('it has a subquery that cannot be looked into')
    const inner = { class: 'SUBQUERY', subquery: { node: translateSubquery(query, levels) } }
    const test = nodeOf(node, 'testexpr')
    const [left, right] = test === null ? [] : nodesOf(test, 'args')
    const isIn = numberOf(node, 'subLinkType') === 2 && test !== null && equalities.has(textOf(test, 'opno'))
    return isIn && isResult(right)
      ? {
          ...inner,
          subquery_type: 'ANY',
          comparison_type: 'COMPARE_EQUAL',
          child: translateExpression(left, levels),
        }
      : { ...inner, subquery_type: 'OTHER', child: translateExpression(test, levels) }
  }

  function window(node: TreeNode, levels: Levels): SyntaxNode {
    const number = textOf(node, 'winref')
    const clause = nodesOf(levels[0].query, 'windowClause').find((one) => textOf(one, 'winref') === number)
    if (clause === undefined) throw new Unproven('it has a window that cannot be looked into')
    return {
      class: 'WINDOW',
      function_name: nameOfFunction(numberOf(node, 'winfnoid')),
      partitions: nodesOf(clause, 'partitionClause').map((item) => targetOf(item, levels)),
      children: [within(node, levels), within(clause, levels)],
    }
  }

  /** What a clause (GROUP BY, DISTINCT ON, PARTITION BY) names, by its number among the results. */
  function targetOf(clause: TreeNode, levels: Levels): unknown {
    const number = textOf(clause, 'tleSortGroupRef')
    const targets = nodesOf(levels[0].query, 'targetList')
    const target = targets.find((one) => textOf(one, 'ressortgroupref') === number)
    return translateExpression(target?.fields.get('expr'), levels)
  }

  return { translateExpression, mergedColumns, targetOf }
}

function reference(names: readonly (string | undefined)[]): SyntaxNode {
  return { class: 'COLUMN_REF', type: 'COLUMN_REF', column_names: names }
}

function mergedName(table: string | undefined, number: number): string {
  return `${table} merged ${number}`
}

/** A text stays the same text as another type of text. */
function isOfText(node: TreeNode): boolean {
  const inner = nodeOf(node, 'arg')
  const type = inner === null ? '' : textOf(inner, typeFields[inner.kind] ?? '')
  return textTypes.has(textOf(node, 'resulttype')) && textTypes.has(type)
}

const typeFields: Record<string, string> = { VAR: 'vartype', PARAM: 'paramtype', RELABELTYPE: 'resulttype' }

function isResult(node: TreeNode | undefined): boolean {
  if (node?.kind === 'RELABELTYPE' && isOfText(node)) return isResult(nodeOf(node, 'arg') ?? undefined)
  return node?.kind === 'PARAM' && textOf(node, 'paramkind') === '2'
}
