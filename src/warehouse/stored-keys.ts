// What an append tells of the tables that it changed: the stored values of the keys that were asked for.

import { quoteName } from '../sql/sql-text.ts'
import { type Column, encodeValue, type Value } from '../values/columns.ts'
import type { KeyValues } from '../values/entity-key.ts'
import type { AppendRequest, StoredKeys, TableChange, TableRows } from './port.ts'

/** A key that was asked for, and the table's columns of its names: each may be one of several that differ in case alone. */
export interface WantedKey {
  columns: readonly string[]
  found: readonly (readonly string[])[]
}

/** Those for whose every name the table has a column. */
export function wantedKeys(
  keys: AppendRequest['keys'],
  table: string,
  columns: readonly { name: string }[],
): WantedKey[] {
  const own = (keys ?? []).filter((key) => key.table === table)
  const asked = new Map(own.map((key) => [JSON.stringify(key.columns), key.columns]))
  return [...asked.values()]
    .map((names) => ({ columns: names, found: combinations(names.map((name) => namesakes(name, columns))) }))
    .filter(({ found }) => found.length > 0)
}

function namesakes(name: string, columns: readonly { name: string }[]): string[] {
  return columns.map((column) => column.name).filter((own) => own.toLowerCase() === name.toLowerCase())
}

function combinations(choices: readonly (readonly string[])[]): string[][] {
  return choices.reduce<string[][]>(
    (all, names) => all.flatMap((start) => names.map((name) => [...start, name])),
    [[]],
  )
}

/** The columns that the keys stand in, each once. */
export function columnsOf(wanted: readonly WantedKey[]): string[] {
  return [...new Set(wanted.flatMap(({ found }) => found.flat()))]
}

/** Of rows whose values are stored as they were given. */
export function givenKeys(wanted: readonly WantedKey[], { columns, rows }: TableRows): StoredKeys[] {
  return wanted.map((key) => ({
    columns: key.columns,
    values: distinct(
      key.found.flatMap((names) => {
        const places = names.map((name) => columns.indexOf(name))
        return rows.map((row) => places.map((place) => row[place] ?? null))
      }),
    ),
  }))
}

/** Of rows that hold nothing but the columns of the keys, in their order. */
export function readKeys(wanted: readonly WantedKey[], rows: readonly (readonly Value[])[]): StoredKeys[] {
  return givenKeys(wanted, { table: '', columns: columnsOf(wanted), rows })
}

interface Carrier<Cell> {
  select(name: string): string
  read(cell: Exclude<Cell, null>): Value
}

/** What is to be selected for the keys of stored rows, and the keys of the rows that this gives. */
export function createKeyReader<Cell>(
  wanted: readonly WantedKey[],
  { columns, carriers }: { columns: readonly Column[]; carriers: readonly Carrier<Cell>[] },
) {
  const read = columnsOf(wanted).map((name) => {
    const carrier = carriers[columns.findIndex((column) => column.name === name)]
    if (carrier === undefined) throw new Error(`There is no column ${name}`)
    return { name, carrier }
  })
  return {
    selected: read.map(({ name, carrier }) => carrier.select(quoteName(name))),
    keysOf: (rows: readonly (readonly (Cell | null)[])[]): StoredKeys[] =>
      readKeys(
        wanted,
        rows.map((row) => read.map(({ carrier }, i) => readCell(carrier, row[i] ?? null))),
      ),
  }
}

function readCell<Cell>({ read }: Carrier<Cell>, cell: Cell | null): Value {
  return cell === null ? null : read(cell as Exclude<Cell, null>)
}

function distinct(keys: readonly (readonly Value[])[]): KeyValues[] {
  const byText = new Map<Value, KeyValues>()
  for (const key of keys) if (isWhole(key)) byText.set(identityOf(key), key)
  return [...byText.values()]
}

function isWhole(key: readonly Value[]): key is KeyValues {
  return !key.includes(null)
}

/** Of one column its value, which is compared faster. */
function identityOf(key: KeyValues): Value {
  const [only] = key
  if (only !== undefined && key.length === 1) return only
  return JSON.stringify(key.map((value) => (typeof value === 'object' ? encodeValue(value) : String(value))))
}

/** Each table once. What is not known of one change is not known of its table. */
export function mergeChanges(changes: readonly TableChange[]): TableChange[] {
  return [...Map.groupBy(changes, ({ table }) => table)].map(([table, own]) => {
    const keys = own.flatMap((change) => change.keys ?? [])
    if (own.some((change) => change.keys === null)) return { table, keys: null }
    const byColumns = [...Map.groupBy(keys, ({ columns }) => JSON.stringify(columns)).values()]
    const known = byColumns.filter((parts) => parts.length === own.length)
    return {
      table,
      keys: known.map((parts) => ({
        columns: parts[0]?.columns ?? [],
        values: distinct(parts.flatMap(({ values }) => values)),
      })),
    }
  })
}
