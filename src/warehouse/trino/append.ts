// Appends to Trino: the rows first, unseen, then the ledger's one row that shows them all.

import { quoteName, quoteText } from '../../sql/sql-text.ts'
import type { Row } from '../../values/columns.ts'
import { findMisfit as findRefused } from '../misfit.ts'
import type { AppendRequest, AppendResult, Misfit, TableChange, TableRows } from '../port.ts'
import { type Present, rowTexts } from '../row-texts.ts'
import { findRowsTable, schemasOf } from '../rows-table.ts'
import {
  columnsOf,
  createKeyReader,
  givenKeys,
  mergeChanges,
  type WantedKey,
  wantedKeys,
} from '../stored-keys.ts'
import { toTrinoError } from './error.ts'
import type { Ledger } from './ledger.ts'
import { appendColumn, type ListedTable, listTables, type TrinoNames } from './schema.ts'
import type { TrinoSession } from './session.ts'
import type { TrinoAddress } from './url.ts'
import { type TrinoWriter, trinoWriter } from './write.ts'

/** A statement may have a million characters, as the server comes; a quote in a text counts twice. */
const maxCharacters = 450_000
const statementsAtOnce = 2

export interface AppendParts {
  session: TrinoSession
  address: TrinoAddress
  names: TrinoNames
  ledger: Ledger
}

export function append(parts: AppendParts, request: AppendRequest): Promise<AppendResult> {
  const { session, address, names, ledger } = parts
  const { jobId, batch, tables, keys } = request
  const entry = `job_id = ${quoteText(jobId)} AND batch = ${BigInt(batch)}`
  /** The version, and which append counts as this batch. */
  async function look() {
    const { rows } = await session.query(
      'write',
      `SELECT count(*), min(IF(${entry}, ${appendColumn})) FROM ${names.ledger}`,
    )
    return { version: Number(rows[0]?.[0]), counting: rows[0]?.[1] ?? null }
  }

  return ledger.inTurn(async () => {
    // In order of time, so that of two gateways' appends of one batch the first stays the one that counts.
    const appendId = `${Date.now().toString(36).padStart(10, '0')}-${crypto.randomUUID()}`
    const known = await listTables(session, address, schemasOf(tables))
    const targets = tables.map((rows) => findTarget(rows, known, keys))
    const statements = targets.flatMap((target) => insertsOf(target, names, appendId))
    const changesOf = async (counting: string) => {
      const changes: TableChange[] = []
      for (const target of targets) changes.push(...(await changeOf(target, parts, counting)))
      return mergeChanges(changes)
    }
    const before = await look()
    if (before.counting !== null) {
      const changes = await changesOf(String(before.counting))
      return { applied: false, version: before.version, changes }
    }
    for (let i = 0; i < statements.length; i += statementsAtOnce)
      await Promise.all(statements.slice(i, i + statementsAtOnce).map((sql) => session.query('write', sql)))
    await session.query(
      'write',
      `INSERT INTO ${names.ledger} (${appendColumn}, job_id, batch)
       SELECT ${quoteText(appendId)}, ${quoteText(jobId)}, ${BigInt(batch)}
       WHERE NOT EXISTS (SELECT 1 FROM ${names.ledger} WHERE ${entry})`,
    )
    const after = await look()
    const changes = await changesOf(String(after.counting))
    return { applied: after.counting === appendId, version: after.version, changes }
  })
}

interface Target {
  table: ListedTable
  rows: TableRows
  columns: readonly { name: string; writer: TrinoWriter }[]
  wanted: readonly WantedKey[]
}

function findTarget(rows: TableRows, known: readonly ListedTable[], keys: AppendRequest['keys']): Target {
  const { table, places } = findRowsTable(known, rows)
  const columns = places.map((place, i) => ({
    name: rows.columns[i] ?? '',
    writer: trinoWriter(table.typeTexts[place] ?? ''),
  }))
  return { table, rows, columns, wanted: wantedKeys(keys, rows.table, table.columns) }
}

/** Throws before anything is sent. */
function insertsOf({ table, rows, columns }: Target, names: TrinoNames, appendId: string): string[] {
  const list = [...columns.map(({ name }) => quoteName(name)), appendColumn].join(', ')
  const made = columns.map(({ writer }, i) => writer.make(`r[${i + 1}]`))
  const head = `INSERT INTO ${names.rows(table.schema, table.name)} (${list}) SELECT ${[...made, quoteText(appendId)].join(', ')}`
  return [...jsonTexts(rows, columns)].map((text) => `${head} ${relationOf(text)}`)
}

/** Each piece as a text of JSON. */
function* jsonTexts(rows: TableRows, columns: Target['columns']): Generator<string> {
  const encoded = columns.map(({ name, writer }) => ({ name, encode: writer.json }))
  const join = (cells: readonly (string | null)[]) => `[${cells.map((text) => text ?? 'null').join(',')}]`
  for (const texts of rowTexts(rows, encoded, { length: maxCharacters, join })) yield `[${texts.join(',')}]`
}

/** One text holds all the rows: a literal has no other escape than the doubled quote, and the server parses it as data. */
function relationOf(text: string): string {
  return `FROM UNNEST(CAST(json_parse(${quoteText(text)}) AS array(array(json)))) t(r)`
}

/** What the rows of an append hold in the columns wanted: of most types what was given, else what is stored. */
async function changeOf(
  { table, rows, columns, wanted }: Target,
  { session, names }: AppendParts,
  appendId: string,
): Promise<TableChange[]> {
  if (rows.rows.length === 0) return []
  const found = columnsOf(wanted)
  const isKept = (name: string) => columns.find((column) => column.name === name)?.writer.isKept ?? true
  const place = `${table.schema}.${table.name}`
  if (found.every(isKept)) return [{ table: place, keys: givenKeys(wanted, rows) }]
  const { selected, keysOf } = createKeyReader(wanted, table)
  const { rows: stored } = await session.query(
    'write',
    `SELECT DISTINCT ${selected.join(', ')} FROM ${names.rows(table.schema, table.name)}
     WHERE ${appendColumn} = ${quoteText(appendId)}`,
  )
  return [{ table: place, keys: keysOf(stored) }]
}

export async function findMisfit(
  { session, address }: Pick<AppendParts, 'session' | 'address'>,
  rows: TableRows,
): Promise<Misfit | null> {
  const { columns } = findTarget(rows, await listTables(session, address, schemasOf([rows])), [])
  const checked = columns.map((column) => ({
    name: column.name,
    isSure(value: Present) {
      column.writer.json(value)
      return column.writer.isKept
    },
    async take(cells: readonly Row[]) {
      const part = { table: rows.table, columns: [column.name], rows: cells }
      const made = `SELECT count_if(${column.writer.make('r[1]')} IS NULL)`
      for (const text of jsonTexts(part, [column]))
        await session.query('write', `${made} ${relationOf(text)}`)
    },
  }))
  return findRefused(rows, checked, toTrinoError)
}
