// The table's column that a result's column has its values from, by the names that statements have for both.

import type { Relation } from '../sql/algebra.ts'
import { originOf } from '../sql/origin.ts'
import type { BaseTable, QueryDescription } from './port.ts'

/** Nothing where no column is asked about. */
export function tellOrigin(
  relation: Relation,
  asked: { column: string | undefined; columns: readonly string[]; tables: readonly BaseTable[] },
): Pick<QueryDescription, 'origin'> {
  const { column, columns, tables } = asked
  if (column === undefined) return {}
  const index = columns.indexOf(column)
  const found = index < 0 ? null : originOf(relation, index)
  if (found === null) return { origin: null }
  // A name with a remark, or what stands in for a view, is none of the statement's tables.
  const [table, ...others] = tables.filter((each) => `${each.schema}.${each.name}` === found.table.name)
  const name = found.table.columns[found.column]
  if (table === undefined || name === undefined || others.length > 0 || !table.columns.includes(name))
    return { origin: null }
  return { origin: { table, column: name, isWhole: found.isWhole } }
}
