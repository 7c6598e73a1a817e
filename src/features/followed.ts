// The tables that realtime follows, those whose rows change through the gateway, and how names of tables and columns are compared.

import { featureSchema } from '../warehouse/port.ts'

/** As `schema.name`, of its very name: PostgreSQL tells `Orders` from `orders`. */
export function qualified(table: string): string {
  return table.includes('.') ? table : `${featureSchema}.${table}`
}

export function isFollowed(table: string): boolean {
  return qualified(table).startsWith(`${featureSchema}.`)
}

export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** The tables that a view reads, by their qualified names. */
export function tablesReadBy({ record }: { record: { tables: readonly string[] } }): Set<string> {
  return new Set(record.tables.map(qualified))
}
