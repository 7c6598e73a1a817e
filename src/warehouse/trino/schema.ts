// The tables of the Trino warehouse. Trino has no transactions over several statements, so appended rows are kept in
// tables of the schema `gateway`, each with the id of its append, and the views of `feature_store` show those whose
// append stands in the ledger: the one row that is written there last makes all of an append seen at once.

import { quoteName, quoteText } from '../../sql/sql-text.ts'
import { type BaseTable, featureSchema, type WarehouseTable } from '../port.ts'
import { type TrinoCarrier, trinoCarrier } from './column-types.ts'
import { TrinoFailure } from './error.ts'
import type { CellRow, TrinoSession } from './session.ts'
import type { TrinoAddress } from './url.ts'

export const internalSchema = 'gateway'
export const appendColumn = 'append_id'

const columnsByTable: Record<string, string> = {
  users: 'user_id varchar, name varchar, address varchar, creation_date double',
  quotes:
    'quote_id varchar, user_id varchar, creation_date double, binding_date double, quote_type varchar, quote_device varchar, is_binded boolean, is_paid boolean',
  transactions:
    'transaction_id varchar, user_id varchar, ref_id varchar, ref_type varchar, transaction_time double, successful boolean, card_number varchar, card_expiration_date double, card_type varchar',
  policies:
    'policy_id varchar, user_id varchar, quote_id varchar, purchase_time double, policy_type varchar, policy_device varchar',
}

export interface TrinoNames {
  ledger: string
  /** The table that holds the rows of a table of `feature_store`. */
  rows(table: string): string
}

export function namesOf({ rowsCatalog }: TrinoAddress): TrinoNames {
  const prefix = `${quoteName(rowsCatalog)}.${internalSchema}`
  return { ledger: `${prefix}.ledger`, rows: (table) => `${prefix}.${quoteName(table)}` }
}

/** Makes what is missing; where nothing is, no right to make anything is needed. */
export async function createSchemas(session: TrinoSession, address: TrinoAddress): Promise<void> {
  const run = (sql: string) => session.query('write', sql)
  const { catalog, rowsCatalog } = address
  const names = namesOf(address)
  const views = new Set(await tablesIn(session, catalog, featureSchema))
  const tables = new Set(await tablesIn(session, rowsCatalog, internalSchema))
  const missing = Object.entries(columnsByTable).filter(([table]) => !views.has(table) || !tables.has(table))
  if (missing.length === 0 && tables.has('ledger')) return

  await run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(rowsCatalog)}.${internalSchema}`)
  await run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(catalog)}.${featureSchema}`)
  await run(
    `CREATE TABLE IF NOT EXISTS ${names.ledger} (${appendColumn} varchar, job_id varchar, batch bigint)`,
  )
  for (const [table, columns] of missing) {
    await run(`CREATE TABLE IF NOT EXISTS ${names.rows(table)} (${columns}, ${appendColumn} varchar)`)
    const list = columns.split(', ').map((column) => quoteName(column.split(' ')[0] ?? ''))
    // Two gateways may have written one batch at the same time: one of them counts, always the same.
    await run(
      `CREATE OR REPLACE VIEW ${quoteName(catalog)}.${featureSchema}.${quoteName(table)} AS
       SELECT ${list.join(', ')} FROM ${names.rows(table)}
       WHERE ${appendColumn} IN (SELECT min(${appendColumn}) FROM ${names.ledger} GROUP BY job_id, batch)`,
    )
  }
}

async function tablesIn(session: TrinoSession, catalog: string, schema: string): Promise<string[]> {
  const { rows } = await session.query(
    'write',
    `SELECT table_name FROM ${quoteName(catalog)}.information_schema.tables WHERE table_schema = ${quoteText(schema)}`,
  )
  return rows.map(([name]) => String(name))
}

export interface ListedTable extends WarehouseTable {
  carriers: readonly TrinoCarrier[]
  typeTexts: readonly string[]
}

/** The tables and views of the catalog that the gateway's user may read, or those of one schema. */
export async function listTables(
  session: TrinoSession,
  { catalog, rowsCatalog }: TrinoAddress,
  onlySchema: string | null = null,
): Promise<ListedTable[]> {
  const chosen =
    onlySchema === null
      ? `c.table_schema NOT IN ('information_schema', ${quoteText(internalSchema)})`
      : `c.table_schema = ${quoteText(onlySchema)}`
  const { rows } = await session.query(
    'quick',
    `SELECT c.table_schema, c.table_name, c.column_name, c.data_type, r.table_name
     FROM ${quoteName(catalog)}.information_schema.columns c
     LEFT JOIN (SELECT table_name FROM ${quoteName(rowsCatalog)}.information_schema.tables
         WHERE table_schema = ${quoteText(internalSchema)}) r
       ON c.table_schema = ${quoteText(featureSchema)} AND r.table_name = c.table_name
     WHERE ${chosen} ORDER BY c.table_schema, c.table_name, c.ordinal_position`,
  )
  const tables: ListedTable[] = []
  for (const own of Map.groupBy(rows, ([schema, name]) => JSON.stringify([schema, name])).values()) {
    const told = await spellRows(session, catalog, own)
    if (told !== null) tables.push(toTable(told))
  }
  return tables
}

/** The names of a row's fields are quoted in a result's types alone, not in the listing; null for a table that cannot be read. */
async function spellRows(
  session: TrinoSession,
  catalog: string,
  rows: readonly CellRow[],
): Promise<readonly CellRow[] | null> {
  if (!rows.some(([, , , type]) => /\brow\(/.test(String(type)))) return rows
  const [schema, name] = (rows[0] ?? []).map(String)
  const place = [catalog, schema ?? '', name ?? ''].map(quoteName).join('.')
  try {
    const { columns } = await session.query('quick', `SELECT * FROM ${place} LIMIT 0`)
    return rows.map((row, i) => row.with(3, columns[i]?.type ?? null))
  } catch (error) {
    if (error instanceof TrinoFailure && error.fault === 'USER_ERROR') return null
    throw error
  }
}

/** The rows of a table that takes some are kept in one of its name. */
function toTable(rows: readonly CellRow[]): ListedTable {
  const [schema, name, , , rowsTable] = rows[0] ?? []
  const columns = rows.map(([, , column, type]) => ({ name: String(column), typeText: String(type) }))
  const carriers = columns.map(({ typeText }) => trinoCarrier(typeText))
  return {
    schema: String(schema),
    name: String(name),
    columns: columns.map((column, i) => ({
      name: column.name,
      type: carriers[i]?.type ?? 'STRING',
      nullable: true,
      storage: carriers[i]?.storage ?? '',
    })),
    carriers,
    typeTexts: columns.map(({ typeText }) => typeText),
    ...((rowsTable ?? null) !== null && { intake: { defaults: [], computed: [] } }),
  }
}

/** The tables with all their columns, of which the analysis names those that are read. */
export async function completeColumns(
  session: TrinoSession,
  { catalog }: TrinoAddress,
  tables: readonly BaseTable[],
  signal?: AbortSignal,
): Promise<BaseTable[]> {
  const read = async (table: BaseTable): Promise<BaseTable> => {
    const parts = table.schema.split('.')
    const [of = catalog, schema = table.schema] = parts.length > 1 ? parts : []
    const { rows } = await session.query(
      'quick',
      `SELECT column_name FROM ${quoteName(of)}.information_schema.columns
       WHERE table_schema = ${quoteText(schema)} AND table_name = ${quoteText(table.name)} ORDER BY ordinal_position`,
      { signal },
    )
    return rows.length === 0 ? table : { ...table, columns: rows.map(([name]) => String(name)) }
  }
  return Promise.all(tables.map(read))
}
