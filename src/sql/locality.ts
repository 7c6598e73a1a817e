// Proves of a statement that the rows of one key depend on nothing but the tables' rows of that key.

import { conjuncts, type Expression, findWithin, isSubquery, type Relation } from './algebra.ts'
import { type Analysis, createJoins } from './key-joins.ts'
import { ambiguity, equalIds, idOf, idsOf, outerIds, type Scope, usesAmbiguous } from './key-scope.ts'
import {
  type ColumnId,
  confined,
  constantRelation,
  createRelation,
  equated,
  isKeyed,
  type KeyedRelation,
  lost,
  withColumns,
  withIds,
} from './keyed-relations.ts'

type Of<Kind extends Relation['kind']> = Extract<Relation, { kind: Kind }>

/** A column of the key: its name, and its place in the result. */
export interface KeyPart {
  name: string
  index: number
}

/**
 * Null when it is proven, else why it is not, as the end of "…, because".
 *
 * Of a key of several columns it is proven of each by itself, and that is enough: where the rows with a = 1 are made of
 * the tables' rows with a = 1 alone, whatever the tables hold, they are made of those alone too when b is asked for; so the
 * rows with a = 1 and b = 2 are made of the tables' rows with a = 1 and b = 2.
 */
export function whyNotLocal(relation: Relation, key: readonly KeyPart[]): string | null {
  if (countJoins(relation) > maxJoins) return `it has more than ${maxJoins} joins`
  for (const [place, part] of key.entries()) {
    const reason = whyPartNotLocal(relation, place, part)
    if (reason !== null) return reason
  }
  return null
}

function whyPartNotLocal(relation: Relation, place: number, { name, index }: KeyPart): string | null {
  const result = createAnalysis(name, place).analyse(relation, { outer: [], defined: new Map() })
  if (result.columns.some((id) => result.ambiguous.has(id))) return ambiguity
  const id = result.columns[index]
  if (id !== undefined && isKeyed(result, id)) return null
  return result.reason ?? `its ${name} is not, or not always, that of the rows it was made of`
}

/** Of more the proof takes seconds. */
const maxJoins = 100

function countJoins(part: unknown): number {
  if (typeof part !== 'object' || part === null) return 0
  const own = 'kind' in part && part.kind === 'join' ? 1 : 0
  return Object.values(part).reduce<number>((sum, child) => sum + countJoins(child), own)
}

/** Of the key's column in that place, called `key`. */
function createAnalysis(key: string, place: number): Analysis {
  let lastId = 0
  const create = (count: number): ColumnId[] => Array.from({ length: count }, () => ++lastId)
  const analysis: Analysis = { key, create, analyse, filtered, withSubqueries }
  const join = createJoins(analysis)

  function analyse(relation: Relation, scope: Scope, known: readonly Expression[] = []): KeyedRelation {
    switch (relation.kind) {
      case 'table':
        return table(relation)
      case 'values':
        return withSubqueries(constantRelation(create(relation.width)), relation.items, scope)
      case 'project':
        return renamed(
          withSubqueries(analyse(relation.input, scope), relation.items, scope),
          relation.items,
          scope,
        )
      case 'filter': {
        const conditions = conjuncts(relation.condition)
        return filtered(analyse(relation.input, scope, [...conditions, ...known]), conditions, scope)
      }
      case 'join':
        return join(relation, scope, known)
      case 'aggregate':
        return aggregate(relation, scope)
      case 'window':
        return window(relation, scope)
      case 'expand':
        return widened(using(analyse(relation.input, scope), relation.items, scope), create(relation.width))
      case 'distinct':
        return distinct(relation, scope)
      case 'order':
        return using(analyse(relation.input, scope, known), relation.orders, scope)
      case 'limit': {
        const input = using(analyse(relation.input, scope), relation.items, scope)
        return input.isConstant ? input : confined(input, outerIds(scope), 'it has a LIMIT')
      }
      case 'set':
        return combine(relation, scope)
      case 'define': {
        const defined = new Map(scope.defined).set(relation.id, analyse(relation.definition, scope))
        return analyse(relation.input, { ...scope, defined }, known)
      }
      case 'reference':
        return reference(relation, scope)
      case 'opaque':
        return opaque(relation, scope)
    }
  }

  function table({ name, columns, keyIndexes }: Of<'table'>): KeyedRelation {
    const ids = create(columns.length)
    const keyIndex = keyIndexes[place] ?? null
    const reason =
      keyIndex === null
        ? `it reads ${name}, which has no column ${key} whose equal values are the same`
        : null
    return createRelation({ columns: ids, keyed: new Set(ids.filter((_, i) => i === keyIndex)), reason })
  }

  /** With the items as its columns: those that only pass a value on keep its id. */
  function renamed(source: KeyedRelation, items: readonly Expression[], scope: Scope): KeyedRelation {
    const keyed = new Set(source.keyed)
    const columns = items.map((item) => {
      const id = idOf(item, source.columns, scope)
      if (id !== undefined) return id
      const [made = 0] = create(1)
      if (source.isConstant || isChoice(item, source, scope)) keyed.add(made)
      return made
    })
    const made = items.filter(({ kind }) => kind !== 'column')
    const result = withColumns({ ...source, keyed }, columns, outerIds(scope))
    return usesAmbiguous(source, made, source.columns) ? lost(result, ambiguity) : result
  }

  /** One of several keyed columns: its rows are of those whose key it is. */
  function isChoice(item: Expression, source: KeyedRelation, scope: Scope): boolean {
    if (item.kind !== 'choice') return false
    return item.items.every((one) => {
      const id = idOf(one, source.columns, scope)
      return id !== undefined && isKeyed(source, id)
    })
  }

  function filtered(
    source: KeyedRelation,
    conditions: readonly Expression[],
    scope: Scope,
    columns: readonly ColumnId[] = source.columns,
  ): KeyedRelation {
    let result: KeyedRelation = { ...source, columns }
    for (const condition of conditions) {
      const pair = equalIds(condition, columns, scope)
      if (pair !== null) result = equated(result, pair.left, pair.right)
      result = withSubqueries(result, [condition], scope)
    }
    // By itself a column that is null leaves a row out just as one that is false.
    const others = conditions.filter(({ kind }) => kind !== 'column')
    return usesAmbiguous(result, others, columns) ? lost(result, ambiguity) : result
  }

  /** Where the items are used for other things than to be passed on. */
  function using(source: KeyedRelation, items: readonly Expression[], scope: Scope): KeyedRelation {
    const result = withSubqueries(source, items, scope)
    return usesAmbiguous(result, items, result.columns) ? lost(result, ambiguity) : result
  }

  /** With what the expressions' subqueries read: each row then depends on the rows that its own are evaluated over. */
  function withSubqueries(source: KeyedRelation, items: readonly Expression[], scope: Scope): KeyedRelation {
    const own = new Set([...source.columns, ...outerIds(scope)])
    let result = source
    for (const item of items) {
      for (const subquery of findWithin(item, isSubquery)) {
        const inner = analyse(subquery.relation, { ...scope, outer: [source.columns, ...scope.outer] })
        if (inner.isConstant) continue
        const through = [...inner.keyed].filter((id) => own.has(id))
        const [asked] = subquery.test === 'IN' && subquery === item ? subquery.items : []
        const id = asked && idOf(asked, source.columns, scope)
        // As a condition of its own: there it is all one that a null makes it unknown rather than false.
        if (id !== undefined && isKeyed(inner, inner.columns[0] ?? 0)) through.push(id)
        const reason = inner.reason ?? `it has a subquery that is not held to the row's own ${key}`
        result = confined(result, through, reason)
      }
    }
    return result
  }

  function aggregate(relation: Of<'aggregate'>, scope: Scope): KeyedRelation {
    const { input, groups, hasSets, aggregates, extras } = relation
    const items = aggregates.flatMap(({ items, orders, filter }) => [
      ...items,
      ...orders,
      ...(filter ? [filter] : []),
    ])
    const source = using(analyse(input, scope), [...groups, ...items], scope)
    const grouped = renamed(source, groups, scope)
    const others = create(aggregates.length + extras)
    if (grouped.isConstant) return constantRelation([...create(groups.length), ...others])
    // With several sets a column may be null where it is not in the rows that were grouped.
    const columns = hasSets ? create(groups.length) : grouped.columns
    const keyed = new Set(outerIds(scope).filter((id) => grouped.keyed.has(id)))
    grouped.columns.forEach((id, i) => {
      if (grouped.keyed.has(id)) keyed.add(columns[i] ?? 0)
    })
    const reason = groups.length === 0 ? 'it aggregates over all rows' : null
    return createRelation({
      columns: [...columns, ...others],
      keyed,
      follows: hasSets ? new Set() : grouped.follows,
      reason: keyed.size > 0 ? null : (grouped.reason ?? reason),
    })
  }

  function window({ input, windows }: Of<'window'>, scope: Scope): KeyedRelation {
    let source = analyse(input, scope)
    for (const { name, partitions, items, orders, filter } of windows) {
      source = using(source, [...partitions, ...items, ...orders, ...(filter ? [filter] : [])], scope)
      if (source.isConstant) continue
      const through = [...idsOf(partitions, source.columns, scope), ...outerIds(scope)]
      source = confined(source, through, `its window function ${name} is not over a PARTITION BY ${key}`)
    }
    return widened(source, create(windows.length))
  }

  function distinct({ input, on, orders }: Of<'distinct'>, scope: Scope): KeyedRelation {
    const source = using(analyse(input, scope), [...(on ?? []), ...(orders ?? [])], scope)
    if (source.isConstant) return source
    if (on === null)
      return source.columns.some((id) => source.ambiguous.has(id)) ? lost(source, ambiguity) : source
    const through = [...idsOf(on, source.columns, scope), ...outerIds(scope)]
    return confined(source, through, `its DISTINCT ON is not by ${key}`)
  }

  function combine({ left, right }: Of<'set'>, scope: Scope): KeyedRelation {
    const sides = [analyse(left, scope), analyse(right, scope)] as const
    const [a, b] = sides
    const columns = create(a.columns.length)
    if (a.isConstant && b.isConstant) return constantRelation(columns)
    const isBoth = (ours = 0, theirs = 0) => isKeyed(a, ours) && isKeyed(b, theirs)
    const own = columns.filter((_, i) => isBoth(a.columns[i], b.columns[i]))
    const keyed = new Set([...own, ...outerIds(scope).filter((id) => isBoth(id, id))])
    const result = createRelation({ columns, keyed, reason: keyed.size > 0 ? null : (a.reason ?? b.reason) })
    const isAmbiguous = sides.some((side) => side.columns.some((id) => side.ambiguous.has(id)))
    return isAmbiguous ? lost(result, ambiguity) : result
  }

  /** What a WITH gives under new ids, so that two uses of it are two relations. */
  function reference({ id, width }: Of<'reference'>, { defined }: Scope): KeyedRelation {
    const given = defined.get(id)
    if (given === undefined) return createRelation({ columns: create(width), reason: 'it refers to itself' })
    const renewed = new Map(given.columns.map((own) => [own, ++lastId]))
    return withIds(given, (own) => renewed.get(own) ?? own)
  }

  function opaque({ inputs, width, reason }: Of<'opaque'>, scope: Scope): KeyedRelation {
    const columns = create(width)
    const isConstant = inputs.length > 0 && inputs.every((input) => analyse(input, scope).isConstant)
    return isConstant ? constantRelation(columns) : createRelation({ columns, reason })
  }

  function widened(source: KeyedRelation, ids: readonly ColumnId[]): KeyedRelation {
    const columns = [...source.columns, ...ids]
    const keyed = source.isConstant ? new Set([...source.keyed, ...ids]) : source.keyed
    return { ...source, columns, keyed }
  }

  return analysis
}
