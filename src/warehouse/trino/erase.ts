// Rows of Trino that go: first they, then the ledger's entry. What of them is left when this is cut short goes when it is done again.

import { quoteName, quoteText } from '../../sql/sql-text.ts'
import { findErasedTable } from '../erased-table.ts'
import type { EraseRequest, EraseResult } from '../port.ts'
import { badInput, schemasOf } from '../rows-table.ts'
import type { AppendParts } from './append.ts'
import { appendColumn, type ListedTable, listTables } from './schema.ts'

export function erase(
  { session, address, names, ledger }: AppendParts,
  request: EraseRequest,
): Promise<EraseResult> {
  const entry = `job_id = ${quoteText(request.jobId)} AND batch = ${BigInt(request.batch)}`
  const isEntered = async () => {
    const { rows } = await session.query('write', `SELECT count(*) FROM ${names.ledger} WHERE ${entry}`)
    return Number(rows[0]?.[0]) > 0
  }

  return ledger.inTurn(async () => {
    const known = await listTables(session, address, schemasOf([request]))
    const { table, places } = findErasedTable(known, request)
    const condition = conditionOf(table, places, request)
    // What of its keys went in an earlier try nobody knows: any row may have changed.
    const changes = [{ table: `${table.schema}.${table.name}`, keys: null }]
    const before = await isEntered()
    let rows = 0
    if (!before) {
      const place = names.rows(table.schema, table.name)
      const found = await session.query('write', `SELECT count(*) FROM ${place} WHERE ${condition}`)
      rows = Number(found.rows[0]?.[0])
      if (rows > 0) await session.query('write', `DELETE FROM ${place} WHERE ${condition}`)
      const id = `${Date.now().toString(36).padStart(10, '0')}-${crypto.randomUUID()}`
      await session.query(
        'write',
        `INSERT INTO ${names.ledger} (${appendColumn}, job_id, batch)
         SELECT ${quoteText(id)}, ${quoteText(request.jobId)}, ${BigInt(request.batch)}
         WHERE NOT EXISTS (SELECT 1 FROM ${names.ledger} WHERE ${entry})`,
      )
    }
    return { applied: !before, version: await ledger.version(), changes, rows }
  })
}

function conditionOf(table: ListedTable, places: readonly number[], { values }: EraseRequest): string {
  const compared = places.map((place, i) => {
    const [column, carrier, value] = [table.columns[place], table.carriers[place], values[i]]
    if (carrier?.literal == null || value === undefined)
      throw badInput(`Column "${column?.name}" of ${table.name} is of a type by which nothing can be found.`)
    return `${carrier.key(quoteName(column?.name ?? ''))} = ${carrier.literal(value) ?? 'NULL'}`
  })
  return compared.join(' AND ')
}
