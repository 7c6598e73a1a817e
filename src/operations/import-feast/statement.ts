// The query of a feature view: its keys, times and features, each under its name, out of its source.

import { quoteName } from '../../sql/sql-text.ts'
import type { FeastSource } from './registry.ts'
import { LeftOut } from './sources.ts'

/** Throws LeftOut where two columns of the source go by one name. */
export function composeStatement(names: readonly string[], relation: string, { fieldMapping }: FeastSource) {
  const columns = [...new Set(names)].map((name) => {
    const sources = Object.entries(fieldMapping).flatMap(([column, to]) => (to === name ? [column] : []))
    if (sources.length > 1)
      throw new LeftOut(`its source's field mapping gives ${name} of ${sources.join(' and ')}; keep one`)
    const [column = name] = sources
    return column === name ? quoteName(name) : `${quoteName(column)} AS ${quoteName(name)}`
  })
  return `SELECT ${columns.join(', ')} FROM ${relation}`
}
