// What is said to whoever names a table that is not there.

import { spellTable } from '../sql/sql-text.ts'
import { nearest } from '../values/near-names.ts'
import type { WarehouseTable } from './port.ts'

type Named = Pick<WarehouseTable, 'schema' | 'name'>

const maxNamed = 8

/** Tables of near names, or else some of those there are, and where to look further. `reference` is the name as it was written. */
export function suggestTables(reference: string, tables: readonly Named[]): string {
  const asked = lastPart(reference)
  const near = nearest(asked, tables, ({ name }) => name)
  const named = (near.length > 0 ? near : tables).slice(0, maxNamed).map(spellTable)
  const hint =
    near.length > 0
      ? `did you mean ${named.join(' or ')}?`
      : named.length === 0
        ? 'there are no tables yet.'
        : `there is ${named.join(', ')}${tables.length > named.length ? ' …' : '.'}`
  return `${hint} \`tables\` lists all of them; createTable makes one, publish those of the emulated flows.`
}

/** Quotes are no part of a name. */
function lastPart(reference: string): string {
  return (/("[^"]+"|[^".]+)$/.exec(reference)?.[1] ?? reference).replaceAll('"', '').toLowerCase()
}
