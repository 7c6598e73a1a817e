// The tables of the PostgreSQL warehouse: those of feature_store, the gateway's own, and what statements may read.

import type { Column } from '../columns.ts'
import type { WarehouseTable } from './port.ts'
import type { Session } from './postgres-session.ts'
import { readTypes } from './postgres-type-entries.ts'
import { type PostgresCarrier, postgresCarrier } from './postgres-types.ts'

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
  carriers: readonly PostgresCarrier[]
}

/** The tables and views that the gateway's role may read, or those of one schema. */
export async function listTables(session: Session, onlySchema: string | null = null): Promise<ListedTable[]> {
  const rows = await session.query(
    `SELECT n.nspname, c.relname, a.attname, a.atttypid::text, a.atttypmod::text
     FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '${internalSchema}')
       AND ($1::text IS NULL OR n.nspname = $1)
       AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
     ORDER BY n.nspname, c.relname, a.attnum`,
    [onlySchema],
  )
  const entries = await readTypes(
    session,
    rows.map(([, , , oid]) => Number(oid)),
  )
  const tables = new Map<
    string,
    { schema: string; name: string; columns: Column[]; carriers: PostgresCarrier[] }
  >()
  for (const [schema, name, column, oid, modifier] of rows) {
    const key = JSON.stringify([schema, name])
    const table = tables.get(key) ?? { schema: String(schema), name: String(name), columns: [], carriers: [] }
    tables.set(key, table)
    const carrier = postgresCarrier(Number(oid), Number(modifier), entries)
    table.carriers.push(carrier)
    table.columns.push({ name: String(column), type: carrier.type, nullable: true, storage: carrier.storage })
  }
  return [...tables.values()]
}
