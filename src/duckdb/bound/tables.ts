// The tables and table functions that a bound plan reads.

import type { Expression, Relation } from '../../sql/algebra.ts'
import { nameInEngine } from '../../sql/sql-text.ts'
import {
  equalsItselfAlone,
  nodeOf,
  nodesOf,
  type PlanNode,
  refuseOthers,
  typesOf,
  UnreadPlan,
} from './bound-plan.ts'
import { type Bound, bigint } from './scope.ts'

export interface TableFacts {
  /** The names of the key's columns, which in each table are the columns of those names; none where no key is asked for. */
  key: readonly string[]
  /** Sets of a table's columns of which no two rows have the same values, none of them null. */
  uniquesOf(schema: string, table: string): readonly (readonly string[])[]
}

const known = new Set(
  'type children table_index returned_types names projection_ids table_filters name arguments original_arguments catalog_name schema_name has_serialize function_data parameters named_parameters input_table_types input_table_names projected_input column_indexes extra_info ordinality_idx'.split(
    ' ',
  ),
)
const knownColumn = new Set(['index', 'index_type', 'type', 'has_index'])
/** Of files, which hold the same rows for whoever reads them. */
const scans = new Set(['seq_scan', 'read_parquet', 'parquet_scan'])
const makers = new Set(['range', 'generate_series', 'unnest'])

/** `input` is what a function in FROM is applied to, row by row. */
export function readTable(node: PlanNode, input: Bound | undefined, facts: TableFacts): Bound {
  refuseOthers(node, known)
  const isFiltered =
    nodesOf(node.projection_ids).length > 0 || nodesOf(nodeOf(node.table_filters).filters).length > 0
  const isSampled = nodeOf(node.extra_info).sample_options !== null
  if (isFiltered || isSampled || Number.isSafeInteger(node.ordinality_idx))
    throw new UnreadPlan(`its reading of ${String(node.name)} is not plain`)
  const name = String(node.name)
  if (scans.has(name) && input === undefined) return readScan(node, facts)
  if (makers.has(name)) return readMaker(node, input)
  throw new UnreadPlan(`it reads from ${name}`)
}

/** By position in the output: the place of a column among the table's own, undefined for the row's number. */
function placesOf(node: PlanNode): (number | undefined)[] {
  const count = nodesOf(node.returned_types).length
  return nodesOf(node.column_indexes).map((column) => {
    const { index } = column
    refuseOthers(column, knownColumn)
    if (column.index_type !== 'FULL_READ' || column.has_index !== true)
      throw new UnreadPlan('it reads a part of a column')
    return Number(index) < count ? Number(index) : undefined
  })
}

function readScan(node: PlanNode, { key, uniquesOf }: TableFacts): Bound {
  const [all, columns] = [typesOf(node.returned_types), nodesOf(node.names).map(String)]
  const { schema = '', table = '' } = nodeOf(node.function_data)
  const keyIndexes = key.map((part) => {
    const index = columns.findIndex((name) => nameInEngine(name) === nameInEngine(part))
    const type = all[index]
    return type !== undefined && equalsItselfAlone(type) ? index : null
  })
  const uniques = uniquesOf(String(schema), String(table)).map((unique) =>
    unique.map((name) => columns.indexOf(name)),
  )
  const relation: Relation = {
    kind: 'table',
    name: table === '' ? String(node.name) : `${String(schema)}.${String(table)}`,
    columns,
    keyIndexes,
    uniques: uniques.filter((unique) => unique.every((index) => index >= 0)),
  }
  const places = placesOf(node)
  const items = places.map(
    (place): Expression =>
      place === undefined ? { kind: 'call', name: 'rowid', items: [] } : { kind: 'column', index: place },
  )
  const types = places.map((place) => (place === undefined ? undefined : all[place]) ?? bigint)
  return { relation: { kind: 'project', input: relation, items }, types }
}

/** Rows from constants, or from each row of the input: the function's columns come first, then those of the input that are passed on. */
function readMaker(node: PlanNode, input: Bound | undefined): Bound {
  const own = typesOf(node.returned_types)
  const places = placesOf(node)
  if (places.some((place) => place === undefined))
    throw new UnreadPlan(`it reads the row numbers of ${String(node.name)}`)
  const types = places.map((place) => own[place ?? 0] ?? bigint)
  if (input === undefined) return { relation: { kind: 'values', width: types.length, items: [] }, types }
  const passed = (node.projected_input as readonly number[]).map(Number)
  const width = input.types.length
  const given = nodesOf(node.input_table_types).map((_, index) => ({ kind: 'column' as const, index }))
  const expanded: Relation = { kind: 'expand', input: input.relation, items: given, width: own.length }
  const order = [...places.map((place) => width + (place ?? 0)), ...passed]
  return {
    relation: { kind: 'project', input: expanded, items: order.map((index) => ({ kind: 'column', index })) },
    types: [...types, ...passed.map((index) => input.types[index] ?? bigint)],
  }
}
