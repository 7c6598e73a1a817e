// The functions that a statement calls, at any depth, and which of them may be called.

import { refuse } from '../../../duckdb/engine-error.ts'
import type { Session } from '../session.ts'
import { findTypes, judgeTypes } from '../telling-types.ts'

export interface CalledFunction {
  name: string
  /** Of the server's own, not an extension's or a user's. */
  isOwn: boolean
  isVolatile: boolean
  /** The numbers of its arguments' types. */
  argumentTypes: readonly string[]
  /** Its arguments' defaults, as a tree: a call that leaves them out does not show them. */
  defaults: string | null
  /** Of an aggregate, the text of what it begins with. */
  initialText: string | null
}

/** By their numbers, as they stand in a tree. */
export interface Calls {
  functions: Set<number>
  operators: Set<number>
  types: Set<number>
}

/** The first OID that is not the server's own. */
const firstOwnOid = 16_384
/** Of those that are not volatile, what tells the time that the transaction began at. */
export const clocks: ReadonlySet<string> = new Set(['now', 'transaction_timestamp', 'statement_timestamp'])
/** They read a text as any type, called by name: as a clock too. */
export const inputs = /^(date|time|timetz|timestamp|timestamptz|array|range|multirange|record|domain)_in$/
/** Of TABLESAMPLE. */
export const samplers: ReadonlySet<string> = new Set(['system', 'bernoulli'])
/** Of the server's own functions that give another value at each call, those that do nothing else. */
const harmless = new Set([
  ...samplers,
  'random',
  'random_normal',
  'gen_random_uuid',
  'uuidv4',
  'uuidv7',
  'clock_timestamp',
])
/** Of those that do not, what tells of the server or runs text as SQL. */
const refusedFunction =
  /^(_?pg_(?!typeof$).*|current_(setting|database|schemas?|user|role|catalog|query)|(session|system)_user|user|getpgusername|version|(txid|mxid)_.*|inet_(server|client)_.*|has_\w+_privilege|row_security_active|\w+_to_xml(schema)?(_and_xmlschema)?|to_reg\w+|(col|obj|shobj)_description|binary_upgrade_.*|ts_debug|icu_.*|makeaclitem|acl\w+|format_type|oidvectortypes|getdatabaseencoding|unicode_version|nameconcatoid)$/

export function findCalls(tree: string, { functions, operators, types }: Calls): void {
  findTypes(tree, types)
  for (const [, oid] of tree.matchAll(/:(?:funcid|opfuncid|aggfnoid|winfnoid|tsmhandler) (\d+)/g))
    functions.add(Number(oid))
  for (const [, oid] of tree.matchAll(/:opno (\d+)/g)) operators.add(Number(oid))
}

/**
 * Rejects with INVALID_SQL unless all may be called: of the server's own what only computes, of others' what they declare
 * to be IMMUTABLE, none with values that tell of the catalog. Answers them with those that they call by their arguments' defaults.
 */
export async function judgeFunctions(session: Session, calls: Calls): Promise<Map<number, CalledFunction>> {
  const called = new Map<number, CalledFunction>()
  let next = calls
  while (next.functions.size + next.operators.size > 0) {
    const inner: Calls = { functions: new Set(), operators: new Set(), types: calls.types }
    for (const [oid, found] of await readFunctions(session, next)) {
      if (called.has(oid)) continue
      refuseFunction(found)
      called.set(oid, found)
      if (found.defaults !== null) findCalls(found.defaults, inner)
    }
    next = inner
  }
  await judgeTypes(session, calls.types)
  return called
}

function refuseFunction({ name, isOwn, isVolatile, isImmutable }: FoundFunction): void {
  if (isOwn && (refusedFunction.test(name) || (isVolatile && !harmless.has(name)))) {
    const message = `The function ${name} may not be used: it tells of the server, changes it, or runs text as SQL.`
    throw refuse(message, null)
  }
  if (isOwn || isImmutable) return
  const message = `The function ${name} may not be used: it may read tables unseen. One that only computes can be declared IMMUTABLE.`
  throw refuse(message, null)
}

interface FoundFunction extends CalledFunction {
  isImmutable: boolean
}

/** With those that operators and aggregates call. */
async function readFunctions(
  session: Session,
  { functions, operators }: Calls,
): Promise<[number, FoundFunction][]> {
  const rows = await session.query(
    `WITH called AS (
       SELECT unnest($1::oid[]) AS oid UNION SELECT oprcode::oid FROM pg_catalog.pg_operator WHERE oid = ANY($2::oid[])),
     within AS (
       SELECT oid FROM called UNION
       SELECT unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn])::oid
       FROM pg_catalog.pg_aggregate a JOIN called ON called.oid = a.aggfnoid)
     SELECT p.oid::text, p.proname, p.provolatile, p.proargtypes::text, p.proargdefaults::text, a.agginitval
     FROM pg_catalog.pg_proc p JOIN within ON within.oid = p.oid LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid`,
    [`{${[...functions].join(',')}}`, `{${[...operators].join(',')}}`],
  )
  return rows.map(([oid, name, volatility, types, defaults = null, initialText = null]) => [
    Number(oid),
    {
      name: String(name),
      isOwn: Number(oid) < firstOwnOid,
      isVolatile: volatility === 'v',
      isImmutable: volatility === 'i',
      argumentTypes: types?.split(' ').filter((type) => type !== '') ?? [],
      defaults,
      initialText,
    },
  ])
}
