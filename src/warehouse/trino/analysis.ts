// What the engine's analysis of a statement says that it reads and calls, and what of that is refused.

import { z } from 'zod'
import { refuse } from '../../duckdb/engine-error.ts'
import { AppError } from '../../errors.ts'
import type { BaseTable } from '../port.ts'
import { internalSchema } from '../port.ts'
import { settingFunctions } from './functions.ts'
import { rowsTableOf, spinesSchema } from './schema.ts'
import type { TrinoAddress } from './url.ts'
import { findReservedWords } from './words.ts'

export interface Analysis {
  tables: readonly BaseTable[]
  /** In small letters. */
  routines: readonly string[]
  clock: string | null
  hasSample: boolean
  mayHaveLimit: boolean
  /** Whether it reads what is appended. */
  readsAppends: boolean
  /** The views of appended rows that it reads, as the engine writes them. */
  views: readonly OwnView[]
}

export interface OwnView {
  schema: string
  name: string
  text: string
}

const referencedTable = z.object({
  catalog: z.string(),
  schema: z.string(),
  table: z.string(),
  columns: z.array(z.object({ column: z.string() })).default([]),
  directlyReferenced: z.boolean().default(true),
  viewText: z.string().nullish(),
  /** The views on the way from the statement to the table; from the server's version 447 on. */
  referenceChain: z
    .array(z.object({ catalogName: z.string(), schemaName: z.string(), viewName: z.string() }).partial())
    .default([]),
})
type ReferencedTable = z.infer<typeof referencedTable>

const queryInfo = z.object({
  referencedTables: z.array(referencedTable),
  routines: z.array(z.object({ routine: z.string() })),
})

function readInfo(info: unknown) {
  const parsed = queryInfo.safeParse(info)
  if (parsed.success) return parsed.data
  const message = 'Trino tells of a query in a form that is not known here.'
  throw new AppError('WAREHOUSE_FAILED', message, { cause: parsed.error })
}

/** Whether a statement reads a view, in whatever place. */
export function readsViews(info: unknown): boolean {
  return readInfo(info).referencedTables.some(({ viewText }) => viewText != null)
}

/** `lent`: the table of rows that were given for this statement, which nobody else may read. */
export function readAnalysis(
  info: unknown,
  { sql, address, lent = null }: { sql: string; address: TrinoAddress; lent?: string | null },
): Analysis {
  const { referencedTables: all, routines } = readInfo(info)
  const referencedTables = all.filter(({ schema, table }) => schema !== spinesSchema || table !== lent)
  const texts = [sql, ...referencedTables.flatMap(({ viewText }) => viewText ?? [])]
  const words = texts.map(findReservedWords)
  const called = [...new Set(routines.map(({ routine }) => routine.toLowerCase()))]
  const setting = words.find((found) => found.setting !== null)?.setting ?? null
  const asked = setting ?? called.find((name) => settingFunctions.has(name)) ?? null
  if (asked !== null) throw refuse(`It asks for ${asked}, which is a setting and no data.`, null)
  if (words.some((found) => found.hasTableFunction))
    throw refuse('It calls a table function, TABLE(…): what that reads cannot be seen.', null)

  const internal = referencedTables.filter((table) => isInternal(table, address))
  /** Whether it is the view that shows the rows of a table of the gateway's. */
  const isOwnView = (catalog: string, schema: string, name: string) =>
    catalog === address.catalog && internal.some(({ table }) => table === rowsTableOf(schema, name))
  for (const table of referencedTables) refuseTable(table, internal, isOwnView)
  return {
    tables: baseTables(referencedTables, address, isOwnView),
    routines: called,
    clock: words.find(({ clock }) => clock !== null)?.clock ?? null,
    hasSample: words.some(({ hasSample }) => hasSample),
    mayHaveLimit: words.some(({ mayHaveLimit }) => mayHaveLimit),
    readsAppends: internal.length > 0,
    views: referencedTables.flatMap(({ catalog, schema, table: name, viewText: text }) =>
      text != null && isOwnView(catalog, schema, name) ? [{ schema, name, text }] : [],
    ),
  }
}

function isInternal({ catalog, schema }: ReferencedTable, { rowsCatalog, catalog: own }: TrinoAddress) {
  return schema === internalSchema && (catalog === rowsCatalog || catalog === own)
}

type IsOwnView = (catalog: string, schema: string, name: string) => boolean

/** The gateway's own tables are read through its views alone. */
function refuseTable(
  table: ReferencedTable,
  internal: readonly ReferencedTable[],
  isOwnView: IsOwnView,
): void {
  const name = `${table.catalog}.${table.schema}.${table.table}`
  if (table.catalog === 'system' || table.schema === 'information_schema')
    throw refuse(`It reads ${name}, which is the server's own.`, null)
  if (table.schema === spinesSchema) throw refuse(`It reads ${name}, which is the gateway's own.`, null)
  if (!internal.includes(table)) return
  const isThroughView = table.referenceChain.some(({ catalogName = '', schemaName = '', viewName = '' }) =>
    isOwnView(catalogName, schemaName, viewName),
  )
  // Older servers tell whether there was a view, not which.
  if (table.directlyReferenced || (table.referenceChain.length > 0 && !isThroughView))
    throw refuse(`It reads ${name}, which is the gateway's own.`, null)
}

/** Tables of other catalogs have theirs before the schema. Views are seen through, but for the gateway's own. */
function baseTables(
  found: readonly ReferencedTable[],
  address: TrinoAddress,
  isOwnView: IsOwnView,
): BaseTable[] {
  const tables = new Map<string, BaseTable>()
  for (const table of found) {
    const isOwn = isOwnView(table.catalog, table.schema, table.table)
    if (isInternal(table, address) || (table.viewText != null && !isOwn)) continue
    const schema = table.catalog === address.catalog ? table.schema : `${table.catalog}.${table.schema}`
    const key = `${schema}.${table.table}`
    const columns = [...(tables.get(key)?.columns ?? []), ...table.columns.map(({ column }) => column)]
    tables.set(key, { schema, name: table.table, columns: [...new Set(columns)] })
  }
  return [...tables.values()]
}
