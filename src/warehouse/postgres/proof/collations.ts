// Which columns of a statement have a collation by which texts of other bytes are equal.

import type { ResultField } from '../messages.ts'
import type { Session } from '../session.ts'

const viewName = 'gateway_collated'

/**
 * Their collations, by the column's place. The session must stand in a transaction that may write; nothing of it is to be
 * kept. Seldom has a database any: then nothing more is asked.
 */
export async function findLooseCollations(
  session: Session,
  sql: string,
  fields: readonly ResultField[],
): Promise<ReadonlyMap<number, string>> {
  const [any] = await session.query(
    'SELECT 1 FROM pg_catalog.pg_collation WHERE NOT collisdeterministic LIMIT 1',
  )
  if (any === undefined) return new Map()
  const names = fields.map((_, i) => `c${i}`).join(', ')
  await session.query(`CREATE TEMP VIEW ${viewName} AS SELECT * FROM (\n${sql}\n) t(${names})`)
  const rows = await session.query(
    `SELECT a.attname, pg_catalog.quote_ident(c.collname) FROM pg_catalog.pg_attribute a
     JOIN pg_catalog.pg_class r ON r.oid = a.attrelid JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
     WHERE r.relname = '${viewName}' AND r.relnamespace = pg_catalog.pg_my_temp_schema() AND NOT c.collisdeterministic`,
  )
  return new Map(rows.map(([name, collation]) => [Number(name?.slice(1)), String(collation)]))
}
