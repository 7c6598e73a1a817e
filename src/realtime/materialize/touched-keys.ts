// The keys of the rows that were written since a time: found in the table that tells the time, where it is known which one that is.

import { AppError } from '../../errors.ts'
import type { View } from '../../features/views.ts'
import { nameInEngine, quoteName, quoteText } from '../../sql/sql-text.ts'
import type { Value } from '../../values/columns.ts'
import type { EntityKey } from '../../values/entity-key.ts'
import type { ColumnOrigin, ScanRequest, Warehouse } from '../../warehouse/port.ts'
import { placesOfKey, requestOf } from '../compute.ts'

const newest = 'gateway newest'
/** So many keys of a table are looked up in the result at once. */
const keysAtOnce = 8000

export interface Touched {
  /** Null where it is of a row that no key finds. */
  key: EntityKey | null
  /** A cell of the column that tells when rows were written. */
  newest: Value
}

export interface TouchedKeys {
  /** Perhaps others too, and one perhaps more than once; each batch with the latest times of the query's own rows. */
  since(view: View, from: Date, signal: AbortSignal): AsyncIterable<readonly Touched[]>
}

type Asked = Pick<ScanRequest, 'sql' | 'asOf' | 'signal'>

export function createTouchedKeys(warehouse: Pick<Warehouse, 'describe' | 'lookup' | 'scan'>): TouchedKeys {
  /** The table's column that tells the time, where the table has the key as the query gives it. */
  async function findOrigin({ query, key, record }: View, signal: AbortSignal): Promise<ColumnOrigin | null> {
    const { createdColumn: created } = record
    if (created === null) return null
    const { origin } = await warehouse.describe(query.sql, { origin: created, signal })
    return origin != null && key.names.every((name) => columnOf(origin, name) !== undefined) ? origin : null
  }

  async function* scanned(view: View, asked: Asked): AsyncGenerator<readonly Touched[]> {
    // Of rows of any time, of which a statement of the view's own would leave out those that are not served.
    const { columns, batches } = await warehouse.scan({ ...asked, key: view.key.names })
    const places = placesOfKey(columns, view)
    const newestAt = columns.findIndex(({ name }) => name === newest)
    for await (const rows of batches)
      yield rows.map((row) => ({
        key: view.key.ofCells(places.map((place) => row[place] ?? null)) ?? null,
        newest: row[newestAt] ?? null,
      }))
  }

  /** Of the table's rows some have no part in the result: the latest times are those of the result. */
  async function* ofResult(view: View, batch: readonly Touched[], asked: Asked) {
    const values = batch.flatMap(({ key }) => (key === null ? [] : [key.values]))
    const { columns, rows } = await warehouse.lookup({ ...asked, key: view.key.names, values })
    const newestAt = columns.findIndex(({ name }) => name === newest)
    yield batch.map(({ key }) => ({ key, newest: null }))
    yield rows.map((row) => ({ key: null, newest: row[newestAt] ?? null }))
  }

  return {
    async *since(view, from, signal) {
      const { asOf } = requestOf(view, Date.now())
      const origin = await findOrigin(view, signal)
      const whole = { sql: newestByKey(view, ` WHERE ${writtenSince(view, from)}`), asOf, signal }
      if (origin === null) return yield* scanned(view, whole)
      const inTable = scanned(view, { sql: newestInTable(view, origin, from), signal })
      if (origin.isWhole) return yield* inTable
      const result = { sql: newestByKey(view, ''), asOf, signal }
      try {
        for await (const batch of together(inTable)) yield* ofResult(view, batch, result)
      } catch (error) {
        // More keys than a lookup may give rows.
        if (!(error instanceof AppError) || error.code !== 'TOO_LARGE') throw error
        yield* scanned(view, whole)
      }
    },
  }
}

async function* together(batches: AsyncIterable<readonly Touched[]>): AsyncGenerator<readonly Touched[]> {
  let held: Touched[] = []
  for await (const batch of batches) {
    for (const one of batch) {
      if (held.push(one) < keysAtOnce) continue
      yield held
      held = []
    }
  }
  if (held.length > 0) yield held
}

/** Each key with its latest time. */
function newestByKey({ query, key, record }: View, where: string): string {
  const keys = key.names.map(quoteName).join(', ')
  return `SELECT ${keys}, ${newestOf(record.createdColumn ?? '')} FROM (\n${plain(query.sql)}\n) q${where} GROUP BY ${keys}`
}

function newestInTable(view: View, origin: ColumnOrigin, from: Date): string {
  const { schema, name } = origin.table
  const columns = view.key.names.map((part) => quoteName(columnOf(origin, part) ?? part))
  const keys = columns.map((column, i) => `${column} AS ${quoteName(view.key.names[i] ?? '')}`)
  return `SELECT ${keys.join(', ')}, ${newestOf(origin.column)} FROM ${quoteName(schema)}.${quoteName(name)}
    WHERE ${writtenSince(view, from, origin.column)} GROUP BY ${columns.join(', ')}`
}

/** The table's own name of a column of the key. */
function columnOf({ table }: ColumnOrigin, name: string): string | undefined {
  return table.columns.find((column) => nameInEngine(column) === nameInEngine(name))
}

export function newestOf(column: string): string {
  return `max(${quoteName(column)}) AS ${quoteName(newest)}`
}

function writtenSince({ query, record }: View, from: Date, column = record.createdColumn): string {
  const told = query.columns.find(({ name }) => name === record.createdColumn)
  if (column === null || told === undefined)
    throw new AppError(
      'INTERNAL',
      `The feature view ${record.name} names no column that tells when its rows were written.`,
    )
  return `${quoteName(column)} >= ${timeLiteral(from, told.storage ?? told.type)}`
}

export function timeLiteral(at: Date, storage: string): string {
  const text = at.toISOString().replace('T', ' ').replace('Z', '')
  if (storage === 'DATE') return `DATE ${quoteText(text.slice(0, 10))}`
  return /TIME ZONE|TIMESTAMPTZ/i.test(storage)
    ? `CAST(${quoteText(`${text} +00:00`)} AS TIMESTAMP WITH TIME ZONE)`
    : `TIMESTAMP ${quoteText(text)}`
}

/** Without the semicolon at its end. */
export function plain(sql: string): string {
  return sql.replace(/[\s;]+$/, '')
}
