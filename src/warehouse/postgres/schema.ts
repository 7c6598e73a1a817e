// The tables of the PostgreSQL warehouse: those of feature_store, the gateway's own, and what statements may read.

import { quoteName } from '../../sql/sql-text.ts'
import { columnDefinitions, type TableToMake } from '../new-table.ts'
import { featureSchema, internalSchema, type WarehouseTable } from '../port.ts'
import { type PostgresCarrier, postgresCarrier, quoteItem, type TypeEntries } from './column-types.ts'
import { isJudged, type Keeps, keepsOf } from './kept.ts'
import type { Session } from './session.ts'
import { readTypes } from './type-entries.ts'

const ownTables: Readonly<Record<string, string>> = {
  ledger:
    'job_id text, batch int8, committed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job_id, batch)',
  version: 'version int8 NOT NULL',
}

/** Any number; that all gateways take it is what matters. */
const creationLock = 7_231_904_551

/** Makes what is missing of the gateway's own; where nothing is, no right to make anything is needed. */
export async function createSchemas(session: Session): Promise<void> {
  const isMissing = async () =>
    (await findMissing(session)).length > 0 || !(await hasSchema(session, featureSchema))
  if (!(await isMissing())) return
  await inTurn(session, async () => {
    for (const schema of [featureSchema, internalSchema]) await createSchema(session, schema)
    for (const name of await findMissing(session)) {
      await session.query(`CREATE TABLE ${internalSchema}.${name} (${ownTables[name]})`)
      if (name === 'version') await session.query(`INSERT INTO ${internalSchema}.version VALUES (0)`)
    }
  })
}

/** One gateway at a time. */
async function inTurn(session: Session, work: () => Promise<void>): Promise<void> {
  await session.script('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
  try {
    await session.query(`SELECT pg_advisory_xact_lock(${creationLock})`)
    await work()
    await session.script('COMMIT')
  } catch (error) {
    await session.script('ROLLBACK').catch(() => undefined)
    throw error
  }
}

async function hasSchema(session: Session, schema: string): Promise<boolean> {
  const rows = await session.query('SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema])
  return rows.length > 0
}

async function createSchema(session: Session, schema: string): Promise<void> {
  if (!(await hasSchema(session, schema))) await session.query(`CREATE SCHEMA ${quoteName(schema)}`)
}

/** By the catalog's own rows: to_regclass may answer from before the lock. */
async function findMissing(session: Session): Promise<string[]> {
  const found = await relationsOf(session, internalSchema)
  return Object.keys(ownTables).filter((name) => !found.has(name))
}

async function relationsOf(session: Session, schema: string): Promise<Set<string | null | undefined>> {
  const rows = await session.query(
    `SELECT c.relname FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1`,
    [schema],
  )
  return new Set(rows.map(([name]) => name))
}

export async function makeTable(
  session: Session,
  { schema, name, columns, indexed }: TableToMake,
): Promise<void> {
  const place = `${quoteName(schema)}.${quoteName(name)}`
  await inTurn(session, async () => {
    await createSchema(session, schema)
    if ((await relationsOf(session, schema)).has(name)) return
    await session.query(`CREATE TABLE ${place} (${columnDefinitions(columns)})`)
    for (const column of indexed) await session.query(`CREATE INDEX ON ${place} (${quoteName(column)})`)
  })
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
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples,
      c.relkind IN ('r', 'p', 'v', 'f') AND pg_catalog.has_any_column_privilege(c.oid, 'INSERT')
        AND pg_catalog.pg_relation_is_updatable(c.oid, true) & 8 = 8 AS takes_rows,
      c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 4 <> 0) AS is_plain,
      (SELECT bit_or(t.tgtype) & 60 = 60 FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
        JOIN pg_catalog.pg_namespace o ON o.oid = f.pronamespace
        WHERE t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A') AND o.nspname = '${internalSchema}' AND f.proname = 'note_change') AS is_followed
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '${internalSchema}')
      AND ($1::text[] IS NULL OR n.nspname::text = ANY($1))
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
  SELECT c.nspname, c.relname, c.oid::text, c.takes_rows::text, c.relkind::text, c.reltuples::int8::text, a.attname, a.atttypid::text, a.atttypmod::text,
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    (c.is_plain AND a.attnotnull)::text,
    (c.relkind = 'v' OR a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL)::text,
    (a.attgenerated = '' AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'INSERT')
      AND (c.relkind <> 'v' OR pg_catalog.pg_column_is_updatable(c.oid, a.attnum, true)))::text,
    coalesce(c.is_followed, false)::text
  FROM relation c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  ORDER BY c.nspname, c.relname, a.attnum`

/** The tables and views that the gateway's role may read, or those of some schemas. */
export async function listTables(
  session: Session,
  schemas: readonly string[] | null = null,
): Promise<ListedTable[]> {
  const chosen = schemas && `{${schemas.map(quoteItem).join(',')}}`
  const rows = (await session.query(listing, [chosen])).map((row) => row.map(String))
  const entries = await readTypes(
    session,
    rows.map(([, , , , , , , oid]) => Number(oid)),
  )
  return [...Map.groupBy(rows, ([, , oid]) => oid).values()].map((own) => toTable(own, entries))
}

function toTable(rows: readonly (readonly string[])[], entries: TypeEntries): ListedTable {
  const [schema = '', name = '', oid, takesRows, kind = '', estimate] = rows[0] ?? []
  const columns = rows.map(([, , , , , , column = '', type, modifier, ownType = '', ...facts]) => {
    const [isRequired, hasDefault, takesValue, isFollowed] = facts.map((fact) => fact === 'true')
    const carrier = postgresCarrier(Number(type), Number(modifier), entries)
    const keeps = keepsOf(Number(type), Number(modifier), entries)
    return {
      name: column,
      carrier,
      keeps,
      ownType,
      isRequired,
      hasDefault,
      takesValue,
      isFollowed,
      oid: Number(type),
    }
  })
  const computed = columns.filter(({ takesValue }) => !takesValue).map((column) => column.name)
  const defaults = columns.filter((column) => column.takesValue && column.hasDefault)
  return {
    schema,
    name,
    kind: 'vm'.includes(kind) ? 'VIEW' : 'TABLE',
    // Of a table that was never analysed the server says -1, and 0 of a view.
    rowEstimate: kind === 'v' || Number(estimate) < 0 ? null : Number(estimate),
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
    ...(columns[0]?.isFollowed && { keptBy: 'SIGNS' as const }),
    ...(takesRows === 'true' && {
      intake: {
        defaults: defaults.map((column) => column.name),
        computed,
        judged: columns.filter((column) => isJudged(column.oid)).map((column) => column.name),
      },
    }),
  }
}

/** Of a statement's columns, in the server's words. */
export async function typesOf(session: Session, sql: string): Promise<string[]> {
  const fields = (await session.describe(sql)) ?? []
  const rows = await session.query(
    `SELECT pg_catalog.format_type(oid, modifier)
     FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY field (oid, modifier, place) ORDER BY place`,
    [
      `{${fields.map(({ typeOid }) => typeOid).join()}}`,
      `{${fields.map(({ typeModifier }) => typeModifier).join()}}`,
    ],
  )
  return rows.map(([type]) => String(type))
}
