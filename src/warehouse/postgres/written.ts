// What a transaction on PostgreSQL has written: tables besides the one that was written to, and rows besides those that were brought.

import { internalSchema } from '../port.ts'
import type { Session } from './session.ts'

/** How rows come into a table, by what the server's catalog says of it. */
export interface Way {
  /** Triggers or rules may do more, or other, than to store the rows, or the table is a view or another server's. */
  isBent: boolean
  /** A rule stands in the way of having rows given back. */
  hasRules: boolean
  /** COPY fills it as INSERT does. */
  mayCopy: boolean
  /** The table, its partitions and children. */
  family: readonly number[]
  /** Its partitions and children, which hold its rows. */
  parts: readonly string[]
  /** What it is a partition or a child of: its rows are theirs too. */
  wholes: readonly string[]
}

const nameOf = "n.nspname || '.' || k.relname"
const named = '(pg_catalog.pg_class k JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace)'
const ways = `
  SELECT c.oid::int8 AS oid, c.relkind IN ('v', 'f') OR tree.is_remote AS "isRemote",
    EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = ANY(tree.family)
      AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 <> 0) AS "hasTriggers",
    EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type = '3') AS "hasRules",
    pg_catalog.row_security_active(c.oid) AS "hasPolicies", tree.family::int8[] AS family, tree.parts, tree.wholes
  FROM pg_catalog.pg_class c, LATERAL (
    WITH RECURSIVE below(oid) AS (
      SELECT c.oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below ON i.inhparent = below.oid),
    above(oid) AS (
      SELECT c.oid UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN above ON i.inhrelid = above.oid)
    SELECT ARRAY(SELECT oid FROM below ORDER BY oid) AS family,
      EXISTS (SELECT 1 FROM below JOIN pg_catalog.pg_class f USING (oid) WHERE f.relkind = 'f') AS is_remote,
      ARRAY(SELECT ${nameOf} FROM below b JOIN ${named} ON k.oid = b.oid WHERE k.oid <> c.oid ORDER BY k.oid) AS parts,
      ARRAY(SELECT ${nameOf} FROM above a JOIN ${named} ON k.oid = a.oid WHERE k.oid <> c.oid ORDER BY k.oid) AS wholes
  ) tree WHERE c.oid = ANY($1::oid[])`

interface WayRow {
  oid: number
  isRemote: boolean
  hasTriggers: boolean
  hasRules: boolean
  hasPolicies: boolean
  family: number[]
  parts: string[]
  wholes: string[]
}

export async function readWays(session: Session, oids: readonly number[]): Promise<Map<number, Way>> {
  const [row] = await session.query(`SELECT coalesce(json_agg(w), '[]') FROM (${ways}) w`, [listOf(oids)])
  const rows = JSON.parse(row?.[0] ?? '[]') as WayRow[]
  return new Map(
    rows.map(({ oid, isRemote, hasTriggers, hasPolicies, ...way }) => {
      const isBent = isRemote || hasTriggers || way.hasRules
      return [oid, { ...way, isBent, mayCopy: !isBent && !hasPolicies }]
    }),
  )
}

/** How many rows of tables the session has inserted, and updated or deleted; null where the server does not count. */
export interface Counts {
  inserted: number
  changed: number
}

export async function readCounts(
  session: Session,
  oids: readonly number[],
): Promise<Map<number, Counts> | null> {
  const rows = await session.query(
    `SELECT current_setting('track_counts'), oid::text, pg_catalog.pg_stat_get_xact_tuples_inserted(oid)::text,
       (pg_catalog.pg_stat_get_xact_tuples_updated(oid) + pg_catalog.pg_stat_get_xact_tuples_deleted(oid))::text
     FROM unnest($1::oid[]) oid`,
    [listOf(oids)],
  )
  if (rows.some(([counts]) => counts !== 'on')) return null
  return new Map(
    rows.map(([, oid, inserted, changed]) => [
      Number(oid),
      { inserted: Number(inserted), changed: Number(changed) },
    ]),
  )
}

/** A table that the transaction has written to, by the lock that it holds. */
export interface Written {
  oid: number
  /** As schema.name. */
  table: string
  /** As TRUNCATE locks it, which counts no rows. */
  isExclusive: boolean
}

/** What is put off until the commit is done now. */
export async function readWritten(session: Session): Promise<Written[]> {
  await session.script('SET CONSTRAINTS ALL IMMEDIATE')
  const rows = await session.query(
    `SELECT c.oid::text, n.nspname || '.' || c.relname, bool_or(l.mode = 'AccessExclusiveLock')::text
     FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
       AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
       AND c.relkind IN ('r', 'p', 'f', 'm') AND c.relpersistence <> 't'
       AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', '${internalSchema}')
     GROUP BY c.oid, n.nspname, c.relname`,
  )
  return rows.map(([oid, table, isExclusive]) => ({
    oid: Number(oid),
    table: String(table),
    isExclusive: isExclusive === 'true',
  }))
}

function listOf(oids: readonly number[]): string {
  return `{${oids.join(',')}}`
}
