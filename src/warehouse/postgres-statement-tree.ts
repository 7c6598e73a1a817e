// Brings the server's analysed form of a statement into the shape that the proof of key locality reads.
// Names are resolved there already: each table, column and WITH gets a name of its own, so that no rule of scope counts.

import { Unproven } from '../parquet/key-sources.ts'
import type { SyntaxNode } from '../parquet/statement.ts'
import { createExpressions, type Level, type Levels } from './postgres-expressions.ts'
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

export interface StatementTrees {
  /** The innermost query's tree; `columns` are what its columns are called, else `c1`, `c2`, …. */
  translate(query: TreeNode, outer?: readonly Level[], columns?: readonly string[]): SyntaxNode
}

const joinTypes = ['INNER', 'LEFT', 'FULL', 'RIGHT']
const setOperations = ['', 'UNION', 'INTERSECT', 'EXCEPT']
const textTypes = new Set(['25', '1043'])

export function createStatementTrees(nameOfFunction: (oid: number) => string): StatementTrees {
  let lastName = 0
  const expressions = createExpressions({
    nameOfFunction,
    translateSubquery: (query, levels) => translate(query, levels),
  })
  const { translateExpression, targetOf } = expressions

  function translate(
    query: TreeNode,
    outer: readonly Level[] = [],
    columns: readonly string[] = [],
  ): SyntaxNode {
    if (query.kind !== 'QUERY' || textOf(query, 'commandType') !== '1')
      throw new Unproven('it holds no SELECT')
    const tables = nodesOf(query, 'rtable')
    const level = {
      query,
      tables,
      names: tables.map(() => `r${++lastName}`),
      withs: new Map<string, string>(),
    }
    const levels: Levels = [level, ...outer]
    const definitions = nodesOf(query, 'cteList').map((definition) => define(definition, levels))
    const cte_map = definitions.length > 0 ? { map: definitions } : undefined
    const operation = nodeOf(query, 'setOperations')
    const tree =
      operation === null ? select(levels, columns) : combine(operation, levels, { columns, types: [] })
    return { ...tree, modifiers: [...((tree.modifiers ?? []) as SyntaxNode[]), ...limits(levels)], cte_map }
  }

  function define(definition: TreeNode, levels: Levels): SyntaxNode {
    const name = textOf(definition, 'ctename')
    const key = `with ${++lastName}`
    const isRecursive = textOf(definition, 'cterecursive') === 'true'
    const inner = nodeOf(definition, 'ctequery')
    const node = isRecursive || inner === null ? { type: 'RECURSIVE_CTE_NODE' } : translate(inner, levels)
    levels[0].withs.set(name, key)
    return { key, value: { query: { node } } }
  }

  function select(levels: Levels, columns: readonly string[]): SyntaxNode {
    const { query } = levels[0]
    const targets = nodesOf(query, 'targetList')
    const expressionOf = (target: TreeNode) => translateExpression(target.fields.get('expr'), levels)
    const shown = targets.filter((target) => textOf(target, 'resjunk') === 'false')
    const hidden = targets.filter((target) => textOf(target, 'resjunk') !== 'false')
    const from = nodeOf(query, 'jointree')
    const groups = nodesOf(query, 'groupClause')
    const sets = nodesOf(query, 'groupingSets')
    const isGrouped = groups.length + sets.length > 0
    return {
      type: 'SELECT_NODE',
      select_list: shown.map((target, i) => ({
        ...(expressionOf(target) as SyntaxNode),
        alias: columns[i] ?? `c${i + 1}`,
      })),
      from_table: from === null ? undefined : fromList(nodesOf(from, 'fromlist'), levels),
      where_clause: from === null ? undefined : translateExpression(from.fields.get('quals'), levels),
      ...(isGrouped && { group_expressions: groups.map((group) => targetOf(group, levels)) }),
      ...(isGrouped && sets.length > 0 && { group_sets: [[], groups.map((_, i) => i)] }),
      // What only ORDER BY uses is looked through like a HAVING.
      having: [translateExpression(query.fields.get('havingQual'), levels), ...hidden.map(expressionOf)],
      modifiers: distinct(levels),
    }
  }

  function distinct(levels: Levels): SyntaxNode[] {
    const { query } = levels[0]
    const clauses = nodesOf(query, 'distinctClause')
    if (clauses.length === 0) return []
    const isOn = textOf(query, 'hasDistinctOn') === 'true'
    const targets = clauses.map((clause) => targetOf(clause, levels))
    return [{ type: 'DISTINCT_MODIFIER', ...(isOn && { distinct_on_targets: targets }) }]
  }

  function limits(levels: Levels): SyntaxNode[] {
    const parts = ['limitCount', 'limitOffset'].map((field) => levels[0].query.fields.get(field) ?? null)
    if (parts.every((part) => part === null)) return []
    return [{ type: 'LIMIT_MODIFIER', children: parts.map((part) => translateExpression(part, levels)) }]
  }

  /** The columns of each side come out as those of the whole, cast to `types` where they are of others. */
  function combine(
    node: TreeNode,
    levels: Levels,
    whole: { columns: readonly string[]; types: readonly (readonly TreeValue[])[] },
  ): SyntaxNode {
    if (node.kind === 'RANGETBLREF') return operand(numberOf(node, 'rtindex'), levels, whole)
    const setop_type = setOperations[numberOf(node, 'op')]
    if (node.kind !== 'SETOPERATIONSTMT' || !setop_type) throw new Unproven(`it holds a ${node.kind}`)
    const types = [...whole.types, listOf(node, 'colTypes').slice(1)]
    const side = (field: string) => {
      const inner = nodeOf(node, field)
      if (inner === null) throw new Unproven(`it has a ${setop_type} of one side`)
      return combine(inner, levels, { columns: whole.columns, types })
    }
    return { type: 'SET_OPERATION_NODE', setop_type, left: side('larg'), right: side('rarg') }
  }

  function operand(
    place: number,
    levels: Levels,
    { columns, types }: { columns: readonly string[]; types: readonly (readonly TreeValue[])[] },
  ): SyntaxNode {
    const query = nodeOf(levels[0].tables[place - 1] ?? { kind: '', fields: new Map() }, 'subquery')
    if (query === null) throw new Unproven('it combines what is no query')
    const tree = translate(query, levels, columns)
    if (tree.type !== 'SELECT_NODE') return tree
    const own = nodesOf(query, 'targetList').map((target) => typeOf(target.fields.get('expr')))
    const isSame = (a: string, b: TreeValue) => a === b || (textTypes.has(a) && textTypes.has(String(b)))
    const select_list = (tree.select_list as SyntaxNode[]).map((item, i) =>
      types.every((list) => isSame(own[i] ?? '', list[i] ?? null))
        ? item
        : { class: 'OPERATOR', type: 'CAST', children: [{ ...item, alias: '' }], alias: item.alias },
    )
    return { ...tree, select_list }
  }

  function fromList(items: readonly TreeNode[], levels: Levels): SyntaxNode | undefined {
    return items
      .map((item) => fromItem(item, levels))
      .reduce<SyntaxNode | undefined>(
        (left, right) =>
          left === undefined ? right : { type: 'JOIN', ref_type: 'CROSS', join_type: 'INNER', left, right },
        undefined,
      )
  }

  function fromItem(item: TreeNode, levels: Levels): SyntaxNode {
    if (item.kind === 'RANGETBLREF') return table(numberOf(item, 'rtindex'), levels)
    const join_type = joinTypes[numberOf(item, 'jointype')]
    const [left, right] = [nodeOf(item, 'larg'), nodeOf(item, 'rarg')]
    if (item.kind !== 'JOINEXPR' || join_type === undefined || left === null || right === null)
      throw new Unproven(`it holds a ${item.kind} of an unknown kind`)
    const place = numberOf(item, 'rtindex')
    return {
      type: 'JOIN',
      ref_type: 'REGULAR',
      join_type,
      left: fromItem(left, levels),
      right: fromItem(right, levels),
      condition: translateExpression(item.fields.get('quals'), levels),
      ...(join_type === 'FULL' && { merged_columns: expressions.mergedColumns(place, levels) }),
    }
  }

  function table(place: number, levels: Levels): SyntaxNode {
    const [node, alias] = [levels[0].tables[place - 1], levels[0].names[place - 1]]
    if (node === undefined || alias === undefined)
      throw new Unproven('it reads a table that it does not name')
    const names = nodeOf(node, 'eref')
    const column_name_alias = names === null ? [] : listOf(names, 'colnames').map((_, i) => `c${i + 1}`)
    switch (numberOf(node, 'rtekind')) {
      case 0: {
        const sample = nodeOf(node, 'tablesample') ?? undefined
        return { type: 'BASE_TABLE', alias, table_name: textOf(node, 'relid'), ...(sample && { sample: {} }) }
      }
      case 1: {
        const query = nodeOf(node, 'subquery')
        if (query === null) break
        return { type: 'SUBQUERY', alias, subquery: { node: translate(query, levels) } }
      }
      case 3: {
        const calls = nodesOf(node, 'functions').map((call) => call.fields.get('funcexpr'))
        const called = isNode(calls[0]) && calls[0].kind === 'FUNCEXPR' ? numberOf(calls[0], 'funcid') : 0
        const children = calls.map((call) => translateExpression(call, levels))
        const call = { class: 'OPERATOR', function_name: nameOfFunction(called), children }
        return { type: 'TABLE_FUNCTION', alias, function: call, column_name_alias }
      }
      case 5: {
        const values = listOf(node, 'values_lists').map((row) =>
          Array.isArray(row) ? row.map((cell: TreeValue) => translateExpression(cell, levels)) : [],
        )
        return { type: 'EXPRESSION_LIST', alias, values, column_name_alias }
      }
      case 6: {
        const name = levels[numberOf(node, 'ctelevelsup')]?.withs.get(textOf(node, 'ctename'))
        if (name === undefined) break
        return { type: 'BASE_TABLE', alias, table_name: name }
      }
      case 8:
        return { type: 'EMPTY' }
    }
    throw new Unproven('it reads from what cannot be looked into')
  }

  return { translate }
}

/** Only of what may be a table's column. */
function typeOf(expression: TreeValue | undefined): string {
  if (!isNode(expression)) return ''
  return textOf(expression, expression.kind === 'VAR' ? 'vartype' : 'resulttype')
}
