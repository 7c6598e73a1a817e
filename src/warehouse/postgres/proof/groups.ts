// Groups, aggregates, windows and rows made of rows in the server's analysed form, as operators over numbered columns.

import type { Aggregate, Expression, Window } from '../../../sql/algebra.ts'
import { type Collected, isByPlace, natureOf } from './aggregates.ts'
import { isText } from './equality.ts'
import type { ReadExpression } from './expressions.ts'
import { aliasOf, columnShape, NotFollowed, type Place, type RelationParts, type Shapes } from './places.ts'
import type { Source } from './tables.ts'
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

export interface GroupParts extends RelationParts {
  shapes: Shapes
  read: ReadExpression
  /** An expression as what rows are sorted by. */
  sorted(node: TreeValue | undefined, expression: Expression): Expression
}

/** What is to be computed over a query's rows before its targets are. */
interface Found {
  aggregates: TreeNode[]
  windows: TreeNode[]
  groupings: TreeNode[]
  makers: TreeNode[]
  /** Columns that are not grouped by. */
  others: TreeNode[]
}

export function createGroups({ shapes, read, sorted, functionOf, tableOf, isLoose }: GroupParts) {
  function grouped(query: TreeNode, source: Source, outside: Place): Source {
    const clauses = nodesOf(query, 'groupClause')
    const sets = nodesOf(query, 'groupingSets')
    const having = nodeOf(query, 'havingQual')
    if (textOf(query, 'hasAggs') !== 'true' && clauses.length + sets.length === 0 && having === null)
      return source
    const named = clauses.map((clause) => targetOf(query, clause))
    const { aggregates, groupings, others } = find(query, named, { ...outside, row: source.row })
    const groups = [...named, ...determined(others, named, outside, sets.length > 0)]
    const input = withColumns(source, [...groups, ...aggregates.flatMap(sortedBy)], outside)
    const place = { ...outside, row: input.row }
    const row = new Map(groups.map((group, i) => [shapes.of(group, place.levels), i] as const))
    const made = [...unlike(aggregates, place), ...unlike(groupings, place)]
    made.forEach((node, i) => {
      row.set(shapes.of(node, place.levels), groups.length + i)
    })
    const count = made.filter(({ kind }) => kind === 'AGGREF').length
    const width = groups.length + made.length
    const relation = {
      kind: 'aggregate' as const,
      input: input.relation,
      groups: groups.map((group) => read(group, place)),
      hasSets: sets.length > 0,
      aggregates: made.slice(0, count).map((node) => aggregate(node, place)),
      extras: made.length - count,
    }
    if (having === null) return { relation, row, width }
    const condition = read(having, { ...outside, row })
    return { relation: { kind: 'filter', input: relation, condition }, row, width }
  }

  /** All that the targets and HAVING ask for, at the query's own level. */
  function find(query: TreeNode, groups: readonly TreeValue[], place: Place): Found {
    const found: Found = { aggregates: [], windows: [], groupings: [], makers: [], others: [] }
    const isGroup = new Set(groups.map((group) => shapes.of(group, place.levels)))
    const look = (value: TreeValue | undefined, depth: number): void => {
      if (Array.isArray(value)) for (const item of value as TreeValue[]) look(item, depth)
      if (!isNode(value)) return
      const own = (field: string) => numberOf(value, field) === depth
      if (depth === 0 && isGroup.has(shapes.of(value, place.levels))) return
      if (value.kind === 'AGGREF' && own('agglevelsup')) {
        if (depth > 0) throw new NotFollowed('it aggregates outside of a subquery')
        found.aggregates.push(value)
        return
      }
      if (value.kind === 'GROUPINGFUNC' && own('agglevelsup')) found.groupings.push(value)
      else if (value.kind === 'VAR' && own('varlevelsup')) column(value, depth)
      else {
        if (depth === 0 && value.kind === 'WINDOWFUNC') found.windows.push(value)
        if (depth === 0 && isMaker(value)) found.makers.push(value)
        for (const field of value.fields.values()) look(field, value.kind === 'QUERY' ? depth + 1 : depth)
      }
    }
    const column = (node: TreeNode, depth: number) => {
      const here = { kind: node.kind, fields: new Map([...node.fields, ['varlevelsup', '0'] as const]) }
      if (isGroup.has(shapes.of(here, place.levels))) return
      const meant = aliasOf(here, place.levels)
      if (meant === null) found.others.push(here)
      else look(meant.expression, depth)
    }
    look(query.fields.get('targetList'), 0)
    look(query.fields.get('havingQual'), 0)
    return found
  }

  /** Columns that are the same in all rows of a group, since it has a key of their table. */
  function determined(
    others: readonly TreeNode[],
    groups: readonly TreeValue[],
    place: Place,
    hasSets: boolean,
  ): TreeNode[] {
    const [level] = place.levels
    const known = new Set(groups.map((group) => shapes.of(group, place.levels)))
    return unlike(others, place).filter((node) => {
      const number = numberOf(node, 'varno')
      const table = level?.tables[number - 1]
      const relation = table && textOf(table, 'rtekind') === '0' ? tableOf(numberOf(table, 'relid')) : null
      const uniques = relation?.kind === 'table' ? relation.uniques : []
      const isKnown = (index: number) => known.has(columnShape(level?.id ?? 0, number, index + 1))
      if (!hasSets && uniques.some((unique) => unique.every(isKnown))) return true
      throw new NotFollowed('it has a column that it neither groups by nor aggregates')
    })
  }

  function aggregate(node: TreeNode, place: Place): Aggregate {
    const called = functionOf(numberOf(node, 'aggfnoid'))
    const targets = nodesOf(node, 'args')
    const shown = targets.filter((target) => textOf(target, 'resjunk') === 'false')
    const filter = nodeOf(node, 'aggfilter')
    const isDistinctCount = called.name === 'count' && nodesOf(node, 'aggdistinct').length > 0
    return {
      ...collectedBy(called, listOf(node, 'aggargtypes').slice(1).map(String)),
      name: isDistinctCount ? 'count of DISTINCT' : called.name,
      items: [
        ...listOf(node, 'aggdirectargs').map((item) => read(item, place)),
        ...shown.map((target) => read(target.fields.get('expr'), place)),
      ],
      orders: sortedBy(node).map((by) => sorted(by, read(by, place))),
      filter: filter === null ? undefined : read(filter, place),
    }
  }

  function collectedBy(called: Parameters<typeof natureOf>[0], types: readonly string[]): Collected {
    const isLooseText = isLoose && types.some(isText)
    return isLooseText && /^(min|max)$/.test(called.name) ? { nature: 'ORDERED' } : natureOf(called, types)
  }

  function windowed(query: TreeNode, source: Source, outside: Place): Source {
    if (textOf(query, 'hasWindowFuncs') !== 'true') return source
    const found = unlike(find(query, [], outside).windows, outside)
    const clauses = nodesOf(query, 'windowClause').flatMap((clause) => [
      ...nodesOf(clause, 'partitionClause'),
      ...nodesOf(clause, 'orderClause'),
    ])
    const input = withColumns(
      source,
      clauses.map((clause) => targetOf(query, clause)),
      outside,
    )
    const place = { ...outside, row: input.row }
    const row = new Map(input.row)
    found.forEach((node, i) => {
      row.set(shapes.of(node, place.levels), input.width + i)
    })
    const windows = found.map((node) => window(node, query, place))
    return {
      relation: { kind: 'window', input: input.relation, windows },
      row,
      width: input.width + found.length,
    }
  }

  function window(node: TreeNode, query: TreeNode, place: Place): Window {
    const number = textOf(node, 'winref')
    const clause = nodesOf(query, 'windowClause').find((one) => textOf(one, 'winref') === number)
    if (clause === undefined) throw new NotFollowed('it has a window that cannot be looked into')
    const called = functionOf(numberOf(node, 'winfnoid'))
    const filter = nodeOf(node, 'aggfilter')
    const bounds = ['startOffset', 'endOffset'].map((field) => read(clause.fields.get(field), place))
    return {
      ...collectedBy(called, nodesOf(node, 'args').map(typeOf)),
      name: called.name,
      items: [...listOf(node, 'args').map((item) => read(item, place)), ...bounds],
      filter: filter === null ? undefined : read(filter, place),
      partitions: nodesOf(clause, 'partitionClause').map((one) => read(targetOf(query, one), place)),
      orders: nodesOf(clause, 'orderClause').map((one) => {
        const target = targetOf(query, one)
        return sorted(target, read(target, place))
      }),
      isByRows: isByPlace(called.name) || isByRows(numberOf(clause, 'frameOptions')),
    }
  }

  /** Functions in the targets that make several rows of one. */
  function expanded(query: TreeNode, source: Source, outside: Place): Source {
    if (textOf(query, 'hasTargetSRFs') !== 'true') return source
    const place = { ...outside, row: source.row }
    const makers = unlike(find(query, [], place).makers, place)
    const row = new Map(source.row)
    makers.forEach((node, i) => {
      row.set(shapes.of(node, place.levels), source.width + i)
    })
    const items = makers.flatMap((node) => listOf(node, 'args').map((item) => read(item, place)))
    const width = makers.length
    return {
      relation: { kind: 'expand', input: source.relation, items, width },
      row,
      width: source.width + width,
    }
  }

  /** With a column for each of the expressions, so that what is grouped or sorted by is known where it is met again. */
  function withColumns(source: Source, nodes: readonly TreeValue[], outside: Place): Source {
    const place = { ...outside, row: source.row }
    const added = unlike(nodes.filter(isNode), place).filter(
      (node) => !source.row.has(shapes.of(node, place.levels)),
    )
    if (added.length === 0) return source
    const row = new Map(source.row)
    added.forEach((node, i) => {
      row.set(shapes.of(node, place.levels), source.width + i)
    })
    const own = Array.from({ length: source.width }, (_, index): Expression => ({ kind: 'column', index }))
    const items = [...own, ...added.map((node) => read(node, place))]
    return { relation: { kind: 'project', input: source.relation, items }, row, width: items.length }
  }

  /** Without those that are the same as one before. */
  function unlike(nodes: readonly TreeNode[], { levels }: Place): TreeNode[] {
    return [...new Map(nodes.map((node) => [shapes.of(node, levels), node])).values()]
  }

  return { grouped, windowed, expanded }
}

function targetOf(query: TreeNode, clause: TreeNode): TreeValue {
  const number = textOf(clause, 'tleSortGroupRef')
  const target = nodesOf(query, 'targetList').find((one) => textOf(one, 'ressortgroupref') === number)
  return target?.fields.get('expr') ?? null
}

/** What an aggregate's rows are sorted by: DISTINCT sorts too. */
function sortedBy(node: TreeNode): TreeValue[] {
  const targets = nodesOf(node, 'args')
  return [...nodesOf(node, 'aggorder'), ...nodesOf(node, 'aggdistinct')].map((clause) => {
    const number = textOf(clause, 'tleSortGroupRef')
    return targets.find((one) => textOf(one, 'ressortgroupref') === number)?.fields.get('expr') ?? null
  })
}

function isMaker(node: TreeNode): boolean {
  return textOf(node, 'funcretset') === 'true' || textOf(node, 'opretset') === 'true'
}

const byRows = 0x4
const wholePartition = 0x20 | 0x100

/** Of the frame's options: whether it begins or ends between rows that sort alike. */
function isByRows(options: number): boolean {
  return (options & byRows) !== 0 && (options & wholePartition) !== wholePartition
}
