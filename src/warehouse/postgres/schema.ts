// The tables of the PostgreSQL warehouse: those of feature_store, the gateway's own, and what statements may read.

import type { WarehouseTable } from '../port.ts'
import { type PostgresCarrier, postgresCarrier, type TypeEntries } from './column-types.ts'
import { type Keeps, keepsOf } from './kept.ts'
import type { Session } from './session.ts'
import { readTypes } from './type-entries.ts'

export const featureSchema = 'feature_store'
export const internalSchema = 'gateway'

const columnsByTable: Record<string, string> = {
  [`${featureSchema}.users`]: 'user_id varchar, name varchar, address varchar, creation_date float8',
  [`${featureSchema}.quotes`]:
    'quote_id varchar, user_id varchar, creation_date float8, binding_date float8, quote_type varchar, quote_device varchar, is_binded boolean, is_paid boolean',
  [`${featureSchema}.transactions`]:
    'transaction_id varchar, user_id varchar, ref_id varchar, ref_type varchar, transaction_time float8, successful boolean, card_number varchar, card_expiration_date float8, card_type varchar',
  [`${featureSchema}.policies`]:
    'policy_id varchar, user_id varchar, quote_id varchar, purchase_time float8, policy_type varchar, policy_device varchar',
  [`${internalSchema}.ledger`]:
    'job_id text, batch int8, committed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job_id, batch)',
  [`${internalSchema}.version`]: 'version int8 NOT NULL',
}

/** Any number; that all gateways take it is what matters. */
const creationLock = 7_231_904_551

/** Makes what is missing, one gateway at a time; where nothing is, no right to make anything is needed. */
export async function createSchemas(session: Session): Promise<void> {
  if ((await findMissing(session)).length === 0) return
  await session.script('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
  await session.query(`SELECT pg_advisory_xact_lock(${creationLock})`)
  const missing = await findMissing(session)
  const schemas = new Set(missing.map((name) => name.slice(0, name.indexOf('.'))))
  for (const schema of schemas) {
    const [found] = await session.query('SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema])
    if (found === undefined) await session.query(`CREATE SCHEMA ${schema}`)
  }
  for (const name of missing) {
    await session.query(`CREATE TABLE ${name} (${columnsByTable[name]})`)
    if (name.startsWith(`${featureSchema}.`)) await session.query(`CREATE INDEX ON ${name} (user_id)`)
    if (name === `${internalSchema}.version`) await session.query(`INSERT INTO ${name} VALUES (0)`)
  }
  await session.script('COMMIT')
}

/** By the catalog's own rows: to_regclass may answer from before the lock. */
async function findMissing(session: Session): Promise<string[]> {
  const rows = await session.query(
    `SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('${featureSchema}', '${internalSchema}')`,
  )
  const found = new Set(rows.map(([name]) => name))
  return Object.keys(columnsByTable).filter((name) => !found.has(name))
}

export interface ListedTable extends WarehouseTable {
  oid: number
  carriers: readonly PostgresCarrier[]
  /** The type of each column in the server's words. */
  ownTypes: readonly string[]
  /** Whether a value of each column is sure to be taken, and to be read again as it was written. */
  keeps: readonly Keeps[]
}

/**
 * Of each column of the tables: its type, whether every row must bring it a value (a trigger may bring one), whether it
 * has one where a row leaves it out (of a view the tables behind it know), and whether a row may bring it one at all.
 */
const listing = `
  WITH relation AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname, c.relkind,
      c.relkind IN ('r', 'p', 'v', 'f') AND pg_catalog.has_any_column_privilege(c.oid, 'INSERT')
        AND pg_catalog.pg_relation_is_updatable(c.oid, true) & 8 = 8 AS takes_rows,
      c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 4 <> 0) AS is_plain
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '${internalSchema}')
      AND ($1::text IS NULL OR n.nspname = $1)
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
  SELECT c.nspname, c.relname, c.oid::text, c.takes_rows::text, a.attname, a.atttypid::text, a.atttypmod::text,
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    (c.is_plain AND a.attnotnull)::text,
    (c.relkind = 'v' OR a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL)::text,
    (a.attgenerated = '' AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'INSERT')
      AND (c.relkind <> 'v' OR pg_catalog.pg_column_is_updatable(c.oid, a.attnum, true)))::text
  FROM relation c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  ORDER BY c.nspname, c.relname, a.attnum`

/** The tables and views that the gateway's role may read, or those of one schema. */
export async function listTables(session: Session, onlySchema: string | null = null): Promise<ListedTable[]> {
  const rows = (await session.query(listing, [onlySchema])).map((row) => row.map(String))
  const entries = await readTypes(
    session,
    rows.map(([, , , , , oid]) => Number(oid)),
  )
  return [...Map.groupBy(rows, ([, , oid]) => oid).values()].map((own) => toTable(own, entries))
}

function toTable(rows: readonly (readonly string[])[], entries: TypeEntries): ListedTable {
  const [schema = '', name = '', oid, takesRows] = rows[0] ?? []
  const columns = rows.map(([, , , , column = '', type, modifier, ownType = '', ...facts]) => {
    const [isRequired, hasDefault, takesValue] = facts.map((fact) => fact === 'true')
    const carrier = postgresCarrier(Number(type), Number(modifier), entries)
    const keeps = keepsOf(Number(type), Number(modifier), entries)
    return { name: column, carrier, keeps, ownType, isRequired, hasDefault, takesValue }
  })
  const computed = columns.filter(({ takesValue }) => !takesValue).map((column) => column.name)
  const defaults = columns.filter((column) => column.takesValue && column.hasDefault)
  return {
    schema,
    name,
    oid: Number(oid),
    columns: columns.map(({ name: column, carrier, isRequired }) => ({
      name: column,
      type: carrier.type,
      nullable: !isRequired,
      storage: carrier.storage,
    })),
    carriers: columns.map(({ carrier }) => carrier),
    ownTypes: columns.map(({ ownType }) => ownType),
    keeps: columns.map(({ keeps }) => keeps),
    ...(takesRows === 'true' && { intake: { defaults: defaults.map((column) => column.name), computed } }),
  }
}
