// Judges a statement by the server's own analysis of it: what it reads and calls, wherever it stands, views seen through.

import { refuse } from '../parquet/engine-error.ts'
import { refuseLong } from '../parquet/sql-text.ts'
import type { BaseTable } from './port.ts'
import { toPostgresError } from './postgres-error.ts'
import { featureSchema, internalSchema } from './postgres-schema.ts'
import type { ResultField, Session } from './postgres-session.ts'
import { blankSemicolons } from './postgres-text.ts'

export interface JudgedStatement {
  /** The statement without semicolons: it fits into parentheses when a newline follows it. */
  sql: string
  fields: readonly ResultField[]
  tables: readonly BaseTable[]
  analysis: Analysis
}

/** What the server has made of a statement, for proofs about it. */
export interface Analysis {
  /** The view that held it: its only table is the statement. */
  tree: string
  /** All that it reads, at any depth. */
  relations: ReadonlyMap<number, Relation>
  /** All that it calls, at any depth, those within aggregates included. */
  functions: ReadonlyMap<number, CalledFunction>
}

export interface CalledFunction {
  name: string
  /** Of the server's own, not an extension's or a user's. */
  isOwn: boolean
  isVolatile: boolean
  argumentCount: number
}

const viewName = 'gateway_judged'
const viewPrefix = `CREATE TEMP VIEW ${viewName} AS SELECT count(*) AS n FROM (\n`
const refusedSchemas = new Set([internalSchema, 'pg_catalog', 'information_schema', 'pg_toast'])

/** The first OID that is not the server's own. */
const firstOwnOid = 16_384
/** Of the server's own functions that give another value at each call, those that do nothing else; two are of TABLESAMPLE. */
const harmless = new Set([
  'random',
  'random_normal',
  'gen_random_uuid',
  'uuidv4',
  'uuidv7',
  'clock_timestamp',
  'system',
  'bernoulli',
])
/** Of those that do not, what tells of the server or runs text as SQL. */
const refusedFunction =
  /^(pg_(?!typeof$).*|current_(setting|database|schemas?|user|role|catalog|query)|session_user|user|version|txid_.*|inet_(server|client)_.*|has_\w+_privilege|row_security_active|\w+_to_xml(schema)?(_and_xmlschema)?|to_reg\w+|(col|obj|shobj)_description|binary_upgrade_.*|ts_debug|icu_.*|makeaclitem|acl\w+)$/

/**
 * Rejects with INVALID_SQL what is not one SELECT, WITH or VALUES, and what reads or calls what it must not.
 * The session must stand in a transaction that may write; nothing of it is to be kept.
 */
export async function judgeStatement(session: Session, sql: string): Promise<JudgedStatement> {
  refuseLong(sql)
  const fields = await session.describe(sql).catch((error: unknown) => {
    throw toPostgresError(error, { sql })
  })
  const blanked = blankSemicolons(sql)
  if (fields === null) {
    throw refuse(isEmpty(blanked) ? 'The statement is empty; write one SELECT.' : onlySelect, null)
  }
  if (fields.length === 0) throw refuse('The statement gives no columns; name at least one.', null)
  await createView(session, sql, blanked)
  const [row] = await session.query(
    `SELECT c.oid::text, r.ev_action::text FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
     WHERE c.relname = '${viewName}' AND c.relnamespace = pg_catalog.pg_my_temp_schema()`,
  )
  return { sql: blanked, fields, ...(await judgeTrees(session, Number(row?.[0]), String(row?.[1]))) }
}

const onlySelect = 'Only one SELECT (or WITH, VALUES) may run here.'

/** Analysed like any statement, but neither planned nor run. */
async function createView(session: Session, sql: string, blanked: string): Promise<void> {
  try {
    await session.query(`${viewPrefix}${blanked}\n) t`)
  } catch (error) {
    const { code } = error as { code?: string }
    // By itself it was well formed: it is of a kind that cannot stand in parentheses.
    if (code === '42601') throw refuse(onlySelect, null, { cause: error })
    throw toPostgresError(error, { sql, offset: [...viewPrefix].length })
  }
}

function isEmpty(blanked: string): boolean {
  return blanked.replace(/--[^\n]*|\/\*[\s\S]*\*\//g, '').trim() === ''
}

export interface Relation {
  oid: number
  schema: string
  name: string
  kind: string
  columns: readonly { number: number; name: string; type: number }[]
  hasPolicies: boolean
  /** What its rules and its policies hold: what stands behind a view, what is read to judge a row. */
  trees: readonly string[]
  /** Its partitions, its children, and what it is one of. */
  kin: readonly number[]
}

/** Breadth first through views, policies and inheritance, until nothing new is found. */
async function judgeTrees(
  session: Session,
  ownOid: number,
  tree: string,
): Promise<Pick<JudgedStatement, 'tables' | 'analysis'>> {
  const seen = new Set([ownOid])
  const known = new Map<number, Relation>()
  const functions = new Set<number>()
  const operators = new Set<number>()
  const tables: BaseTable[] = []
  let asKin: ReadonlySet<number> = new Set<number>()
  let next = visitTree(tree, functions, operators)
  while (next.size > 0) {
    const asked = [...next].filter((oid) => !seen.has(oid))
    for (const oid of asked) seen.add(oid)
    const relations = asked.length === 0 ? [] : await readRelations(session, asked)
    const kin = new Set<number>()
    next = new Set()
    for (const relation of relations) {
      const { oid, schema, name, kind, trees, kin: own } = relation
      known.set(oid, relation)
      if (refusedSchemas.has(schema) || schema.startsWith('pg_temp')) {
        throw refuse(`${schema}.${name} may not be read: it is not of the warehouse's data.`, null)
      }
      // A relative counts where rows may be appended to it: through one's rows the other's change.
      if (kind !== 'v' && (!asKin.has(oid) || schema === featureSchema))
        tables.push({ schema, name, columns: relation.columns.map((column) => column.name) })
      for (const inner of trees) for (const found of visitTree(inner, functions, operators)) next.add(found)
      for (const relative of own) {
        next.add(relative)
        kin.add(relative)
      }
    }
    asKin = kin
  }
  const called = await judgeFunctions(session, [...functions], [...operators])
  return { tables, analysis: { tree, relations: known, functions: called } }
}

/** Names in the tree cannot be taken for its words: a blank within a name is escaped. */
function visitTree(tree: string, functions: Set<number>, operators: Set<number>): Set<number> {
  if (tree.includes('{ROWMARKCLAUSE ')) {
    throw refuse('FOR UPDATE, FOR SHARE and their kin may not be used: they lock rows.', null)
  }
  if (/\{SQLVALUEFUNCTION :op (9|1\d) /.test(tree)) {
    throw refuse('current_user, current_schema and their kin may not be used: they tell of the server.', null)
  }
  for (const [, oid] of tree.matchAll(/:(?:funcid|opfuncid|aggfnoid|winfnoid|tsmhandler) (\d+)/g))
    functions.add(Number(oid))
  for (const [, oid] of tree.matchAll(/:opno (\d+)/g)) operators.add(Number(oid))
  const relations = new Set<number>()
  for (const [, oid] of tree.matchAll(/:relid (\d+)/g)) relations.add(Number(oid))
  relations.delete(0)
  return relations
}

async function readRelations(session: Session, oids: readonly number[]): Promise<Relation[]> {
  const [row] = await session.query(
    `SELECT coalesce(json_agg(r), '[]') FROM (
       SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
         ARRAY(SELECT json_build_object('number', a.attnum, 'name', a.attname, 'type', a.atttypid::int8) FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
         c.relrowsecurity AS "hasPolicies",
         ARRAY(SELECT w.ev_action::text FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND c.relkind = 'v'
           UNION ALL SELECT p.polqual::text FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL) AS trees,
         ARRAY(SELECT i.inhparent::int8 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid
           UNION SELECT i.inhrelid::int8 FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS kin
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[])
     ) r`,
    [`{${oids.join(',')}}`],
  )
  return JSON.parse(row?.[0] ?? '[]') as Relation[]
}

/** What may be called: of the server's own what only computes; of others' what they declare to be IMMUTABLE. */
async function judgeFunctions(
  session: Session,
  functions: readonly number[],
  operators: readonly number[],
): Promise<Map<number, CalledFunction>> {
  const rows = await session.query(
    `WITH called AS (
       SELECT unnest($1::oid[]) AS oid UNION SELECT oprcode::oid FROM pg_catalog.pg_operator WHERE oid = ANY($2::oid[])),
     within AS (
       SELECT oid FROM called UNION
       SELECT unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn])::oid
       FROM pg_catalog.pg_aggregate a JOIN called ON called.oid = a.aggfnoid)
     SELECT p.oid::text, p.proname, p.provolatile, p.pronargs::text FROM pg_catalog.pg_proc p JOIN within ON within.oid = p.oid`,
    [`{${functions.join(',')}}`, `{${operators.join(',')}}`],
  )
  const called = new Map<number, CalledFunction>()
  for (const [oid, name = '', volatility, count] of rows) {
    const isOwn = Number(oid) < firstOwnOid
    const isVolatile = volatility === 'v'
    called.set(Number(oid), { name: String(name), isOwn, isVolatile, argumentCount: Number(count) })
    if (isOwn && (refusedFunction.test(String(name)) || (isVolatile && !harmless.has(String(name))))) {
      const message = `The function ${name} may not be used: it tells of the server, changes it, or runs text as SQL.`
      throw refuse(message, null)
    }
    if (!isOwn && volatility !== 'i') {
      const message = `The function ${name} may not be used: it may read tables unseen. One that only computes can be declared IMMUTABLE.`
      throw refuse(message, null)
    }
  }
  return called
}
