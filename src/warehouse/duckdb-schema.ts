// The tables of the embedded warehouse: those of feature_store, the gateway's own, and what statements may read.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Column } from '../columns.ts'
import { carrierOf } from '../parquet/duckdb-types.ts'
import { refuse } from '../parquet/engine-error.ts'
import type { LocalTable } from '../parquet/key-locality.ts'
import { quoteName } from '../parquet/sql-text.ts'
import { displayTable, type TableReference } from '../parquet/statement.ts'
import { listViews, type ViewDefinition } from './duckdb-views.ts'
import { type BaseTable, featureSchema, type WarehouseTable } from './port.ts'

export const internalSchema = 'gateway'
export const filesSchema = 'files'

const createTables = `
  CREATE SCHEMA IF NOT EXISTS ${featureSchema};
  CREATE TABLE IF NOT EXISTS ${featureSchema}.users
    (user_id VARCHAR, name VARCHAR, address VARCHAR, creation_date DOUBLE);
  CREATE TABLE IF NOT EXISTS ${featureSchema}.quotes
    (quote_id VARCHAR, user_id VARCHAR, creation_date DOUBLE, binding_date DOUBLE,
     quote_type VARCHAR, quote_device VARCHAR, is_binded BOOLEAN, is_paid BOOLEAN);
  CREATE TABLE IF NOT EXISTS ${featureSchema}.transactions
    (transaction_id VARCHAR, user_id VARCHAR, ref_id VARCHAR, ref_type VARCHAR, transaction_time DOUBLE,
     successful BOOLEAN, card_number VARCHAR, card_expiration_date DOUBLE, card_type VARCHAR);
  CREATE TABLE IF NOT EXISTS ${featureSchema}.policies
    (policy_id VARCHAR, user_id VARCHAR, quote_id VARCHAR, purchase_time DOUBLE, policy_type VARCHAR, policy_device VARCHAR);
  CREATE SCHEMA IF NOT EXISTS ${internalSchema};
  CREATE TABLE IF NOT EXISTS ${internalSchema}.ledger
    (job_id VARCHAR, batch BIGINT, committed_at TIMESTAMP, PRIMARY KEY (job_id, batch));
  CREATE TABLE IF NOT EXISTS ${internalSchema}.version (version BIGINT);
  INSERT INTO ${internalSchema}.version SELECT 0 WHERE NOT EXISTS (FROM ${internalSchema}.version);
`

export async function createSchemas(connection: DuckDBConnection): Promise<void> {
  await connection.run('BEGIN')
  await connection.run(createTables)
  await connection.run('COMMIT')
}

export interface TableList {
  all: readonly WarehouseTable[]
  find(schema: string, name: string): WarehouseTable | undefined
  /** A table's columns, or the statement of a view; null for what is neither. */
  look(schema: string, name: string): LocalTable | null
  /** Throws INVALID_SQL for one that statements may not read. */
  resolve(references: readonly TableReference[]): BaseTable[]
}

/** The tables and views of the database; none is made while the gateway runs. */
export async function listTables(connection: DuckDBConnection): Promise<TableList> {
  const result = await connection.run(`
    SELECT schema_name, table_name, current_database() FROM duckdb_tables()
    WHERE NOT internal AND database_name = current_database() AND schema_name <> '${internalSchema}'
    UNION ALL
    SELECT schema_name, view_name, current_database() FROM duckdb_views()
    WHERE NOT internal AND database_name = current_database() AND schema_name <> '${internalSchema}'
    ORDER BY ALL`)
  const all: WarehouseTable[] = []
  let catalog = ''
  for (const [schema, name, database] of await result.getRows()) {
    catalog = String(database)
    all.push({
      schema: String(schema),
      name: String(name),
      columns: await columnsOf(connection, String(schema), String(name)),
    })
  }
  return createTableList(all, catalog, await listViews(connection, filesSchema))
}

async function columnsOf(connection: DuckDBConnection, schema: string, name: string): Promise<Column[]> {
  const prepared = await connection.prepare(`SELECT * FROM ${quoteName(schema)}.${quoteName(name)}`)
  try {
    return Array.from({ length: prepared.columnCount }, (_, i) => {
      const { type, storage } = carrierOf(prepared.columnType(i))
      return { name: prepared.columnName(i), type, nullable: true, storage }
    })
  } finally {
    prepared.destroySync()
  }
}

function createTableList(
  all: readonly WarehouseTable[],
  catalog: string,
  views: readonly ViewDefinition[],
): TableList {
  const keyOf = (schema: string, name: string) => JSON.stringify([schema.toLowerCase(), name.toLowerCase()])
  const byKey = new Map(all.map((table) => [keyOf(table.schema, table.name), table]))
  const find = (schema: string, name: string) => byKey.get(keyOf(schema, name))
  const viewByKey = new Map(views.map((view) => [keyOf(view.schema, view.name), view]))

  /** The table itself, or what stands behind the view. */
  function basesOf(table: WarehouseTable): WarehouseTable[] {
    const view = viewByKey.get(keyOf(table.schema, table.name))
    if (view === undefined || view.tables === null) return [table]
    const behind = view.tables.map(
      ({ schema, name }) => find(schema || view.schema, name) ?? find(schema || 'main', name),
    )
    return behind.flatMap((base) => (base === undefined || base === table ? [table] : basesOf(base)))
  }

  function resolveOne(reference: TableReference): WarehouseTable {
    const isHere = reference.catalog === '' || reference.catalog.toLowerCase() === catalog.toLowerCase()
    const table = isHere ? find(reference.schema || 'main', reference.name) : undefined
    if (table !== undefined) return table
    const homonyms = all.filter(({ name }) => name.toLowerCase() === reference.name.toLowerCase())
    const hint = (homonyms.length > 0 ? homonyms : all)
      .slice(0, 8)
      .map(({ schema, name }) => displayTable({ catalog: '', schema, name, place: null }))
    const message = `There is no table ${displayTable(reference)} to read; ${homonyms.length > 0 ? 'did you mean' : 'there is'} ${hint.join(', ')}${homonyms.length > 0 ? '?' : ', …'}`
    throw refuse(message, reference.place)
  }

  return {
    all,
    find,
    look(schema, name) {
      const table = find(schema || 'main', name)
      if (table === undefined) return null
      const view = viewByKey.get(keyOf(table.schema, table.name))
      if (view === undefined || view.tables === null) return { columns: table.columns.map((c) => c.name) }
      return view.tree === null ? null : { schema: view.schema, tree: view.tree }
    },
    resolve(references) {
      const tables = new Set(references.map(resolveOne).flatMap(basesOf))
      return [...tables].map(({ schema, name, columns }) => ({
        schema,
        name,
        columns: columns.map((c) => c.name),
      }))
    },
  }
}
