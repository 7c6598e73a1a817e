// The state of the server's catalog, as a text that is another once anything is that a statement was judged by.

import type { Session } from './session.ts'

/** Statements that are judged one after the other ask once. */
const readEveryMs = 1000

/** By these names, functions, operators, casts and views are found, and known for what they are. */
const wholeCatalogs = [
  'pg_aggregate',
  'pg_amop',
  'pg_amproc',
  'pg_cast',
  'pg_collation',
  'pg_inherits',
  'pg_opclass',
  'pg_operator',
  'pg_policy',
  'pg_proc',
  'pg_range',
  'pg_rewrite',
]

/** What sessions have for a while is nobody else's. */
const lasting = (schema: string) =>
  `${schema} NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_')`

const told: readonly (readonly [string, string])[] = [
  ['pg_namespace', lasting('oid')],
  ['pg_class', lasting('relnamespace')],
  ['pg_type', lasting('typnamespace')],
  ['pg_attribute', `attrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE ${lasting('relnamespace')})`],
  ...wholeCatalogs.map((name) => [name, 'true'] as const),
]

/** Every row bears the number of the transaction that wrote it: a change is one less of an earlier one, or one more of a new one. */
const stateQuery = `SELECT md5(string_agg(concat_ws(' ', kind, written, rows), ',' ORDER BY kind, written::text)) FROM (
    ${told.map(([name, where]) => `SELECT '${name}' AS kind, xmin AS written, count(*) AS rows FROM pg_catalog.${name} WHERE ${where} GROUP BY xmin`).join('\n    UNION ALL ')}) t`

export interface CatalogState {
  /** As it was a moment ago, or later. The session must stand outside of a transaction. */
  read(session: Session): Promise<string>
}

export function createCatalogState(): CatalogState {
  let known = { state: '', readMs: Number.NEGATIVE_INFINITY }
  return {
    async read(session) {
      const nowMs = Date.now()
      if (Math.abs(nowMs - known.readMs) < readEveryMs) return known.state
      const [row] = await session.query(stateQuery)
      known = { state: String(row?.[0]), readMs: nowMs }
      return known.state
    },
  }
}
