// A statement as an engine has bound it: relations of numbered columns. Each engine's own analysis is brought into this
// form; what is proven of statements is proven over it once, whatever the engine.

/**
 * A value of one row. Columns are numbered from 0 in the operator's input; in a join the left's come first.
 *
 * - `column`: only the column itself. What a cast, a collation or a function makes of it is a `call`.
 * - `outer`: a column of the row that a subquery or a lateral join is evaluated for, `depth` 1 for the nearest one.
 * - `equal`: true only of one and the same value: values that compare equal and look different make it a `call`.
 *   `isNullSafe` says that two nulls are equal too (IS NOT DISTINCT FROM).
 * - `choice`: one of the items, or null (COALESCE, NULLIF, a CASE without tests on other rows).
 * - `call`: made of the items of this row and nothing else. `tests` are those items that only decide between others
 *   (CASE). `isSmooth` says that items which differ in the last digits make a result that differs in the last digits
 *   (arithmetic of floats; not rounding, comparing or making text).
 * - `subquery`: a relation of its own for each row. IN compares `items[0]` with the relation's first column by `equal`; OTHER
 *   is any other use of its rows (ALL, `<` ANY, ARRAY).
 */
export type Expression =
  | { kind: 'column'; index: number }
  | { kind: 'outer'; depth: number; index: number }
  | { kind: 'constant' }
  | { kind: 'equal'; left: Expression; right: Expression; isNullSafe?: boolean }
  | { kind: 'and'; items: readonly Expression[] }
  | { kind: 'choice'; items: readonly Expression[] }
  | {
      kind: 'call'
      name: string
      items: readonly Expression[]
      tests?: readonly Expression[]
      isSmooth?: boolean
    }
  | {
      kind: 'subquery'
      test: 'SCALAR' | 'EXISTS' | 'IN' | 'OTHER'
      items: readonly Expression[]
      relation: Relation
    }

export type JoinType = 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | 'SEMI' | 'ANTI' | 'MARK' | 'SINGLE'

/**
 * What an aggregate or window function makes of many rows.
 *
 * - EXACT: the same for the same rows, in whatever order they come; of peers the same (`rank`).
 *   `count` stands for one that only counts, whatever the values are: not for one of DISTINCT values.
 * - ROUNDING: equal but for the last digits (sums of floats and what is made of them).
 * - ORDERED: it depends on the order in which the rows come (`list`, `first`, `row_number`, `arg_max` among ties).
 * - OPEN: it may differ from run to run whatever the order (approximate aggregates, whatever is not known).
 */
export type Nature = 'EXACT' | 'ROUNDING' | 'ORDERED' | 'OPEN'

export interface Aggregate {
  name: string
  nature: Nature
  items: readonly Expression[]
  /** What its own ORDER BY sorts by; of `arg_max(x, y)` it is y. A sorted column stands as `column` only where values that sort alike are the same. */
  orders: readonly Expression[]
  filter?: Expression | undefined
  /** How an author calls the exact way, where there is one: `sum(x::DECIMAL(18, 3))`. */
  cure?: string | undefined
}

export interface Window extends Aggregate {
  partitions: readonly Expression[]
  /** Whether its frame ends between rows that sort alike (ROWS), so that it depends on their order. */
  isByRows: boolean
}

/**
 * A relation. Output columns: of `table` its own; of `project` its items; of `aggregate` its groups, its aggregates,
 * then `extras` more (GROUPING); of `window` and `expand` the input's, then the new ones; of `join` the left's and the
 * right's, of SEMI and ANTI the left's, of MARK the left's and whether there is a match; of the others the input's, or
 * the first input's.
 */
export type Relation =
  | {
      kind: 'table'
      /** For messages and for `levels`. */
      name: string
      columns: readonly string[]
      /** For each column of the key the table's own; null where it has none, or none whose equal values are the same. */
      keyIndexes: readonly (number | null)[]
      /** Sets of columns of which no two rows have the same values, none of them null. */
      uniques: readonly (readonly number[])[]
    }
  /** Rows that depend on no table: VALUES, a series, nothing at all. */
  | { kind: 'values'; width: number; items: readonly Expression[] }
  | { kind: 'project'; input: Relation; items: readonly Expression[] }
  | { kind: 'filter'; input: Relation; condition: Expression }
  | {
      kind: 'join'
      type: JoinType
      left: Relation
      right: Relation
      /** Null where every row meets every row. */
      condition: Expression | null
      /** Whether the right side is evaluated for each row of the left, whose columns are its `outer` ones of depth 1. */
      isLateral?: boolean
    }
  | {
      kind: 'aggregate'
      input: Relation
      groups: readonly Expression[]
      /** Whether rows of several grouping sets come together. */
      hasSets: boolean
      aggregates: readonly Aggregate[]
      extras: number
    }
  | { kind: 'window'; input: Relation; windows: readonly Window[] }
  /** Each row becomes several, by itself (UNNEST of its lists). */
  | { kind: 'expand'; input: Relation; items: readonly Expression[]; width: number }
  /** DISTINCT, or the first row of each `on` in the order of the input, or of `orders` where given. */
  | {
      kind: 'distinct'
      input: Relation
      on: readonly Expression[] | null
      orders: readonly Expression[] | null
    }
  | { kind: 'order'; input: Relation; orders: readonly Expression[] }
  | { kind: 'limit'; input: Relation; items: readonly Expression[] }
  | { kind: 'set'; type: 'UNION' | 'INTERSECT' | 'EXCEPT'; isAll: boolean; left: Relation; right: Relation }
  /** A WITH: `input` may hold references to it. */
  | { kind: 'define'; id: string; definition: Relation; input: Relation }
  | { kind: 'reference'; id: string; width: number }
  /** What is not looked into, and why, as the end of "…, because it …". */
  | { kind: 'opaque'; reason: string; inputs: readonly Relation[]; width: number }

/** All that AND joins. */
export function conjuncts(condition: Expression | null): readonly Expression[] {
  if (condition === null) return []
  return condition.kind === 'and' ? condition.items.flatMap(conjuncts) : [condition]
}

/** The expressions within one, its own subqueries' relations left out. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'column':
    case 'outer':
    case 'constant':
      return []
    case 'equal':
      return [expression.left, expression.right]
    case 'call':
      return [...expression.items, ...(expression.tests ?? [])]
    default:
      return expression.items
  }
}

/** The expression and all within it that pass the test. */
export function findWithin<T extends Expression>(
  expression: Expression,
  test: (part: Expression) => part is T,
): readonly T[] {
  const own = test(expression) ? [expression] : []
  return [...own, ...partsOf(expression).flatMap((part) => findWithin(part, test))]
}

export function isColumn(expression: Expression): expression is Extract<Expression, { kind: 'column' }> {
  return expression.kind === 'column'
}

export function isSubquery(expression: Expression): expression is Extract<Expression, { kind: 'subquery' }> {
  return expression.kind === 'subquery'
}

export function widthOf(relation: Relation): number {
  switch (relation.kind) {
    case 'table':
      return relation.columns.length
    case 'values':
    case 'reference':
    case 'opaque':
      return relation.width
    case 'project':
      return relation.items.length
    case 'aggregate':
      return relation.groups.length + relation.aggregates.length + relation.extras
    case 'window':
      return widthOf(relation.input) + relation.windows.length
    case 'expand':
      return widthOf(relation.input) + relation.width
    case 'join': {
      const left = widthOf(relation.left)
      if (relation.type === 'SEMI' || relation.type === 'ANTI') return left
      return relation.type === 'MARK' ? left + 1 : left + widthOf(relation.right)
    }
    case 'set':
      return widthOf(relation.left)
    default:
      return widthOf(relation.input)
  }
}
