// What is said to whoever names a table that is not there.

import { spellTable } from '../sql/sql-text.ts'
import type { WarehouseTable } from './port.ts'

type Named = Pick<WarehouseTable, 'schema' | 'name'>

const mostNamed = 8

/** Tables of near names, or else some of those there are, and where to look further. `reference` is the name as it was written. */
export function suggestTables(reference: string, tables: readonly Named[]): string {
  const asked = lastPart(reference)
  const near = tables
    .map((table) => ({ table, distance: distanceOf(asked, table.name.toLowerCase()) }))
    .filter(({ distance }) => distance <= Math.max(1, Math.floor(asked.length / 4)))
    .sort((a, b) => a.distance - b.distance)
    .map(({ table }) => table)
  const named = (near.length > 0 ? near : tables).slice(0, mostNamed).map(spellTable)
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

/** How many letters have to be changed, added or taken out. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const [left = 0, above = 0, before = 0] = [next[j - 1], row[j], row[j - 1]]
      next.push(Math.min(left + 1, above + 1, before + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
