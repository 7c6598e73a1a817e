// What a key's columns are ordered by: by bytes where they are texts, which costs a third of what a language's order does, and keeps apart what a collation takes for equal.

import { quoteName } from '../../sql/sql-text.ts'
import { keyPlaces } from '../key-columns.ts'
import type { PostgresCarrier } from './column-types.ts'
import type { PostgresStatement } from './plan.ts'

export interface KeyTerm {
  name: string
  carrier: PostgresCarrier
  by: string
  isOrdered: boolean
}

export function keyTermsOf(plan: PostgresStatement, key: readonly string[]): KeyTerm[] {
  return keyPlaces(key, plan.columns).map((place, c) => {
    const name = `t.${quoteName(plan.columns[place]?.name ?? '')}`
    const carrier = plan.carriers[place]
    if (carrier === undefined) throw new Error(`Column ${key[c]} has no type`)
    // The result's column is what is read; the query's own is what an index orders.
    const isOrdered = carrier.keyType !== null && !isCollated(carrier.keyType)
    return { name, carrier, isOrdered, by: isOrdered ? name : `(${carrier.select(name)})::text COLLATE "C"` }
  })
}

function isCollated(keyType: string): boolean {
  return ['text', 'varchar', 'bpchar'].some((name) => keyType === `pg_catalog.${name}`)
}
