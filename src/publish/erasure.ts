// One entity taken away: its rows from every table that the gateway may write and that has the key, what is online of it, and
// told of what keeps it. It may be killed anywhere and run again.

import { z } from 'zod'
import { type RetryOptions, retry } from '../concurrency/retry.ts'
import { AppError } from '../errors.ts'
import type { Realtime } from '../realtime/service.ts'
import { quoteName, spellTable } from '../sql/sql-text.ts'
import type { Training } from '../training/service.ts'
import { createKeyType, type KeyType, keyText, parseKeyText } from '../values/entity-key.ts'
import type { TableChange, Warehouse, WarehouseTable } from '../warehouse/port.ts'
import { rowsTableName } from '../warehouse/rows-table.ts'
import { mergeChanges } from '../warehouse/stored-keys.ts'

/** What an erasure is of: the key's columns, and the texts of its values. */
export interface Erased {
  columns: readonly string[]
  texts: readonly string[]
}

const counted = z.object({ name: z.string(), rows: z.number() })
const kept = counted.extend({ reason: z.string() })

/** What has come of it. `kept` are tables and views that hold the entity still, or may, and why. */
export const erasureResult = z.object({
  indexKey: z.string(),
  tables: z.array(counted),
  kept: z.array(kept),
  datasetIds: z.array(z.string()),
})
export type ErasureResult = z.infer<typeof erasureResult>

const plan = z.object({
  columns: z.array(z.string()),
  texts: z.array(z.string()),
  tables: z.array(z.string()),
})
type Plan = z.infer<typeof plan>

export interface ErasureStores {
  warehouse: Pick<Warehouse, 'describe' | 'erase' | 'lookup' | 'tables'>
  realtime: Pick<Realtime, 'keysRead' | 'onAppended' | 'erase'>
  training: Pick<Training, 'holding'>
}

/** A table that has the key, with its own columns of these names. */
interface Holder {
  table: WarehouseTable
  columns: readonly string[]
  key: KeyType
}

/**
 * What is to be done, as the job keeps it until its end. BAD_USER_INPUT where no table has the key, or the value fits none.
 */
export async function planErasure(
  { warehouse }: Pick<ErasureStores, 'warehouse'>,
  { indexKey, indexValue }: { indexKey: string; indexValue: string },
): Promise<{ payload: Uint8Array; total: number }> {
  const columns = parseKeyText(indexKey) ?? [indexKey]
  const texts = columns.length === 1 ? [indexValue] : (parseKeyText(indexValue) ?? [])
  if (texts.length !== columns.length)
    throw new AppError(
      'BAD_USER_INPUT',
      `The index value must be a JSON array with a value for each of the columns ${columns.join(', ')}.`,
    )
  const { holders, misfits } = await findHolders(warehouse, { columns, texts })
  if (holders.length === 0)
    throw new AppError(
      'BAD_USER_INPUT',
      misfits[0] ??
        `No table has the column${columns.length > 1 ? 's' : ''} ${columns.join(', ')}; \`tables\` lists those there are.`,
    )
  const open = holders.filter(({ table }) => table.intake !== undefined)
  const tables = open.map(({ table }) => rowsTableName(table)).sort()
  const text = JSON.stringify({ columns: [...columns], texts: [...texts], tables } satisfies Plan)
  return { payload: new TextEncoder().encode(text), total: tables.length }
}

/** The tables that have the key and could hold its value; views too, since what stands behind one may not be listed. */
async function findHolders(warehouse: Pick<Warehouse, 'describe' | 'tables'>, { columns, texts }: Erased) {
  const holders: Holder[] = []
  const misfits: string[] = []
  for (const table of await warehouse.tables()) {
    const own = columns.map((name) => columnOf(table, name))
    if (!own.every((name) => name !== undefined)) continue
    try {
      const sql = `SELECT ${own.map(quoteName).join(', ')} FROM ${spellTable(table)}`
      const key = createKeyType((await warehouse.describe(sql)).columns)
      key.parse(keyText(texts))
      holders.push({ table, columns: own, key })
    } catch (error) {
      // A column of another type holds no such value, and one that can be no key is never found by it.
      if (!(error instanceof AppError) || !/^(BAD_USER_INPUT|INVALID_SQL)$/.test(error.code)) throw error
      misfits.push(`${spellTable(table)}: ${error.message}`)
    }
  }
  return { holders, misfits }
}

function columnOf({ columns }: WarehouseTable, name: string): string | undefined {
  const own = columns.map((column) => column.name)
  return own.find((each) => each === name) ?? own.find((each) => each.toLowerCase() === name.toLowerCase())
}

export interface ErasureRun {
  jobId: string
  payload: Uint8Array
  /** What an earlier run has come to. */
  earlier: ErasureResult | null
  /** Stores how many tables are done, and what has come of it; false says that the job was ended from elsewhere. */
  advance(done: number, result: ErasureResult): Promise<boolean>
  waiting: Omit<RetryOptions, 'what' | 'signal'>
  signal: AbortSignal
}

/** False when the job was ended from elsewhere. */
export async function runErasure(stores: ErasureStores, run: ErasureRun): Promise<boolean> {
  const { columns, texts, tables } = plan.parse(JSON.parse(new TextDecoder().decode(run.payload)))
  const erased = { columns, texts }
  const { realtime, training } = stores
  const again = { ...run.waiting, signal: run.signal }
  const rows = new Map((run.earlier?.tables ?? []).map((table) => [table.name, table.rows]))
  const refused = new Map<string, string>()
  const result = (): ErasureResult => ({
    indexKey: columns.join(', '),
    tables: [...rows].map(([name, count]) => ({ name, rows: count })),
    kept: [],
    datasetIds: [],
  })
  const changes: TableChange[] = []
  let version = 0

  async function take(name: string): Promise<boolean> {
    const change = await retry({ ...again, what: 'Erasing from a table' }, () =>
      eraseFrom(stores, { erased, name, jobId: run.jobId, batch: tables.indexOf(name) }),
    )
    if (change === null) return false
    refused.delete(name)
    // What a run before has taken, or a cascade, is known from the count before.
    rows.set(name, Math.max(rows.get(name) ?? 0, change.rows))
    version = Math.max(version, change.version)
    changes.push(...change.changes)
    await retry({ ...again, what: 'Refreshing the feature views' }, () => realtime.onAppended(change))
    return true
  }

  async function tryOnce(name: string): Promise<boolean> {
    try {
      return await take(name)
    } catch (error) {
      // What others refer to goes after them.
      if (!(error instanceof AppError) || error.code !== 'BAD_USER_INPUT') throw error
      refused.set(name, error.message)
      return false
    }
  }

  for (const { table, count } of await countRows(stores, erased, again)) {
    const name = rowsTableName(table)
    if (tables.includes(name) && !rows.has(name)) rows.set(name, count)
  }
  if (!(await run.advance(0, result()))) return false
  let [left, done] = [tables, 0]
  for (let before = left.length + 1; left.length < before; ) {
    before = left.length
    const still: string[] = []
    for (const name of left) {
      run.signal.throwIfAborted()
      if (!(await tryOnce(name))) still.push(name)
      else if (!(await run.advance(++done, result()))) return false
    }
    left = still
  }
  for (const name of left) rows.delete(name)
  const views = await retry({ ...again, what: 'Erasing what is online' }, () =>
    realtime.erase({ version, changes: mergeChanges(changes) }, erased, run.signal),
  )
  const held = await countRows(stores, erased, again)
  // What a trigger has kept did not go.
  for (const { table, count } of held) {
    const [name, before] = [rowsTableName(table), rows.get(rowsTableName(table))]
    if (before !== undefined) rows.set(name, Math.max(0, before - count))
  }
  const datasetIds = await training.holding(erased, run.signal)
  return run.advance(tables.length, {
    ...result(),
    kept: [...held.filter(({ count }) => count > 0).map((each) => describeKept(each, refused)), ...views],
    datasetIds: [...datasetIds],
  })
}

/** Null where the table is there no more, or holds no such value any more. */
async function eraseFrom(
  { warehouse, realtime }: ErasureStores,
  { erased, name, jobId, batch }: { erased: Erased; name: string; jobId: string; batch: number },
) {
  const { holders } = await findHolders(warehouse, erased)
  const holder = holders.find(({ table }) => rowsTableName(table) === name)
  if (holder === undefined) return null
  const { values } = holder.key.parse(keyText(erased.texts))
  const keys = await realtime.keysRead([name])
  return warehouse.erase({ jobId, batch, table: name, columns: holder.columns, values, keys })
}

/** How many rows of the entity each relation holds now. */
async function countRows(
  { warehouse }: ErasureStores,
  erased: Erased,
  again: Omit<RetryOptions, 'what'>,
): Promise<{ table: WarehouseTable; count: number; isMore: boolean }[]> {
  return retry({ ...again, what: 'Counting the rows of an entity' }, async () => {
    const { holders } = await findHolders(warehouse, erased)
    const counts = []
    for (const { table, columns, key } of holders) {
      const { values } = key.parse(keyText(erased.texts))
      const sql = `SELECT ${columns.map(quoteName).join(', ')} FROM ${spellTable(table)}`
      const found = await warehouse
        .lookup({ sql, key: columns, values: [values] })
        .then(({ rows }) => ({ count: rows.length, isMore: false }))
        .catch((error: unknown) => {
          if (!(error instanceof AppError) || error.code !== 'TOO_LARGE') throw error
          return { count: Number(error.details?.limit ?? 1), isMore: true }
        })
      counts.push({ table, ...found })
    }
    return counts
  })
}

function describeKept(
  { table, count, isMore }: { table: WarehouseTable; count: number; isMore: boolean },
  refused: ReadonlyMap<string, string>,
): ErasureResult['kept'][number] {
  const reasons = { TABLE: 'the gateway may not write to it', VIEW: 'it is a view', FILE: 'it is a file' }
  const reason =
    table.intake === undefined
      ? reasons[table.kind]
      : (refused.get(rowsTableName(table)) ?? 'rows have come, or have stayed, since they were erased')
  return {
    name: spellTable(table),
    rows: count,
    reason: isMore ? `${reason}; it holds more rows than these` : reason,
  }
}
