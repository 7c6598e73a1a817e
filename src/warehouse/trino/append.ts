// Appends to Trino: the rows first, unseen, then the ledger's one row that shows them all.

import type { FileReader } from '../../parquet/file-reader.ts'
import { quoteName, quoteText } from '../../sql/sql-text.ts'
import type { Column, Row } from '../../values/columns.ts'
import { changeOfFiles } from '../file-changes.ts'
import { findMisfit as findRefused } from '../misfit.ts'
import type {
  AppendFilesRequest,
  AppendRequest,
  AppendResult,
  Misfit,
  TableChange,
  TableFiles,
  TableRows,
} from '../port.ts'
import type { Present } from '../row-texts.ts'
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
import { jsonTexts, relationOf, type WrittenColumn } from './json-rows.ts'
import type { Ledger } from './ledger.ts'
import { appendColumn, type ListedTable, listTables, type TrinoNames } from './schema.ts'
import type { TrinoSession } from './session.ts'
import type { TrinoAddress } from './url.ts'
import { trinoWriter } from './write.ts'

const statementsAtOnce = 2

export interface AppendParts {
  session: TrinoSession
  address: TrinoAddress
  names: TrinoNames
  ledger: Ledger
}

/** What an append brings, once its tables are known. */
interface Bringing {
  /** In their order, so many at once; not asked for when the append is there already. */
  statements(appendId: string): AsyncIterable<readonly string[]>
  changesOf(appendId: string): Promise<TableChange[]>
}

export function append(parts: AppendParts, request: AppendRequest): Promise<AppendResult> {
  return appendUnseen(parts, request, (known) => {
    const targets = request.tables.map((rows) => findTarget(rows, known, request.keys))
    return {
      async *statements(appendId) {
        const all = targets.flatMap((target) => insertsOf(target, parts.names, appendId))
        for (let i = 0; i < all.length; i += statementsAtOnce) yield all.slice(i, i + statementsAtOnce)
      },
      async changesOf(counting) {
        const changes: TableChange[] = []
        for (const target of targets) changes.push(...(await changeOf(target, parts, counting)))
        return changes
      },
    }
  })
}

export function appendFiles(
  parts: AppendParts & { files: FileReader },
  { tables, keys, maxKeys, ...entry }: AppendFilesRequest,
): Promise<AppendResult> {
  const { files, names } = parts
  return appendUnseen(parts, { ...entry, tables }, (known) => {
    const targets = tables.map((part) => ({ part, ...targetOfFiles(part, known) }))
    return {
      async *statements(appendId) {
        for (const { part, rows, ...target } of targets)
          for await (const batch of files.rows(part.files, part.columns))
            yield insertsOf({ ...target, rows: { ...rows, rows: batch } }, names, appendId)
      },
      async changesOf() {
        const changes: TableChange[] = []
        for (const { part, table, columns } of targets) {
          const isKept = (name: string) =>
            columns.find((column) => column.name === name)?.writer.isKept ?? false
          const distinct = (wanted: readonly Column[], max: number) =>
            files.distinct({ files: part.files, columns: wanted, max })
          changes.push(await changeOfFiles({ table, part, keys, maxKeys }, { isKept, distinct }))
        }
        return changes
      },
    }
  })
}

function targetOfFiles({ table, columns }: TableFiles, known: readonly ListedTable[]): Target {
  return findTarget({ table, columns: columns.map(({ name }) => name), rows: [] }, known, [])
}

function appendUnseen(
  { session, address, names, ledger }: AppendParts,
  { jobId, batch, tables }: Omit<AppendRequest, 'tables'> & { tables: readonly Pick<TableRows, 'table'>[] },
  bring: (known: readonly ListedTable[]) => Bringing,
): Promise<AppendResult> {
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
    const { statements, changesOf } = bring(await listTables(session, address, schemasOf(tables)))
    const before = await look()
    if (before.counting !== null) {
      const changes = mergeChanges(await changesOf(String(before.counting)))
      return { applied: false, version: before.version, changes }
    }
    for await (const some of statements(appendId))
      await Promise.all(some.map((sql) => session.query('write', sql)))
    await session.query(
      'write',
      `INSERT INTO ${names.ledger} (${appendColumn}, job_id, batch)
       SELECT ${quoteText(appendId)}, ${quoteText(jobId)}, ${BigInt(batch)}
       WHERE NOT EXISTS (SELECT 1 FROM ${names.ledger} WHERE ${entry})`,
    )
    const after = await look()
    const changes = mergeChanges(await changesOf(String(after.counting)))
    return { applied: after.counting === appendId, version: after.version, changes }
  })
}

interface Target {
  table: ListedTable
  rows: TableRows
  columns: readonly WrittenColumn[]
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
