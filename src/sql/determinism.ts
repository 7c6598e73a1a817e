// Tells of a statement whether the same rows always give the same result, or what in it leaves that open.

import {
  type Aggregate,
  conjuncts,
  type Expression,
  findWithin,
  isColumn,
  isSubquery,
  type Relation,
  type Window,
} from './algebra.ts'
import { exact, type Finding, open, rounding, worst } from './finding.ts'
import {
  createOrdered,
  grouped,
  joinedKeys,
  type Ordered,
  orderOf,
  positionsOf,
  projected,
} from './ordered-relations.ts'

/** What a statement gives for the same tables: each column's values, and which rows. */
export interface Certainty {
  columns: readonly Finding[]
  rows: Finding
}

/** A relation, how certain it is, and what is known of the order of its rows. */
interface State extends Certainty, Ordered {}

interface Scope {
  outer: readonly (readonly Finding[])[]
  defined: ReadonlyMap<string, State>
}

type Of<Kind extends Relation['kind']> = Extract<Relation, { kind: Kind }>

/** The same by the columns' names; what is not named is exact. */
export interface Promised {
  columns: ReadonlyMap<string, Finding>
  rows: Finding
}

/** What holds of the whole result. */
export function overall({ columns, rows }: Certainty | Promised): Finding {
  return worst([rows, ...columns.values()])
}

/** Where something in the statement gives another result at each run. */
export function unlessChanging(certainty: Certainty, changing: string | null): Certainty {
  if (changing === null) return certainty
  return { ...certainty, rows: worst([open(`${changing} gives another result at each run`), certainty.rows]) }
}

/** `certaintyOf` tells of a table whose rows are themselves a statement's result; without it tables are exact. */
export function judgeDeterminism(
  relation: Relation,
  certaintyOf: (table: string) => Certainty | undefined = () => undefined,
): Certainty {
  const { columns, rows } = createJudge(certaintyOf)(relation, { outer: [], defined: new Map() })
  return { columns, rows }
}

function createJudge(certaintyOf: (table: string) => Certainty | undefined) {
  function judge(relation: Relation, scope: Scope): State {
    switch (relation.kind) {
      case 'table':
        return table(relation)
      case 'values':
        return state(
          Array.from({ length: relation.width }, () => values(relation.items, [], scope)),
          exact,
          createOrdered(),
        )
      case 'project': {
        const source = judge(relation.input, scope)
        const columns = relation.items.map((item) => findingOf(item, source.columns, scope))
        return state(columns, source.rows, projected(source, relation.items))
      }
      case 'filter': {
        const source = judge(relation.input, scope)
        return decided(source, conjuncts(relation.condition), scope, 'its condition')
      }
      case 'join':
        return join(relation, scope)
      case 'aggregate':
        return aggregate(relation, scope)
      case 'window':
        return window(relation, scope)
      case 'expand': {
        const source = judge(relation.input, scope)
        const made = Array.from({ length: relation.width }, () =>
          values(relation.items, source.columns, scope),
        )
        const count = hardened(worst(made), 'how many rows are made of one')
        return state([...source.columns, ...made], worst([source.rows, count]), createOrdered())
      }
      case 'distinct':
        return distinct(relation, scope)
      case 'order': {
        const source = judge(relation.input, scope)
        const certain = values(relation.orders, source.columns, scope)
        return { ...source, order: certain.level === 'EXACT' ? orderOf(source, relation.orders) : undefined }
      }
      case 'limit':
        return limit(relation, scope)
      case 'set':
        return combine(relation, scope)
      case 'define': {
        const defined = new Map(scope.defined).set(relation.id, judge(relation.definition, scope))
        return judge(relation.input, { ...scope, defined })
      }
      case 'reference':
        return scope.defined.get(relation.id) ?? unknown(relation.width, 'a query that refers to itself')
      case 'opaque':
        return unknown(relation.width, relation.reason)
    }
  }

  function table({ name, columns, uniques }: Of<'table'>): State {
    const given = certaintyOf(name)
    const found = given?.columns ?? columns.map(() => exact)
    return state(found, given?.rows ?? exact, createOrdered(given === undefined ? uniques : []))
  }

  function findingOf(item: Expression, columns: readonly Finding[], scope: Scope): Finding {
    switch (item.kind) {
      case 'column':
        return columns[item.index] ?? exact
      case 'outer':
        return scope.outer[item.depth - 1]?.[item.index] ?? exact
      case 'constant':
        return exact
      case 'choice':
        return values(item.items, columns, scope)
      case 'call': {
        const tests = hardened(values(item.tests ?? [], columns, scope), `what ${item.name} decides`)
        const made = values(item.items, columns, scope)
        return worst([tests, item.isSmooth === true ? made : hardened(made, `what ${item.name} makes of it`)])
      }
      case 'equal':
        return hardened(values([item.left, item.right], columns, scope), 'a comparison')
      case 'and':
        return hardened(values(item.items, columns, scope), 'a condition')
      case 'subquery':
        return subquery(item, columns, scope)
    }
  }

  function subquery(
    { relation, test, items }: Extract<Expression, { kind: 'subquery' }>,
    columns: readonly Finding[],
    scope: Scope,
  ): Finding {
    const inner = judge(relation, { ...scope, outer: [columns, ...scope.outer] })
    const asked = hardened(values(items, columns, scope), 'a comparison')
    if (test === 'EXISTS') return worst([inner.rows, asked])
    const made = worst(inner.columns)
    return worst([inner.rows, asked, test === 'SCALAR' ? made : hardened(made, 'a comparison')])
  }

  function values(items: readonly Expression[], columns: readonly Finding[], scope: Scope): Finding {
    return worst(items.map((item) => findingOf(item, columns, scope)))
  }

  /** Where conditions choose the rows. */
  function decided(source: State, conditions: readonly Expression[], scope: Scope, what: string): State {
    const certain = hardened(values(conditions, source.columns, scope), what)
    return { ...source, rows: worst([source.rows, certain]) }
  }

  function join(relation: Of<'join'>, scope: Scope): State {
    const { type, condition, isLateral } = relation
    const left = judge(relation.left, scope)
    const outer = isLateral ? [left.columns, ...scope.outer] : scope.outer
    const right = judge(relation.right, { ...scope, outer })
    const rows = worst([left.rows, right.rows])
    const both = state([...left.columns, ...right.columns], rows, createOrdered())
    const met = decided(both, conjuncts(condition), scope, 'the condition of its join')
    if (type === 'SEMI' || type === 'ANTI')
      return { ...met, columns: left.columns, uniques: left.uniques, order: left.order }
    if (type === 'MARK') return { ...left, columns: [...left.columns, met.rows] }
    const uniques = joinedKeys(relation, left, right, left.columns.length)
    // A row that meets none or one keeps its place.
    return { ...met, uniques, order: type === 'SINGLE' ? left.order : undefined }
  }

  function aggregate({ input, groups, hasSets, aggregates, extras }: Of<'aggregate'>, scope: Scope): State {
    const source = judge(input, scope)
    const groupValues = groups.map((group) => findingOf(group, source.columns, scope))
    const apart = hardened(worst(groupValues), 'what it groups by')
    const within = positionsOf(groups)
    const made = aggregates.map((one) => collected(one, source, within, scope))
    const columns = [...groupValues, ...made, ...Array.from({ length: extras }, () => exact)]
    return state(columns, worst([source.rows, apart]), grouped(groups.length, hasSets))
  }

  /** What an aggregate makes of the rows of a group; `within` are the columns that all its rows share. */
  function collected(one: Aggregate, source: State, within: readonly number[], scope: Scope): Finding {
    const { name, nature, items, orders, filter, cure } = one
    const given = values(items, source.columns, scope)
    const sorted = hardened(values(orders, source.columns, scope), `the order of ${name}`)
    const chosen = hardened(
      values(filter === undefined ? [] : [filter], source.columns, scope),
      `the filter of ${name}`,
    )
    const tied = `${name} depends on an order of rows that is left open`
    switch (nature) {
      case 'EXACT':
        return worst([name === 'count' ? exact : given, sorted, chosen])
      case 'ROUNDING':
        return worst([given, rounding(name, cure), sorted, chosen])
      case 'ORDERED': {
        const order = isOrdered(source, items, orders, within) ? exact : open(tied, cure ?? addKey)
        return worst([hardened(given, name), order, sorted, chosen])
      }
      case 'OPEN':
        return open(`${name} may give another result each time`, cure)
    }
  }

  function window({ input, windows }: Of<'window'>, scope: Scope): State {
    const source = judge(input, scope)
    const made = windows.map((one) => {
      const { partitions, orders, nature, isByRows, name } = one
      const within = positionsOf(partitions)
      const apart = hardened(values(partitions, source.columns, scope), `the PARTITION BY of ${name}`)
      const isOpen = isByRows && nature !== 'OPEN' && !isOrdered(source, [], orders, within)
      const value = collected({ ...one, ...openByRows(one, isOpen) }, source, within, scope)
      return worst([apart, value])
    })
    return { ...source, columns: [...source.columns, ...made] }
  }

  function distinct({ input, on, orders }: Of<'distinct'>, scope: Scope): State {
    const source = judge(input, scope)
    if (on === null) {
      const apart = hardened(worst(source.columns), 'what its DISTINCT compares')
      const uniques = [source.columns.map((_, i) => i)]
      return { ...source, rows: worst([source.rows, apart]), uniques }
    }
    const within = positionsOf(on)
    const order = orders === null ? source.order : orderOf(source, orders)
    const sorted = values([...on, ...(orders ?? [])], source.columns, scope)
    const apart = hardened(sorted, 'what its DISTINCT ON compares')
    const known = new Set([...within, ...(order?.positions ?? [])])
    const isTotal = order?.isTotal === true || covers(source, known)
    const chosen = open('DISTINCT ON takes one of the rows that its ORDER BY leaves equal', addKey)
    const columns = source.columns.map((one, i) => (isTotal || known.has(i) ? one : chosen))
    return { ...source, columns, rows: worst([source.rows, apart]), uniques: [...source.uniques, within] }
  }

  function limit({ input, items }: Of<'limit'>, scope: Scope): State {
    const source = judge(input, scope)
    const counted = hardened(values(items, [], scope), 'its LIMIT')
    const { order } = source
    const isTotal = order !== undefined && (order.isTotal || covers(source, new Set(order.positions)))
    const chosen = open(
      order === undefined
        ? 'its LIMIT takes some of the rows, in no order'
        : 'its LIMIT takes some of the rows that its ORDER BY leaves equal',
      addKey,
    )
    return { ...source, rows: worst([source.rows, counted, isTotal ? exact : chosen]) }
  }

  function combine({ type, isAll, left, right }: Of<'set'>, scope: Scope): State {
    const [a, b] = [judge(left, scope), judge(right, scope)]
    const columns = a.columns.map((one, i) => worst([one, b.columns[i] ?? exact]))
    const isMerged = type !== 'UNION' || !isAll
    const apart = isMerged ? hardened(worst(columns), `what its ${type} compares`) : exact
    const uniques = isAll ? [] : [columns.map((_, i) => i)]
    return state(columns, worst([a.rows, b.rows, apart]), createOrdered(uniques))
  }

  return judge
}

const addKey = 'add the table’s key to ORDER BY'

/** A frame that ends between rows that sort alike holds one or another of them. */
function openByRows({ name }: Window, isOpen: boolean): Partial<Window> {
  return isOpen
    ? { nature: 'OPEN', name: `${name} over ROWS in an order that is left open`, cure: addKey }
    : {}
}

/** Whether of rows that the order leaves equal all that is looked at is the same. */
function isOrdered(
  source: State,
  items: readonly Expression[],
  orders: readonly Expression[],
  within: readonly number[],
): boolean {
  const known = new Set([...within, ...positionsOf(orders)])
  const looked = items.flatMap((item) => findWithin(item, isColumn).map(({ index }) => index))
  const isWithin =
    items.length > 0 &&
    items.every((item) => findWithin(item, isSubquery).length === 0) &&
    looked.every((index) => known.has(index))
  return isWithin || covers(source, known)
}

/** Whether no two rows are alike in these columns, or only such as are alike in all. */
function covers({ uniques, columns }: State, known: ReadonlySet<number>): boolean {
  return (
    uniques.some((unique) => unique.every((index) => known.has(index))) ||
    columns.every((_, index) => known.has(index))
  )
}

/** What is decided by a value that differs in its last digits may differ altogether. */
function hardened(finding: Finding, what: string): Finding {
  if (finding.level !== 'ROUNDING') return finding
  return open(`${what} rests on a value that rounds: ${finding.note}`)
}

function unknown(width: number, reason: string): State {
  const finding = open(`${reason}, which is not looked into`)
  return state(
    Array.from({ length: width }, () => finding),
    finding,
    createOrdered(),
  )
}

function state(columns: readonly Finding[], rows: Finding, ordered: Ordered): State {
  return { columns, rows, ...ordered }
}
