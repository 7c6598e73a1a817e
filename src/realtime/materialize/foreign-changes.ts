// What others have written to the warehouse, once it is known: from then on no view serves what was before as fresh.

import { randomUUID } from 'node:crypto'
import type { Catalog } from '../../catalog/open.ts'
import { AppError } from '../../errors.ts'
import { qualified, sameName, tablesReadBy } from '../../features/followed.ts'
import type { View, Views } from '../../features/views.ts'
import { qualifiedName } from '../../sql/sql-text.ts'
import { type KeyValues, keyText } from '../../values/entity-key.ts'
import type { StoredKeys, TableChange, Warehouse } from '../../warehouse/port.ts'
import type { LookedUp } from '../looked-up.ts'
import type { Incremental } from './incremental.ts'
import type { Change } from './refresh.ts'

/** A key that was touched, by the names of its columns. */
export type TouchedKey = Readonly<Record<string, unknown>>

export interface ToldChange {
  /** Base tables, as schema.name. */
  tables: readonly string[]
  /** Null where any row may have changed. */
  keys: readonly TouchedKey[] | null
  /** Rows that were written before have not changed; null where that is not said. */
  since?: Date | null
}

export interface ForeignChanges {
  /** Resolves to the views that are materialized for the change, once each serves it or reads through. */
  told(change: ToldChange): Promise<View[]>
  /** What tables have told by themselves. */
  seen(changes: readonly TableChange[]): Promise<void>
}

/** Has reads from now on be of a higher version than all before: what is computed from here on replaces what was. */
export async function stepVersion(warehouse: Pick<Warehouse, 'append'>): Promise<number> {
  const { version } = await warehouse.append({ jobId: `change-${randomUUID()}`, batch: 0, tables: [] })
  return version
}

export function createForeignChanges(options: {
  warehouse: Pick<Warehouse, 'tables'>
  step: () => Promise<number>
  tableNotices: Catalog['tableNotices']
  views: Pick<Views, 'all'>
  lookedUp: Pick<LookedUp, 'sort'>
  onChanged: (change: Change, except: ReadonlySet<string>) => Promise<void>
  incremental: Pick<Incremental, 'isPossible' | 'run'>
  signal: AbortSignal
  /** Compares a view with its tables, which may be made otherwise now. */
  checkSoon: (view: View) => void
}): ForeignChanges {
  const { tableNotices, views, lookedUp, onChanged, incremental, checkSoon } = options

  const { step } = options

  async function readersOf(tables: readonly string[]): Promise<View[]> {
    const touched = new Set(tables.map(qualified))
    return (await views.all()).filter((view) => !tablesReadBy(view).isDisjointFrom(touched))
  }

  async function note(tables: readonly string[]) {
    const at = new Date()
    for (const table of tables) await tableNotices.note(table, at)
  }

  /** Those that somebody has told of by hand, an on-run-end of dbt say, which is how they are kept from then on. */
  async function withoutSigns(tables: readonly string[]): Promise<string[]> {
    const all = await options.warehouse.tables()
    const signed = new Set(all.filter(({ keptBy }) => keptBy === 'SIGNS').map(qualifiedName))
    return tables.filter((table) => !signed.has(table))
  }

  /** Of the views that say when their rows were written, those keys alone; resolves to these views. */
  async function followSince(readers: readonly View[], since: Date | null): Promise<Set<string>> {
    const followed = since === null ? [] : lookedUp.sort(readers.filter(incremental.isPossible))
    await Promise.all(followed.map((view) => incremental.run(view, since, options.signal)))
    return new Set(followed.map(({ id }) => id))
  }

  return {
    async seen(changes) {
      const tables = changes.map(({ table }) => table)
      const readers = await readersOf(tables)
      if (readers.length > 0) await onChanged({ version: await step(), changes }, new Set())
      readers.forEach(checkSoon)
      await note(await withoutSigns(tables))
    },
    async told({ tables, keys, since = null }) {
      const readers = await readersOf(tables)
      const stored = keys === null ? null : storedKeys(readers, keys)
      const followed = keys === null ? await followSince(readers, since) : new Set<string>()
      const changes = tables.map((table) => ({ table, keys: stored }))
      if (readers.length > followed.size) await onChanged({ version: await step(), changes }, followed)
      readers.forEach(checkSoon)
      await note(tables)
      return readers.filter(({ record }) => record.refresh !== 'MANUAL')
    },
  }
}

/** Of each key that a by-key view has; one that the notice does not give whole is left out. */
function storedKeys(readers: readonly View[], keys: readonly TouchedKey[]): StoredKeys[] {
  const byColumns = new Map<string, View>()
  for (const view of readers) {
    if (view.record.refresh === 'BY_KEY')
      byColumns.set(JSON.stringify(view.key.names.map((name) => name.toLowerCase())), view)
  }
  return [...byColumns.values()].flatMap((view) => {
    const values = keys.map((key) => valuesOf(view, key))
    const columns = view.key.names.map((name) => name.toLowerCase())
    return values.includes(null) ? [] : [{ columns, values: values.filter((each) => each !== null) }]
  })
}

function valuesOf({ key }: View, given: TouchedKey): KeyValues | null {
  const cells = key.names.map(
    (name) => Object.entries(given).find(([candidate]) => sameName(candidate, name))?.[1],
  )
  if (cells.some((cell) => cell === undefined || cell === null)) return null
  const texts = cells.map((cell, i) => textOf(cell, key.names[i] ?? ''))
  return key.parse(texts.length === 1 ? (texts[0] ?? '') : keyText(texts)).values
}

function textOf(cell: unknown, name: string): string {
  if (typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'boolean') return String(cell)
  throw new AppError(
    'BAD_USER_INPUT',
    `keys: the value of ${name} is ${JSON.stringify(cell)?.slice(0, 80)}; it must be a string, a number or a boolean.`,
  )
}
