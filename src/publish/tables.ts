// The warehouse's tables as clients name them: listed, found and made.

import { z } from 'zod'
import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import { demoTables } from '../demo/tables.ts'
import { AppError } from '../errors.ts'
import { qualified } from '../features/followed.ts'
import type { ToldChange, TouchedKey } from '../realtime/materialize/foreign-changes.ts'
import type { Realtime } from '../realtime/service.ts'
import { qualifiedName, spellTable } from '../sql/sql-text.ts'
import { featureSchema, type NewColumn, type Warehouse, type WarehouseTable } from '../warehouse/port.ts'
import { suggestTables } from '../warehouse/unknown-table.ts'

/** Of one notice; where more has changed the views are refreshed in full. */
const maxTouchedKeys = 100_000

export interface Tables {
  /** By name; of those whose name holds the text, in any case. */
  list(search?: string | null): Promise<WarehouseTable[]>
  find(name: string): Promise<WarehouseTable | null>
  /** See the warehouse's `createTable`. */
  create(name: string, columns: readonly NewColumn[]): Promise<WarehouseTable>
  /**
   * Others have written to the table, or to those behind a database view: answers with the views that are materialized
   * for it. NOT_FOUND.
   */
  changed(name: string, change: Omit<ToldChange, 'tables'>): Promise<FeatureViewRecord[]>
  /** The last change of each table that is known of, by `schema.name`. */
  changes(): Promise<ReadonlyMap<string, Date>>
}

export function createTables(options: {
  catalog: Pick<Catalog, 'publishJobs' | 'tableNotices'>
  warehouse: Pick<Warehouse, 'createTable' | 'describe' | 'tables'>
  realtime: Pick<Realtime, 'tableChanged'>
}): Tables {
  const { catalog, warehouse, realtime } = options

  async function baseTables(name: string): Promise<string[]> {
    const all = await warehouse.tables()
    const table = findTable(all, name)
    if (table === undefined)
      throw new AppError(
        'NOT_FOUND',
        `There is no table ${JSON.stringify(name.slice(0, 100))}; ${suggestTables(name, all)}`,
      )
    if (table.kind !== 'VIEW') return [qualifiedName(table)]
    const { tables } = await warehouse.describe(`SELECT * FROM ${spellTable(table)}`)
    return tables.map(qualifiedName)
  }

  return {
    async list(search) {
      const wanted = search?.toLowerCase() ?? ''
      const found = (await warehouse.tables()).filter((table) =>
        qualifiedName(table).toLowerCase().includes(wanted),
      )
      return found.sort((a, b) => (spellTable(a) < spellTable(b) ? -1 : 1))
    },
    find: async (name) => findTable(await warehouse.tables(), name) ?? null,
    create: (name, columns) => warehouse.createTable({ ...parseTableName(name), columns }),
    changed: async (name, change) => realtime.tableChanged({ ...change, tables: await baseTables(name) }),
    async changes() {
      const changes = new Map(await catalog.tableNotices.all())
      for (const { table, changedAt } of await catalog.publishJobs.lastChanges()) {
        const names = table === null ? demoTables.map(({ name }) => name) : [table]
        for (const name of names.map(qualified)) {
          if ((changes.get(name) ?? changedAt) <= changedAt) changes.set(name, changedAt)
        }
      }
      return changes
    },
  }
}

/** A table is named as SQL writes it, or without its quotes; one of `featureSchema` without the schema too. */
export function findTable<Table extends Pick<WarehouseTable, 'schema' | 'name'>>(
  tables: readonly Table[],
  name: string,
): Table | undefined {
  const told = tables.find((table) => {
    const short = table.schema === featureSchema ? [table.name] : []
    return [spellTable(table), qualifiedName(table), ...short].includes(name)
  })
  if (told !== undefined || !tableName.test(name)) return told
  // In the spelling that makes it.
  const { schema = featureSchema, name: own } = parseTableName(name)
  return tables.find((table) => table.schema === schema && table.name === own)
}

const part = '("(?:[^"]|"")+"|[^".]+)'
const tableName = new RegExp(`^(?:${part}\\.)?${part}$`)

/** `orders`, `sales.orders`, `"my schema"."my.orders"`. */
function parseTableName(text: string): { schema?: string; name: string } {
  const [, schema, name] = tableName.exec(text) ?? []
  if (name === undefined)
    throw new AppError(
      'BAD_USER_INPUT',
      `${JSON.stringify(text.slice(0, 100))} is no name of a table; write orders, sales.orders or "my schema"."my.orders".`,
    )
  return { ...(schema !== undefined && { schema: unquote(schema) }), name: unquote(name) }
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text
}

const touchedKeys = z.array(z.record(z.string(), z.unknown())).max(maxTouchedKeys)

/** As a client gives them; null where it gives none. */
export function parseTouchedKeys(given: unknown): readonly TouchedKey[] | null {
  if (given === undefined || given === null) return null
  const parsed = touchedKeys.safeParse(given)
  if (parsed.success) return parsed.data
  throw new AppError(
    'BAD_USER_INPUT',
    `keys must be a list of at most ${maxTouchedKeys} objects, each with the columns of a key: [{"user_id": "u1"}]. Leave it out where more has changed.`,
  )
}
