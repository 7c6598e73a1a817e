// Joins seen for one key: which columns still tell whose row it is when two relations meet.

import {
  conjuncts,
  type Expression,
  findWithin,
  isColumn,
  isSubquery,
  type Relation,
  widthOf,
} from './algebra.ts'
import { ambiguity, equalIds, outerIds, type Scope, usesAmbiguous } from './key-scope.ts'
import {
  type ColumnId,
  closed,
  constantRelation,
  equated,
  joined,
  type KeyedRelation,
  lost,
  type Pair,
  withColumns,
  withIds,
} from './keyed-relations.ts'

type Join = Extract<Relation, { kind: 'join' }>

/** A condition, and where in the columns its own begin. */
interface Placed {
  condition: Expression
  from: number
}

export interface Analysis {
  key: string
  create(count: number): ColumnId[]
  /** `known` holds of the rows that come to matter above. */
  analyse(relation: Relation, scope: Scope, known?: readonly Expression[]): KeyedRelation
  /** With only the rows for which the conditions hold. */
  filtered(
    source: KeyedRelation,
    conditions: readonly Expression[],
    scope: Scope,
    columns?: readonly ColumnId[],
  ): KeyedRelation
  withSubqueries(source: KeyedRelation, items: readonly Expression[], scope: Scope): KeyedRelation
}

export function createJoins({ key, create, analyse, filtered, withSubqueries }: Analysis) {
  const otherColumns = `it joins tables by other columns than ${key}`

  function join(relation: Join, scope: Scope, known: readonly Expression[]): KeyedRelation {
    if (relation.type === 'INNER' && !isTied(relation)) return innerJoin(relation, scope, known)
    const left = analyse(relation.left, scope, leftOnly(relation, known))
    const right = analyse(
      relation.right,
      relation.isLateral ? { ...scope, outer: [left.columns, ...scope.outer] } : scope,
    )
    return meet(relation, left, right, scope)
  }

  function meet(
    relation: Join,
    givenLeft: KeyedRelation,
    givenRight: KeyedRelation,
    scope: Scope,
  ): KeyedRelation {
    const { type, condition, isLateral } = relation
    const conditions = conjuncts(condition)
    const outer = outerIds(scope)
    const isLeftWhole = type !== 'RIGHT' && type !== 'FULL'
    const left = isLeftWhole ? givenLeft : nullable(givenLeft, outer)
    const others = [...left.columns, ...outer]
    const given = type === 'INNER' || type === 'RIGHT' ? givenRight : nullable(givenRight, others)
    const columns = [...left.columns, ...given.columns]
    const right = isLeftWhole ? narrowed(given, conditions, columns, scope) : given
    const pairs = [
      ...pairsBetween(left, right, conditions, columns, scope),
      ...sameRows([...(isLateral ? left.columns : []), ...outer]),
    ]
    const all = joined(left, right, {
      type: keptRows[type],
      pairs,
      outside: { left: new Set(outer), right: new Set(others) },
      reason: otherColumns,
    })
    if (type === 'INNER') return filtered(all, conditions, scope)
    const asked = withSubqueries(all, conditions, scope)
    const met = usesAmbiguous(asked, conditions, columns) ? lost(asked, ambiguity) : asked
    if (type === 'SEMI' || type === 'ANTI') return withColumns(met, left.columns, outer)
    return type === 'MARK' ? marked(withColumns(met, left.columns, outer), right, conditions) : met
  }

  /** With the column that says whether a row met one. */
  function marked(
    source: KeyedRelation,
    right: KeyedRelation,
    conditions: readonly Expression[],
  ): KeyedRelation {
    const [mark = 0] = create(1)
    const isCertain = right.isConstant || conditions.every((one) => one.kind === 'equal' && one.isNullSafe)
    return {
      ...source,
      columns: [...source.columns, mark],
      keyed: source.isConstant ? new Set([...source.keyed, mark]) : source.keyed,
      ambiguous: isCertain ? source.ambiguous : new Set([...source.ambiguous, mark]),
    }
  }

  /** A side that may come out as nulls: what it passes on from outside is then no longer what it was. */
  function nullable(side: KeyedRelation, outside: readonly ColumnId[]): KeyedRelation {
    const own = new Map(
      side.columns.filter((id) => outside.includes(id)).map((id) => [id, create(1)[0] ?? 0]),
    )
    if (own.size === 0) return side
    const renewed = withIds(side, (id) => own.get(id) ?? id)
    const edges = [...own].flatMap(([id, fresh]) => [[id, fresh] as const, [fresh, id] as const])
    return {
      ...renewed,
      keyed: new Set([...renewed.keyed, ...side.keyed]),
      follows: closed(side.follows, edges),
    }
  }

  /** Inner joins and commas as one list of relations, joined in whichever order the key holds them together. */
  function innerJoin(relation: Join, scope: Scope, known: readonly Expression[]): KeyedRelation {
    const parts: KeyedRelation[] = []
    const columns: ColumnId[] = []
    const own: Placed[] = []
    const collect = (inner: Relation) => {
      if (inner.kind !== 'join' || inner.type !== 'INNER' || isTied(inner)) {
        const part = analyse(inner, scope)
        parts.push(part)
        columns.push(...part.columns)
        return
      }
      const from = columns.length
      collect(inner.left)
      collect(inner.right)
      for (const condition of conjuncts(inner.condition)) own.push({ condition, from })
    }
    collect(relation)
    const hints = known.filter(isPlain).map((condition) => ({ condition, from: 0 }))
    const all = joinAll(parts, [...hints, ...own], columns, scope)
    const result = own.reduce(
      (one, { condition, from }) => filtered(one, [condition], scope, columns.slice(from)),
      all,
    )
    return { ...result, columns }
  }

  function joinAll(
    parts: readonly KeyedRelation[],
    conditions: readonly Placed[],
    columns: readonly ColumnId[],
    scope: Scope,
  ): KeyedRelation {
    const waiting = parts.map((part) =>
      conditions.reduce(
        (one, { condition, from }) => narrowed(one, [condition], columns.slice(from), scope),
        part,
      ),
    )
    const outer = outerIds(scope)
    let all = waiting.shift() ?? constantRelation([])
    const meetAll = (part: KeyedRelation) => {
      const pairs = conditions.flatMap(({ condition, from }) =>
        pairsBetween(all, part, [condition], columns.slice(from), scope),
      )
      return joined(all, part, {
        type: 'INNER',
        pairs: [...pairs, ...sameRows(outer)],
        outside: { left: new Set(outer), right: new Set(outer) },
        reason: otherColumns,
      })
    }
    const isHeld = ({ keyed, isConstant }: KeyedRelation) => keyed.size > 0 || isConstant
    while (waiting.length > 0) {
      let next: { at: number; met: KeyedRelation } | undefined
      for (const [at, part] of waiting.entries()) {
        const met = meetAll(part)
        if (next === undefined || isHeld(met)) next = { at, met }
        if (isHeld(met)) break
      }
      waiting.splice(next?.at ?? 0, 1)
      all = next?.met ?? all
    }
    return all
  }

  return join
}

const keptRows = {
  INNER: 'INNER',
  LEFT: 'LEFT',
  RIGHT: 'RIGHT',
  FULL: 'FULL',
  SEMI: 'LEFT',
  ANTI: 'LEFT',
  MARK: 'LEFT',
  SINGLE: 'LEFT',
} as const

function isPlain(condition: Expression): boolean {
  return findWithin(condition, isSubquery).length === 0
}

/** Whether each row of the right is seen with a row of the left, or a condition asks further tables. */
function isTied({ isLateral, condition }: Join): boolean {
  return isLateral === true || (condition !== null && !isPlain(condition))
}

/** What is known of the rows above holds of the left's, where these come out as they are. */
function leftOnly({ type, left }: Join, known: readonly Expression[]): readonly Expression[] {
  if (type === 'RIGHT' || type === 'FULL') return []
  const width = widthOf(left)
  return known.filter(
    (condition) => isPlain(condition) && findWithin(condition, isColumn).every(({ index }) => index < width),
  )
}

/** By those conditions that are about its own columns, and those from outside, alone. */
function narrowed(
  part: KeyedRelation,
  conditions: readonly Expression[],
  columns: readonly ColumnId[],
  scope: Scope,
): KeyedRelation {
  const own = new Set([...part.columns, ...outerIds(scope)])
  return conditions.reduce((one, condition) => {
    const pair = equalIds(condition, columns, scope)
    const isOwn = pair !== null && own.has(pair.left) && own.has(pair.right)
    return isOwn ? equated(one, pair.left, pair.right) : one
  }, part)
}

function pairsBetween(
  left: KeyedRelation,
  right: KeyedRelation,
  conditions: readonly Expression[],
  columns: readonly ColumnId[],
  scope: Scope,
): Pair[] {
  return conditions.flatMap((condition): Pair[] => {
    const pair = equalIds(condition, columns, scope)
    if (pair === null) return []
    const { left: a, right: b, isNullSafe } = pair
    if (left.columns.includes(a) && right.columns.includes(b)) return [pair]
    return left.columns.includes(b) && right.columns.includes(a) ? [{ left: b, right: a, isNullSafe }] : []
  })
}

/** A row from outside is the same row on both sides. */
function sameRows(ids: readonly ColumnId[]): Pair[] {
  return ids.map((id) => ({ left: id, right: id, isNullSafe: true }))
}
