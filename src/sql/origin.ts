// From which table's column a result's column has its values: what rows are new is then found in the table, before any of them is computed.

import { type Expression, type Relation, widthOf } from './algebra.ts'

type Of<Kind extends Relation['kind']> = Extract<Relation, { kind: Kind }>

/** Each value of the result's column that is not null is one of this column's. */
export interface Origin {
  table: Of<'table'>
  /** Its place among the table's own columns. */
  column: number
  /** Whether the greatest value of the table's column is among the result's: no row is left out on the way. */
  isWhole: boolean
}

/** Definitions of WITH, each with those that it may refer to itself. */
type Defined = ReadonlyMap<string, { relation: Relation; defined: Defined }>

/** They give one of the values that they are given. */
const choosing = new Set(['max', 'min', 'first', 'last', 'any_value'])

/** Null where it is not known. */
export function originOf(relation: Relation, index: number, defined: Defined = new Map()): Origin | null {
  switch (relation.kind) {
    case 'table':
      return index < relation.columns.length ? { table: relation, column: index, isWhole: true } : null
    case 'project':
      return ofItem(relation.input, relation.items[index], defined)
    case 'order':
    case 'window':
      return originOf(relation.input, index, defined)
    case 'filter':
    case 'distinct':
    case 'limit':
    case 'expand':
      return partly(originOf(relation.input, index, defined))
    case 'aggregate':
      return ofAggregate(relation, index, defined)
    case 'join':
      return ofJoin(relation, index, defined)
    case 'define': {
      const { id, definition, input } = relation
      return originOf(input, index, new Map(defined).set(id, { relation: definition, defined }))
    }
    case 'reference': {
      const found = defined.get(relation.id)
      return found === undefined ? null : originOf(found.relation, index, found.defined)
    }
    case 'set':
    case 'values':
    case 'opaque':
      return null
  }
}

/** Of an input's columns those alone are followed that are passed on as they are. */
function ofItem(input: Relation, item: Expression | undefined, defined: Defined): Origin | null {
  return item?.kind === 'column' ? originOf(input, item.index, defined) : null
}

function ofAggregate(
  { input, groups, aggregates }: Of<'aggregate'>,
  index: number,
  defined: Defined,
): Origin | null {
  if (index < groups.length) return ofItem(input, groups[index], defined)
  const aggregate = aggregates[index - groups.length]
  if (aggregate === undefined || !choosing.has(aggregate.name)) return null
  const origin = ofItem(input, aggregate.items[0], defined)
  return aggregate.name === 'max' && aggregate.filter === undefined ? origin : partly(origin)
}

function ofJoin({ type, left, right }: Of<'join'>, index: number, defined: Defined): Origin | null {
  const width = widthOf(left)
  if (index >= width) return partly(originOf(right, index - width, defined))
  const origin = originOf(left, index, defined)
  return type === 'LEFT' ? origin : partly(origin)
}

function partly(origin: Origin | null): Origin | null {
  return origin === null ? null : { ...origin, isWhole: false }
}
