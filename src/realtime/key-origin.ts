// Whether a query's index values are those of the tables it reads: a column may bear the key's name and hold something else.

import { blankSemicolons, quoteName } from '../parquet/sql-text.ts'
import type { Warehouse } from '../warehouse/port.ts'

/** So many rows of the result are asked; a key that is computed or renamed shows in the first already. */
const rowsAsked = 5000
const timeoutMs = 3000

export interface KeyOrigin {
  warehouse: Warehouse
  sql: string
  indexKey: string
  /** The base tables that the query reads, as schema.name; each has a column of the key's name. */
  tables: readonly string[]
  signal?: AbortSignal
}

/**
 * False when the result holds a key value that no base table holds under that name (`quote_id AS user_id`): its rows
 * would not be found by the keys of new rows. Null when there is nothing to tell by: no rows yet, or no answer in time.
 */
export async function keysComeFromTables(request: KeyOrigin): Promise<boolean | null> {
  const { warehouse, sql, indexKey, tables, signal } = request
  if (tables.length === 0) return true
  const key = quoteName(indexKey)
  const held = tables.map((table) => {
    const dot = table.indexOf('.')
    const name = `${quoteName(table.slice(0, dot))}.${quoteName(table.slice(dot + 1))}`
    return `SELECT ${key} FROM ${name} WHERE ${key} IS NOT NULL`
  })
  const asked = `SELECT ${key} AS k FROM (\n${blankSemicolons(sql)}\n) t WHERE ${key} IS NOT NULL LIMIT ${rowsAsked}`
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const { batches } = await warehouse.scan({
      sql: `SELECT k, k IN (${held.join(' UNION ALL ')}) AS held FROM (${asked}) s`,
      key: 'k',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    let seen = false
    for await (const rows of batches) {
      if (rows.some(([, isHeld]) => isHeld !== true)) return false
      seen ||= rows.length > 0
    }
    return seen || null
  } catch (error) {
    signal?.throwIfAborted()
    if (timeout.aborted) return null
    throw error
  }
}
