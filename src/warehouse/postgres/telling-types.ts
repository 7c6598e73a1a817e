// Types whose values are shown as names of the server's catalog, whoever may read them: `16384::regclass` is a table's.

import { refuse } from '../../duckdb/engine-error.ts'
import type { Session } from './session.ts'

/** Of them `pg_typeof` alone is harmless: it tells the type of what the statement has. */
const typeOfCall = / :funcid 1619 :funcresulttype 2206 /g

/** Every type that a tree's values have, on their way too: numbers of few digits are words of the tree, not types. */
export function findTypes(tree: string, types: Set<number>): void {
  const told = tree.replace(typeOfCall, ' ')
  for (const [, list] of told.matchAll(/:\w*typ(?:e|es|id|eid)? (?:\(o )?([\d ]+)/gi)) {
    for (const oid of list?.trim().split(' ') ?? []) if (oid.length > 1) types.add(Number(oid))
  }
}

/** Rejects with INVALID_SQL types that show names, and those that are made of them: arrays, domains, rows. */
export async function judgeTypes(session: Session, types: ReadonlySet<number>): Promise<void> {
  const [row] = await session.query(
    `WITH RECURSIVE within(oid) AS (
       SELECT unnest($1::oid[]) UNION
       SELECT part.oid FROM within JOIN pg_catalog.pg_type t ON t.oid = within.oid,
         LATERAL (SELECT t.typelem UNION ALL SELECT t.typbasetype
           UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
           UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0) part(oid))
     SELECT t.typname FROM within JOIN pg_catalog.pg_type t USING (oid)
     WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typname ~ '^reg(proc|procedure|oper|operator|class|type|role|namespace|collation|database)$'`,
    [`{${[...types].join(',')}}`],
  )
  if (row === undefined) return
  const hint = row[0] === 'regtype' ? '; write pg_typeof(…)::text where the type of a value is wanted' : ''
  throw refuse(
    `The type ${row[0]} may not be used: its values tell names of the server's catalog${hint}.`,
    null,
  )
}
