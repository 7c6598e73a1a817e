// Judges a statement by the server's own analysis of it: what it reads and calls, wherever it stands, views seen through.

import { refuse } from '../../duckdb/engine-error.ts'
import { quoteName, refuseLong } from '../../sql/sql-text.ts'
import type { BaseTable } from '../port.ts'
import { internalSchema } from '../port.ts'
import type { ErrorContext } from '../server-error.ts'
import { toPostgresError } from './error.ts'
import type { ResultField } from './messages.ts'
import { type CalledFunction, type Calls, findCalls, judgeFunctions } from './proof/functions.ts'
import type { Session } from './session.ts'
import { blankSemicolons } from './text.ts'

export interface JudgedStatement {
  /** The statement without semicolons: it fits into parentheses when a newline follows it. */
  sql: string
  fields: readonly ResultField[]
  tables: readonly BaseTable[]
  /** What LOCK TABLE takes of all that it reads, quoted; its partitions and children go with it. */
  lockable: readonly string[]
  analysis: Analysis
}

/** What the server has made of a statement, for proofs about it. */
export interface Analysis {
  /** The view that held it: its only table is the statement. */
  tree: string
  /** All that it reads, at any depth. */
  relations: ReadonlyMap<number, CatalogRelation>
  /** All that it calls, at any depth, those within aggregates included. */
  functions: ReadonlyMap<number, CalledFunction>
}

const viewName = 'gateway_judged'
const viewPrefix = `CREATE TEMP VIEW ${viewName} AS SELECT count(*) AS n FROM (\n`
const refusedSchemas = new Set([internalSchema, 'pg_catalog', 'information_schema', 'pg_toast'])

/**
 * Rejects with INVALID_SQL what is not one SELECT, WITH or VALUES, and what reads or calls what it must not.
 * The session must stand in a transaction that may write; nothing of it is to be kept.
 */
export async function judgeStatement(
  session: Session,
  written: { sql: string; restore?: (text: string) => string; given?: string | undefined },
): Promise<JudgedStatement> {
  const { sql } = written
  refuseLong(sql)
  const fields = await session.describe(sql).catch((error: unknown) => {
    throw toPostgresError(error, written)
  })
  const blanked = blankSemicolons(sql)
  if (fields === null) {
    throw refuse(isEmpty(blanked) ? 'The statement is empty; write one SELECT.' : onlySelect, null)
  }
  if (fields.length === 0) throw refuse('The statement gives no columns; name at least one.', null)
  await createView(session, written, blanked)
  const [row] = await session.query(
    `SELECT c.oid::text, r.ev_action::text FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
     WHERE c.relname = '${viewName}' AND c.relnamespace = pg_catalog.pg_my_temp_schema()`,
  )
  return {
    sql: blanked,
    fields,
    ...(await judgeTrees(session, {
      ownOid: Number(row?.[0]),
      tree: String(row?.[1]),
      given: written.given,
    })),
  }
}

const onlySelect = 'Only one SELECT (or WITH, VALUES) may run here.'

/** Analysed like any statement, but neither planned nor run. */
async function createView(session: Session, written: ErrorContext, blanked: string): Promise<void> {
  try {
    await session.query(`${viewPrefix}${blanked}\n) t`)
  } catch (error) {
    const { code } = error as { code?: string }
    // By itself it was well formed: it is of a kind that cannot stand in parentheses.
    if (code === '42601') throw refuse(onlySelect, null, { cause: error })
    throw toPostgresError(error, { ...written, offset: [...viewPrefix].length })
  }
}

function isEmpty(blanked: string): boolean {
  return blanked.replace(/--[^\n]*|\/\*[\s\S]*\*\//g, '').trim() === ''
}

export interface CatalogRelation {
  oid: number
  schema: string
  name: string
  kind: string
  columns: readonly { number: number; name: string; type: number }[]
  hasPolicies: boolean
  isLockable: boolean
  /** Sets of columns by number of which no two rows have the same values, those of children included. */
  uniques: readonly (readonly number[])[]
  /** What its rules and its policies hold: what stands behind a view, what is read to judge a row. */
  trees: readonly string[]
  /** Its partitions, its children, and what it is one of. */
  kin: readonly number[]
}

/** Breadth first through views, policies and inheritance, until nothing new is found. */
async function judgeTrees(
  session: Session,
  { ownOid, tree, given }: { ownOid: number; tree: string; given: string | undefined },
): Promise<Pick<JudgedStatement, 'tables' | 'lockable' | 'analysis'>> {
  const seen = new Set([ownOid])
  const known = new Map<number, CatalogRelation>()
  const calls: Calls = { functions: new Set(), operators: new Set(), types: new Set() }
  const tables: BaseTable[] = []
  const lockable: string[] = []
  let asKin: ReadonlySet<number> = new Set<number>()
  let next = visitTree(tree, calls)
  while (next.size > 0) {
    const asked = [...next].filter((oid) => !seen.has(oid))
    for (const oid of asked) seen.add(oid)
    const relations = asked.length === 0 ? [] : await readRelations(session, asked)
    const kin = new Set<number>()
    next = new Set()
    for (const relation of relations) {
      const { oid, schema, name, kind, trees, kin: own } = relation
      known.set(oid, relation)
      if (name === given && schema.startsWith('pg_temp')) continue
      if (refusedSchemas.has(schema) || schema.startsWith('pg_temp')) {
        throw refuse(`${schema}.${name} may not be read: it is not of the warehouse's data.`, null)
      }
      // A relative counts too: through one's rows the other's change.
      if (kind !== 'v') tables.push({ schema, name, columns: relation.columns.map((column) => column.name) })
      if (relation.isLockable && !asKin.has(oid)) lockable.push(`${quoteName(schema)}.${quoteName(name)}`)
      for (const inner of trees) for (const found of visitTree(inner, calls)) next.add(found)
      for (const relative of own) {
        next.add(relative)
        kin.add(relative)
      }
    }
    asKin = kin
  }
  const functions = await judgeFunctions(session, calls)
  return { tables, lockable, analysis: { tree, relations: known, functions } }
}

/** Names in the tree cannot be taken for its words: a blank within a name is escaped. */
function visitTree(tree: string, calls: Calls): Set<number> {
  if (tree.includes('{ROWMARKCLAUSE ')) {
    throw refuse('FOR UPDATE, FOR SHARE and their kin may not be used: they lock rows.', null)
  }
  if (/\{SQLVALUEFUNCTION :op (9|1\d) /.test(tree)) {
    throw refuse('current_user, current_schema and their kin may not be used: they tell of the server.', null)
  }
  findCalls(tree, calls)
  const relations = new Set<number>()
  for (const [, oid] of tree.matchAll(/:relid (\d+)/g)) relations.add(Number(oid))
  relations.delete(0)
  return relations
}

async function readRelations(session: Session, oids: readonly number[]): Promise<CatalogRelation[]> {
  const [row] = await session.query(
    `SELECT coalesce(json_agg(r), '[]') FROM (
       SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
         ARRAY(SELECT json_build_object('number', a.attnum, 'name', a.attname, 'type', a.atttypid::int8) FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
         c.relrowsecurity AS "hasPolicies",
         c.relkind IN ('r', 'p', 'v') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS "isLockable",
         ARRAY(SELECT to_json((i.indkey::int2[])[0:i.indnkeyatts - 1]) FROM pg_catalog.pg_index i
           WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready
             AND i.indpred IS NULL AND i.indexprs IS NULL
             AND (c.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid))
             AND (to_jsonb(i) @> '{"indnullsnotdistinct": true}' OR NOT EXISTS (
               SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                 AND NOT (a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint n WHERE n.conrelid = c.oid
                   AND n.contype = 'n' AND NOT n.convalidated AND n.conkey = ARRAY[a.attnum]))))) AS uniques,
         ARRAY(SELECT w.ev_action::text FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND c.relkind = 'v'
           UNION ALL SELECT p.polqual::text FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL) AS trees,
         ARRAY(SELECT i.inhparent::int8 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid
           UNION SELECT i.inhrelid::int8 FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS kin
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[])
     ) r`,
    [`{${oids.join(',')}}`],
  )
  return JSON.parse(row?.[0] ?? '[]') as CatalogRelation[]
}
