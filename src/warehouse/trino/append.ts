// Appends to Trino: the rows first, unseen, then the ledger's one row that shows them all.

import { ValueMismatch } from '../../duckdb/column-types.ts'
import { AppError } from '../../errors.ts'
import { quoteName, quoteText } from '../../sql/sql-text.ts'
import type { Row } from '../../values/columns.ts'
import { firstRefused } from '../misfit.ts'
import type { AppendRequest, AppendResult, Misfit, TableChange, TableRows } from '../port.ts'
import { badInput, findRowsTable, schemasOf } from '../rows-table.ts'
import { columnsOf, givenKeys, mergeChanges, readKeys, type WantedKey, wantedKeys } from '../stored-keys.ts'
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
  return chunksOf(rowTexts(rows, columns)).map((chunk) => `${head} ${relationOf(chunk)}`)
}

function rowTexts({ table, rows }: TableRows, columns: Target['columns']): string[] {
  return rows.map((row, r) => {
    const cells = columns.map(({ name, writer }, c) => {
      const value = row[c] ?? null
      const where = `Table ${table}, row ${r + 1}, column "${name}"`
      try {
        return value === null ? 'null' : writer.json(value, where)
      } catch (error) {
        if (!(error instanceof ValueMismatch)) throw error
        throw badInput(error.message.startsWith(where) ? `${error.message}.` : `${where}: ${error.message}.`)
      }
    })
    return `[${cells.join(',')}]`
  })
}

/** One text holds all the rows: a literal has no other escape than the doubled quote, and the server parses it as data. */
function relationOf(texts: readonly string[]): string {
  return `FROM UNNEST(CAST(json_parse(${quoteText(`[${texts.join(',')}]`)}) AS array(array(json)))) t(r)`
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
  const read = found.map((name) => {
    const carrier = table.carriers[table.columns.findIndex((column) => column.name === name)]
    if (carrier === undefined) throw new Error(`There is no column ${name}`)
    return { selected: carrier.select(quoteName(name)), read: carrier.read }
  })
  const { rows: stored } = await session.query(
    'write',
    `SELECT DISTINCT ${read.map(({ selected }) => selected).join(', ')} FROM ${names.rows(table.schema, table.name)}
     WHERE ${appendColumn} = ${quoteText(appendId)}`,
  )
  const values = stored.map((row) =>
    row.map((cell, i) => (cell === null ? null : (read[i]?.read(cell) ?? null))),
  )
  return [{ table: place, keys: readKeys(wanted, values) }]
}

/** The columns that are sure to hold their values are not asked about. */
export async function findMisfit(
  { session, address }: Pick<AppendParts, 'session' | 'address'>,
  rows: TableRows,
): Promise<Misfit | null> {
  const { columns } = findTarget(rows, await listTables(session, address, schemasOf([rows])), [])
  for (const [index, column] of columns.entries()) {
    const cells = rows.rows.map((row) => [row[index] ?? null])
    const mismatch = firstMismatch(column, cells)
    if (mismatch !== null) return mismatch
    if (column.writer.isKept) continue
    const found = await firstRefused(cells.length, async (from, to) => {
      const part = { table: rows.table, columns: [column.name], rows: cells.slice(from, to) }
      return refusalOf(session, part, column)
    })
    if (found !== null) return { ...found, column: column.name }
  }
  return null
}

function firstMismatch({ name, writer }: Target['columns'][number], cells: readonly Row[]): Misfit | null {
  for (const [row, [value = null]] of cells.entries()) {
    try {
      if (value !== null) writer.json(value, 'The value')
    } catch (error) {
      if (error instanceof ValueMismatch) return { row, column: name, reason: error.message }
      throw error
    }
  }
  return null
}

async function refusalOf(
  session: TrinoSession,
  rows: TableRows,
  column: Target['columns'][number],
): Promise<string | null> {
  try {
    for (const chunk of chunksOf(rowTexts(rows, [column])))
      await session.query(
        'write',
        `SELECT count_if(${column.writer.make('r[1]')} IS NULL) ${relationOf(chunk)}`,
      )
    return null
  } catch (error) {
    const failure = toTrinoError(error, { refused: 'BAD_USER_INPUT' })
    if (failure instanceof AppError && failure.code === 'BAD_USER_INPUT') return failure.message
    throw error
  }
}

function chunksOf(texts: readonly string[]): string[][] {
  const chunks: string[][] = []
  let length = Number.POSITIVE_INFINITY
  for (const text of texts) {
    length += text.length + 1
    if (length > maxCharacters) {
      chunks.push([])
      length = text.length
    }
    chunks.at(-1)?.push(text)
  }
  return chunks
}
