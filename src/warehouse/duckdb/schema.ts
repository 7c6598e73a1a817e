// The tables of the embedded warehouse: those of feature_store, the gateway's own, and what statements may read.

import type { DuckDBConnection, DuckDBType } from '@duckdb/node-api'
import { carrierOf } from '../../duckdb/column-types.ts'
import { refuse } from '../../duckdb/engine-error.ts'
import { displayTable, type TableReference } from '../../duckdb/statement.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Column } from '../../values/columns.ts'
import { columnDefinitions, type TableToMake } from '../new-table.ts'
import { type BaseTable, featureSchema, type Intake, internalSchema, type WarehouseTable } from '../port.ts'
import { suggestTables } from '../unknown-table.ts'
import { listViews, type ViewDefinition } from './views.ts'

export const filesSchema = 'files'

const createOwn = `
  CREATE SCHEMA IF NOT EXISTS ${featureSchema};
  CREATE SCHEMA IF NOT EXISTS ${internalSchema};
  CREATE TABLE IF NOT EXISTS ${internalSchema}.ledger
    (job_id VARCHAR, batch BIGINT, committed_at TIMESTAMP, PRIMARY KEY (job_id, batch));
  CREATE TABLE IF NOT EXISTS ${internalSchema}.version (version BIGINT);
  INSERT INTO ${internalSchema}.version SELECT 0 WHERE NOT EXISTS (FROM ${internalSchema}.version);
`

export async function createSchemas(connection: DuckDBConnection): Promise<void> {
  await connection.run('BEGIN')
  await connection.run(createOwn)
  await connection.run('COMMIT')
}

export interface DuckdbTable extends WarehouseTable {
  /** The type of each column in the engine's words. */
  ownTypes: readonly string[]
}

export interface TableList {
  /** The database, as the engine calls it. */
  catalog: string
  all: readonly DuckdbTable[]
  find(schema: string, name: string): DuckdbTable | undefined
  /** Views that count as tables: what stands behind them are files. */
  ofFiles: readonly WarehouseTable[]
  /** Throws INVALID_SQL for one that statements may not read. */
  resolve(references: readonly TableReference[]): BaseTable[]
  /** With these views of files as they are now. */
  withFiles(connection: DuckDBConnection, names: readonly string[]): Promise<TableList>
}

export async function makeTable(connection: DuckDBConnection, table: TableToMake): Promise<void> {
  const schema = quoteName(table.schema)
  const columns = columnDefinitions(table.columns)
  await connection.run(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  await connection.run(`CREATE TABLE IF NOT EXISTS ${schema}.${quoteName(table.name)} (${columns})`)
}

/** How many rows each table holds, by the engine's estimate. */
export async function withEstimates(
  connection: DuckDBConnection,
  { all }: TableList,
): Promise<WarehouseTable[]> {
  const result = await connection.run(
    'SELECT schema_name, table_name, estimated_size FROM duckdb_tables() WHERE database_name = current_database()',
  )
  const rows = await result.getRows()
  const estimates = new Map(
    rows.map(([schema, name, size]) => [keyOf(String(schema), String(name)), Number(size)]),
  )
  return all.map(({ ownTypes: _, ...table }) => ({
    ...table,
    rowEstimate: estimates.get(keyOf(table.schema, table.name)) ?? null,
  }))
}

/** The tables and views of the database, as they are now. */
export async function listTables(
  connection: DuckDBConnection,
  foreign: ReadonlySet<string>,
): Promise<TableList> {
  const result = await connection.run(`
    SELECT schema_name, table_name, current_database() FROM duckdb_tables()
    WHERE NOT internal AND database_name = current_database() AND schema_name <> '${internalSchema}'
    UNION ALL
    SELECT schema_name, view_name, current_database() FROM duckdb_views()
    WHERE NOT internal AND database_name = current_database() AND schema_name <> '${internalSchema}'
    ORDER BY ALL`)
  const filled = await readFilled(connection)
  const views = await listViews(connection, filesSchema, foreign)
  const isOpaque = new Set(
    views.filter(({ tables }) => tables === null).map((view) => keyOf(view.schema, view.name)),
  )
  const all: DuckdbTable[] = []
  let catalog = ''
  for (const [schema, name, database] of await result.getRows()) {
    catalog = String(database)
    // Of the database's own, one that reads more than tables might read by an extension.
    if (foreign.size > 0 && schema !== filesSchema && isOpaque.has(keyOf(String(schema), String(name))))
      continue
    all.push(await readTable(connection, { schema: String(schema), name: String(name), filled }))
  }
  return createTableList(all, catalog, views)
}

interface FilledColumn {
  name: string
  isRequired: boolean
  hasDefault: boolean
}

const byName = (a: WarehouseTable, b: WarehouseTable) =>
  a.schema < b.schema || (a.schema === b.schema && a.name < b.name) ? -1 : 1
const keyOf = (schema: string, name: string) => JSON.stringify([schema.toLowerCase(), name.toLowerCase()])

/** What the engine says of the columns of tables, not of views. */
async function readFilled(connection: DuckDBConnection): Promise<Map<string, FilledColumn[]>> {
  const result = await connection.run(`
    SELECT c.schema_name, c.table_name, c.column_name, NOT c.is_nullable, c.column_default IS NOT NULL
    FROM duckdb_columns() c JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
    WHERE database_name = current_database() ORDER BY c.column_index`)
  const filled = new Map<string, FilledColumn[]>()
  for (const [schema, table, name, isRequired, hasDefault] of await result.getRows()) {
    const key = keyOf(String(schema), String(table))
    const columns = filled.get(key) ?? []
    columns.push({ name: String(name), isRequired: isRequired === true, hasDefault: hasDefault === true })
    filled.set(key, columns)
  }
  return filled
}

/** Of what a statement would give. */
async function columnsOf(
  connection: DuckDBConnection,
  sql: string,
): Promise<{ name: string; type: DuckDBType }[]> {
  const prepared = await connection.prepare(sql)
  try {
    return Array.from({ length: prepared.columnCount }, (_, i) => ({
      name: prepared.columnName(i),
      type: prepared.columnType(i),
    }))
  } finally {
    prepared.destroySync()
  }
}

/** In the engine's words. */
export async function typesOf(connection: DuckDBConnection, sql: string): Promise<string[]> {
  return (await columnsOf(connection, sql)).map(({ type }) => String(type))
}

async function readTable(
  connection: DuckDBConnection,
  { schema, name, filled }: { schema: string; name: string; filled: Map<string, FilledColumn[]> },
): Promise<DuckdbTable> {
  const place = `${quoteName(schema)}.${quoteName(name)}`
  const own = filled.get(keyOf(schema, name))
  const required = new Set(own?.filter((column) => column.isRequired).map((column) => column.name))
  const given = await columnsOf(connection, `SELECT * FROM ${place}`)
  const columns = given.map(({ name: column, type: ownType }): Column => {
    const { type, storage } = carrierOf(ownType)
    return { name: column, type, nullable: !required.has(column), storage }
  })
  const ownTypes = given.map(({ type }) => String(type))
  const judged = columns.filter(({ storage }, i) => storage !== ownTypes[i]).map((column) => column.name)
  const kind = own !== undefined ? 'TABLE' : schema === filesSchema ? 'FILE' : 'VIEW'
  return {
    schema,
    name,
    kind,
    rowEstimate: null,
    columns,
    ownTypes,
    // The engine lets no second process write its file.
    ...(kind !== 'VIEW' && { keptBy: kind === 'TABLE' ? ('GATEWAY' as const) : ('SIGNS' as const) }),
    ...(own && { intake: { ...(await readIntake(connection, place, own)), judged } }),
  }
}

/** A computed column's expression stands where others have their default; it is told by what takes no value. */
async function readIntake(
  connection: DuckDBConnection,
  place: string,
  columns: readonly FilledColumn[],
): Promise<Omit<Intake, 'judged'>> {
  const [defaults, computed]: [string[], string[]] = [[], []]
  for (const { name } of columns.filter(({ hasDefault }) => hasDefault)) {
    const takesValue = await connection.prepare(`INSERT INTO ${place} (${quoteName(name)}) SELECT NULL`).then(
      (prepared) => {
        prepared.destroySync()
        return true
      },
      () => false,
    )
    ;(takesValue ? defaults : computed).push(name)
  }
  return { defaults, computed }
}

function createTableList(
  all: readonly DuckdbTable[],
  catalog: string,
  views: readonly ViewDefinition[],
): TableList {
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
    const name = displayTable(reference)
    const message = `There is no table ${name} to read; ${suggestTables(name, all)}`
    throw refuse(message, reference.place)
  }

  return {
    catalog,
    all,
    find,
    ofFiles: all.filter(
      ({ schema, name }) => schema === filesSchema || viewByKey.get(keyOf(schema, name))?.tables === null,
    ),
    async withFiles(connection, names) {
      const changed = new Set(names.map((name) => keyOf(filesSchema, name)))
      const rest = all.filter(({ schema, name }) => !changed.has(keyOf(schema, name)))
      const found = await connection.run(
        `SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND schema_name = '${filesSchema}'`,
      )
      const now = (await found.getRows())
        .map(([name]) => String(name))
        .filter((name) => changed.has(keyOf(filesSchema, name)))
      const filled = new Map()
      for (const name of now) rest.push(await readTable(connection, { schema: filesSchema, name, filled }))
      return createTableList(rest.sort(byName), catalog, views)
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
