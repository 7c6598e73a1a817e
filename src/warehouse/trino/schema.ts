// The tables of the Trino warehouse. Trino has no transactions over several statements, so appended rows are kept in
// tables of the schema `gateway`, each with the id of its append, and the views of `feature_store` show those whose
// append stands in the ledger: the one row that is written there last makes all of an append seen at once.

import { AppError } from '../../errors.ts'
import { quoteName, quoteText } from '../../sql/sql-text.ts'
import { columnDefinitions, type TableToMake } from '../new-table.ts'
import { type BaseTable, featureSchema, internalSchema, type WarehouseTable } from '../port.ts'
import { type TrinoCarrier, trinoCarrier } from './column-types.ts'
import { TrinoFailure } from './error.ts'
import type { CellRow, TrinoSession } from './session.ts'
import type { TrinoAddress } from './url.ts'
import { trinoWriter } from './write.ts'

export const appendColumn = 'append_id'
/** The schema of rows that are lent to a statement as a table, in the catalog of rows. */
export const spinesSchema = 'gateway_spines'

export interface TrinoNames {
  ledger: string
  /** A table of the schema `gateway`. */
  own(table: string): string
  /** The table that holds the rows of a table. */
  rows(schema: string, table: string): string
}

export function namesOf({ rowsCatalog }: TrinoAddress): TrinoNames {
  const own = (table: string) => `${quoteName(rowsCatalog)}.${internalSchema}.${quoteName(table)}`
  return { ledger: own('ledger'), own, rows: (schema, table) => own(rowsTableOf(schema, table)) }
}

/** Its name in the schema `gateway`. */
export function rowsTableOf(schema: string, table: string): string {
  const name = schema === featureSchema ? table : `${schema}.${table}`
  return name.toLowerCase()
}

/** Makes what is missing of the gateway's own; where nothing is, no right to make anything is needed. */
export async function createSchemas(session: TrinoSession, address: TrinoAddress): Promise<void> {
  const run = (sql: string) => session.query('write', sql)
  const { catalog, rowsCatalog } = address
  if (!(await schemasIn(session, catalog)).has(featureSchema))
    await run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(catalog)}.${featureSchema}`)
  if ((await tablesIn(session, rowsCatalog, internalSchema)).includes('ledger')) return
  await run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(rowsCatalog)}.${internalSchema}`)
  await run(
    `CREATE TABLE IF NOT EXISTS ${namesOf(address).ledger} (${appendColumn} varchar, job_id varchar, batch bigint)`,
  )
}

export async function schemasIn(session: TrinoSession, catalog: string): Promise<Set<string>> {
  const { rows } = await session.query(
    'write',
    `SELECT schema_name FROM ${quoteName(catalog)}.information_schema.schemata`,
  )
  return new Set(rows.map(([name]) => String(name)))
}

/** The table of the rows, and the view that shows those whose append stands in the ledger. */
export async function makeTable(
  session: TrinoSession,
  address: TrinoAddress,
  { schema, name, columns }: TableToMake,
): Promise<void> {
  const run = (sql: string) => session.query('write', sql)
  const { catalog } = address
  const names = namesOf(address)
  if (columns.some((column) => column.name.toLowerCase() === appendColumn))
    throw new AppError(
      'BAD_USER_INPUT',
      `A column cannot be called ${appendColumn}: the gateway has one of that name.`,
    )
  const rows = names.rows(schema, name)
  const list = columns.map((column) => quoteName(column.name)).join(', ')
  await run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(catalog)}.${quoteName(schema)}`)
  await run(`CREATE TABLE IF NOT EXISTS ${rows} (${columnDefinitions(columns)}, ${appendColumn} varchar)`)
  // Two gateways may have written one batch at the same time: one of them counts, always the same.
  await run(
    `CREATE OR REPLACE VIEW ${quoteName(catalog)}.${quoteName(schema)}.${quoteName(name)} AS SELECT ${list} FROM ${rows}
     WHERE ${appendColumn} IN (SELECT min(${appendColumn}) FROM ${names.ledger} GROUP BY job_id, batch)`,
  )
}

export async function tablesIn(session: TrinoSession, catalog: string, schema: string): Promise<string[]> {
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

/** The tables and views of the catalog that the gateway's user may read, or those of some schemas. */
export async function listTables(
  session: TrinoSession,
  { catalog, rowsCatalog }: TrinoAddress,
  schemas: readonly string[] | null = null,
): Promise<ListedTable[]> {
  const chosen =
    schemas === null
      ? `c.table_schema NOT IN ('information_schema', ${[internalSchema, spinesSchema].map(quoteText).join(', ')})`
      : `c.table_schema IN (${schemas.map(quoteText).join(', ')})`
  const { rows } = await session.query(
    'quick',
    `SELECT c.table_schema, c.table_name, c.column_name, c.data_type, r.is_nullable, t.table_type
     FROM ${quoteName(catalog)}.information_schema.columns c
     JOIN ${quoteName(catalog)}.information_schema.tables t
       ON t.table_schema = c.table_schema AND t.table_name = c.table_name
     LEFT JOIN ${quoteName(rowsCatalog)}.information_schema.columns r
       ON r.table_schema = ${quoteText(internalSchema)} AND r.column_name = c.column_name AND r.table_name =
         IF(c.table_schema = ${quoteText(featureSchema)}, c.table_name, c.table_schema || '.' || c.table_name)
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

/** The rows of a table that takes some are kept in one that has each of its columns. */
function toTable(rows: readonly CellRow[]): ListedTable {
  const [schema, name, , , , tableType] = rows[0] ?? []
  const takesRows = rows.every(([, , , , isNullable]) => isNullable !== null)
  const columns = rows.map(([, , column, type]) => ({ name: String(column), typeText: String(type) }))
  const carriers = columns.map(({ typeText }) => trinoCarrier(typeText))
  return {
    schema: String(schema),
    name: String(name),
    kind: takesRows || tableType !== 'VIEW' ? 'TABLE' : 'VIEW',
    rowEstimate: null,
    columns: columns.map((column, i) => ({
      name: column.name,
      type: carriers[i]?.type ?? 'STRING',
      nullable: rows[i]?.[4] !== 'NO',
      storage: carriers[i]?.storage ?? '',
    })),
    carriers,
    typeTexts: columns.map(({ typeText }) => typeText),
    ...(takesRows && { intake: { defaults: [], computed: [], judged: judgedOf(columns) } }),
  }
}

function judgedOf(columns: readonly { name: string; typeText: string }[]): string[] {
  return columns.filter(({ typeText }) => !trinoWriter(typeText).isKept).map(({ name }) => name)
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
