// What is known of the order of a relation's rows: which columns tell them apart, and by which they are sorted.

import { conjuncts, type Expression, isColumn, type Relation } from './algebra.ts'

export interface Order {
  /** Columns of which rows that the order leaves equal have the same values. */
  positions: readonly number[]
  /** Whether it leaves no two rows equal that differ. */
  isTotal: boolean
}

export interface Ordered {
  /** Sets of columns of which no two rows have the same values. */
  uniques: readonly (readonly number[])[]
  order: Order | undefined
}

/** More sets than these are not followed through joins. */
const maxUniques = 16

export function createOrdered(uniques: Ordered['uniques'] = []): Ordered {
  return { uniques, order: undefined }
}

/** The columns among the expressions, by position. */
export function positionsOf(items: readonly Expression[]): number[] {
  return items.filter(isColumn).map(({ index }) => index)
}

export function orderOf({ uniques }: Ordered, orders: readonly Expression[]): Order {
  const positions = positionsOf(orders)
  return { positions, isTotal: uniques.some((unique) => unique.every((index) => positions.includes(index))) }
}

export function projected({ uniques, order }: Ordered, items: readonly Expression[]): Ordered {
  const placeOf = (index: number) => items.findIndex((item) => isColumn(item) && item.index === index)
  const places = (positions: readonly number[]) => positions.map(placeOf)
  const kept = uniques.map(places).filter((unique) => unique.every((place) => place >= 0))
  if (order === undefined) return createOrdered(kept)
  const positions = places(order.positions).filter((place) => place >= 0)
  return { uniques: kept, order: { ...order, positions } }
}

/** One row for each value of the groups, where they are of one set. */
export function grouped(groups: number, hasSets: boolean): Ordered {
  return createOrdered(hasSets ? [] : [Array.from({ length: groups }, (_, i) => i)])
}

/** The columns that tell a join's rows apart: both sides' together, or one side's where the other has one row for it. */
export function joinedKeys(
  { type, condition }: Extract<Relation, { kind: 'join' }>,
  left: Ordered,
  right: Ordered,
  width: number,
): Ordered['uniques'] {
  const pairs = conjuncts(condition).flatMap((one): [number, number][] => {
    if (one.kind !== 'equal' || !isColumn(one.left) || !isColumn(one.right)) return []
    const [a, b] = [one.left.index, one.right.index].sort((x, y) => x - y) as [number, number]
    return a < width && b >= width ? [[a, b - width]] : []
  })
  const isOne = ({ uniques }: Ordered, own: readonly number[]) =>
    uniques.some((unique) => unique.every((index) => own.includes(index)))
  const isRightOne =
    type === 'SINGLE' ||
    isOne(
      right,
      pairs.map(([, b]) => b),
    )
  const isLeftOne = isOne(
    left,
    pairs.map(([a]) => a),
  )
  const moved = right.uniques.map((unique) => unique.map((index) => index + width))
  const together = left.uniques.flatMap((ours) => moved.map((theirs) => [...ours, ...theirs]))
  const own = [
    ...(isRightOne && type !== 'RIGHT' && type !== 'FULL' ? left.uniques : []),
    ...(isLeftOne && (type === 'INNER' || type === 'RIGHT') ? moved : []),
  ]
  // Of a full join, rows without a partner may be nulls in both sides' sets.
  const all = [...own, ...(type === 'FULL' ? [] : together)]
  return [...all, ...all.flatMap((unique) => renamedBy(pairs, unique, width, type))].slice(0, maxUniques)
}

/** The same with the other side's column of a pair, which is equal in every row of an inner join. */
function renamedBy(
  pairs: readonly [number, number][],
  unique: readonly number[],
  width: number,
  type: string,
): number[][] {
  if (type !== 'INNER') return []
  return pairs.flatMap(([a, b]) => [
    ...(unique.includes(a) ? [unique.map((index) => (index === a ? b + width : index))] : []),
    ...(unique.includes(b + width) ? [unique.map((index) => (index === b + width ? a : index))] : []),
  ])
}
