// Relations seen for one key: which of their columns tell whose row it is, and how operators pass that on.

export type ColumnId = number

/**
 * Columns are known by ids, which stay the same while values are only passed on. The ids of a row from outside (of a
 * correlated subquery, of a lateral join's left side) count as columns that every row of the relation has.
 */
export interface KeyedRelation {
  /** By position. */
  columns: readonly ColumnId[]
  /** The rows that hold v in such a column depend on nothing but the tables' rows whose key is v; v is not null. */
  keyed: ReadonlySet<ColumnId>
  /** Pairs `a b`: in every row, a equals b or a is null. */
  follows: ReadonlySet<string>
  /** It depends on no table at all: then every column is keyed. */
  isConstant: boolean
  /** Columns that may be null, rather than false, because of a row of another key (NOT IN): only good as a condition. */
  ambiguous: ReadonlySet<ColumnId>
  /** Why no column is keyed, as the end of "…, because". */
  reason: string | null
}

export interface Pair {
  left: ColumnId
  right: ColumnId
  isNullSafe: boolean
}

const none: ReadonlySet<never> = new Set<never>()

export function createRelation(
  given: Pick<KeyedRelation, 'columns'> & Partial<KeyedRelation>,
): KeyedRelation {
  return { keyed: none, follows: none, isConstant: false, ambiguous: none, reason: null, ...given }
}

export function constantRelation(columns: readonly ColumnId[]): KeyedRelation {
  return createRelation({ columns, keyed: new Set(columns), isConstant: true })
}

export function isKeyed(relation: KeyedRelation, id: ColumnId): boolean {
  return relation.isConstant || relation.keyed.has(id)
}

export function follows({ follows: pairs }: KeyedRelation, follower: ColumnId, leader: ColumnId): boolean {
  return follower === leader || pairs.has(`${follower} ${leader}`)
}

/** With other columns: of those that are left out nothing more is known, but for `others`, which come from outside. */
export function withColumns(
  relation: KeyedRelation,
  columns: readonly ColumnId[],
  others: readonly ColumnId[],
): KeyedRelation {
  const kept = new Set([...columns, ...others])
  const isKept = (pair: string) => pair.split(' ').every((id) => kept.has(Number(id)))
  return {
    ...relation,
    columns,
    keyed: new Set([...relation.keyed].filter((id) => kept.has(id))),
    follows: new Set([...relation.follows].filter(isKept)),
    ambiguous: new Set([...relation.ambiguous].filter((id) => kept.has(id))),
  }
}

/** Under other ids where `idOf` gives one. */
export function withIds(relation: KeyedRelation, idOf: (id: ColumnId) => ColumnId): KeyedRelation {
  return {
    ...relation,
    columns: relation.columns.map(idOf),
    keyed: new Set([...relation.keyed].map(idOf)),
    follows: new Set([...relation.follows].map((pair) => pair.split(' ').map(Number).map(idOf).join(' '))),
    ambiguous: new Set([...relation.ambiguous].map(idOf)),
  }
}

/** With fewer columns keyed; the reason counts where none is left. */
export function restricted(
  relation: KeyedRelation,
  keep: (id: ColumnId) => boolean,
  reason: string | null,
): KeyedRelation {
  const keyed = new Set([...relation.keyed].filter(keep))
  const isLost = keyed.size === 0 && relation.keyed.size > 0
  return { ...relation, keyed, isConstant: false, reason: isLost ? reason : relation.reason }
}

/** Rows of one value in a column of `through` are looked at together, whatever else they hold. */
export function confined(
  relation: KeyedRelation,
  through: readonly ColumnId[],
  reason: string | null,
): KeyedRelation {
  const sound = through.filter((id) => isKeyed(relation, id))
  const keyed = relation.isConstant ? new Set([...relation.columns, ...sound]) : relation.keyed
  return restricted(
    { ...relation, keyed },
    (id) => sound.some((other) => follows(relation, id, other)),
    reason,
  )
}

/** Nothing is known any more. */
export function lost(relation: KeyedRelation, reason: string): KeyedRelation {
  return restricted(
    { ...relation, keyed: new Set(relation.isConstant ? relation.columns : relation.keyed) },
    () => false,
    reason,
  )
}

/** Where only rows remain in which a equals b. */
export function equated(relation: KeyedRelation, a: ColumnId, b: ColumnId): KeyedRelation {
  const pairs = closed(relation.follows, [
    [a, b],
    [b, a],
  ])
  if (pairs === relation.follows) return relation
  const known = { ...relation, follows: pairs }
  if (relation.isConstant) return known
  const keyed = new Set(relation.keyed)
  for (const pair of pairs) {
    const [follower = 0, leader = 0] = pair.split(' ').map(Number)
    if (relation.keyed.has(leader)) keyed.add(follower)
  }
  return { ...known, keyed }
}

/** The rows of both sides that meet by the pairs, and of outer joins those that meet none. `outside` are the ids that a side knows from outside of it. */
export function joined(
  left: KeyedRelation,
  right: KeyedRelation,
  by: {
    type: 'INNER' | 'LEFT' | 'RIGHT' | 'FULL'
    pairs: readonly Pair[]
    outside: { left: ReadonlySet<ColumnId>; right: ReadonlySet<ColumnId> }
    reason: string
  },
): KeyedRelation {
  const { type, pairs, outside, reason } = by
  const sound = pairs.filter((pair) => isKeyed(left, pair.left) && isKeyed(right, pair.right))
  const keyed = new Set([
    ...keptOf(
      left,
      right,
      sound.map((pair) => ({ own: pair.left, isNullSafe: pair.isNullSafe })),
    ),
    ...keptOf(
      right,
      left,
      sound.map((pair) => ({ own: pair.right, isNullSafe: pair.isNullSafe })),
    ),
  ])
  const edges = sound.flatMap(({ left: a, right: b }): [ColumnId, ColumnId][] => [
    ...(type === 'INNER' || type === 'LEFT' ? [[b, a] as [ColumnId, ColumnId]] : []),
    ...(type === 'INNER' || type === 'RIGHT' ? [[a, b] as [ColumnId, ColumnId]] : []),
  ])
  const known = left.reason ?? right.reason
  return {
    columns: [...left.columns, ...right.columns],
    keyed,
    follows: closed(
      new Set([
        ...(type === 'RIGHT' || type === 'FULL' ? ownFollows(left, outside.left) : left.follows),
        ...(type === 'LEFT' || type === 'FULL' ? ownFollows(right, outside.right) : right.follows),
      ]),
      edges,
    ),
    isConstant: left.isConstant && right.isConstant,
    ambiguous: new Set([...left.ambiguous, ...right.ambiguous]),
    reason: keyed.size > 0 ? null : (known ?? reason),
  }
}

/** Where a side's columns may all be null, what stands outside it follows them no more. */
function ownFollows({ follows: pairs }: KeyedRelation, outside: ReadonlySet<ColumnId>): string[] {
  return [...pairs].filter((pair) => !outside.has(Number(pair.slice(0, pair.indexOf(' ')))))
}

/** Those of one side's keyed columns whose rows meet only rows of the same key. */
function keptOf(
  side: KeyedRelation,
  other: KeyedRelation,
  through: readonly { own: ColumnId; isNullSafe: boolean }[],
): ColumnId[] {
  if (side.isConstant && other.isConstant) return [...side.keyed]
  // A constant alone is held to a table's rows by nothing but the pairs.
  if (side.isConstant) {
    const ids = new Set([...side.keyed, ...through.map(({ own }) => own)])
    return [...ids].filter((id) => through.some(({ own }) => follows(side, id, own)))
  }
  if (other.isConstant) return [...side.keyed]
  // A null that equals nothing meets no row; one that equals nulls meets rows of any key.
  return [...side.keyed].filter((id) =>
    through.some(({ own, isNullSafe }) => follows(side, id, own) || (!isNullSafe && follows(side, own, id))),
  )
}

/** All pairs that follow from those known and the new ones. */
export function closed(
  known: ReadonlySet<string>,
  edges: readonly (readonly [ColumnId, ColumnId])[],
): ReadonlySet<string> {
  if (edges.every(([from, to]) => from === to || known.has(`${from} ${to}`))) return known
  const all = new Set(known)
  const [leaders, followers] = [new Map<ColumnId, ColumnId[]>(), new Map<ColumnId, ColumnId[]>()]
  const note = (from: ColumnId, to: ColumnId) => {
    add(leaders, from, to)
    add(followers, to, from)
  }
  for (const pair of known) note(...(pair.split(' ').map(Number) as [ColumnId, ColumnId]))
  const waiting = [...edges]
  for (let edge = waiting.pop(); edge !== undefined; edge = waiting.pop()) {
    const [from, to] = edge
    if (from === to || all.has(`${from} ${to}`)) continue
    all.add(`${from} ${to}`)
    for (const leader of leaders.get(to) ?? []) waiting.push([from, leader])
    for (const follower of followers.get(from) ?? []) waiting.push([follower, to])
    note(from, to)
  }
  return all
}

function add(lists: Map<ColumnId, ColumnId[]>, id: ColumnId, other: ColumnId): void {
  const list = lists.get(id)
  if (list === undefined) lists.set(id, [other])
  else list.push(other)
}
