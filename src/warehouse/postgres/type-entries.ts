// What the server's catalog tells of types that are not in the table of types.

import { isBuiltin, type TypeEntries, type TypeEntry } from './column-types.ts'
import type { Session } from './session.ts'

/** Of those types that are not in the table, and of what they are made of. */
export async function readTypes(session: Session, oids: readonly number[]): Promise<TypeEntries> {
  const entries = new Map<number, TypeEntry>()
  let asked = oids.filter((oid) => !isBuiltin(oid))
  while (asked.length > 0) {
    const rows = await session.query(
      `SELECT oid::text, typtype, (typcategory = 'A' AND typelem <> 0)::text, typelem::text, typbasetype::text, typtypmod::text, typname
       FROM pg_catalog.pg_type WHERE oid = ANY($1::oid[])`,
      [`{${[...new Set(asked)].join(',')}}`],
    )
    for (const [oid, kind, isArray, elementOid, baseOid, baseModifier, name] of rows) {
      entries.set(Number(oid), {
        name: String(name),
        kind: String(kind),
        isArray: isArray === 'true',
        elementOid: Number(elementOid),
        baseOid: Number(baseOid),
        baseModifier: Number(baseModifier),
      })
    }
    const inner = rows.flatMap(([, , , elementOid, baseOid]) => [Number(elementOid), Number(baseOid)])
    asked = inner.filter((oid) => oid !== 0 && !isBuiltin(oid) && !entries.has(oid))
  }
  return entries
}
