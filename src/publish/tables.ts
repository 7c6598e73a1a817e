// The warehouse's tables as clients name them: listed, found and made.

import type { Catalog } from '../catalog/open.ts'
import { demoTables } from '../demo/tables.ts'
import { AppError } from '../errors.ts'
import { spellTable } from '../sql/sql-text.ts'
import { featureSchema, type NewColumn, type Warehouse, type WarehouseTable } from '../warehouse/port.ts'

export interface Tables {
  /** By name; of those whose name holds the text, in any case. */
  list(search?: string | null): Promise<WarehouseTable[]>
  find(name: string): Promise<WarehouseTable | null>
  /** See the warehouse's `createTable`. */
  create(name: string, columns: readonly NewColumn[]): Promise<WarehouseTable>
  /** The last change of each table that a job has written which is still known, by `schema.name`. */
  changes(): Promise<ReadonlyMap<string, Date>>
}

export function createTables(options: {
  catalog: Pick<Catalog, 'publishJobs'>
  warehouse: Pick<Warehouse, 'createTable' | 'tables'>
}): Tables {
  const { catalog, warehouse } = options
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
    async changes() {
      const changes = new Map<string, Date>()
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
  return tables.find((table) => {
    const short = table.schema === featureSchema ? [table.name] : []
    return [spellTable(table), qualifiedName(table), ...short].includes(name)
  })
}

export function qualifiedName({ schema, name }: Pick<WarehouseTable, 'schema' | 'name'>): string {
  return `${schema}.${name}`
}

function qualified(table: string): string {
  return table.includes('.') ? table : `${featureSchema}.${table}`
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
