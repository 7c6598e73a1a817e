// Appends to PostgreSQL, where more may be written than the rows: what triggers and rules do is found out. The version's row makes commits follow one another.

import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../../errors.ts'
import type { FileReader } from '../../parquet/file-reader.ts'
import { qualifiedName } from '../../sql/sql-text.ts'
import type { Column, Row } from '../../values/columns.ts'
import { changeOfFiles } from '../file-changes.ts'
import { appendOnce, type Transactional } from '../ledger.ts'
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
import { schemasOf } from '../rows-table.ts'
import { mergeChanges } from '../stored-keys.ts'
import {
  createTarget,
  findColumns,
  insertTexts,
  selectFrom,
  type Target,
  writeTarget,
} from './append-target.ts'
import { toPostgresError } from './error.ts'
import { keepsAll, targetsOfFiles } from './file-targets.ts'
import { listTables } from './schema.ts'
import type { Session } from './session.ts'
import { type Counts, readCounts, readWays, readWritten, type Written } from './written.ts'

export function transactionOf({ query, script }: Session): Transactional {
  return {
    query,
    // The triggers of docs/postgres-signs.sql leave out what the gateway knows by itself. A load takes what time it
    // takes, and would else begin anew for ever; locks alone are waited for so long.
    begin: () =>
      script(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL gateway.own = 'on'; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'",
      ),
    commit: () => script('COMMIT'),
    rollback: () => script('ROLLBACK'),
  }
}

/** What an append brings. */
interface Bringing {
  /** Each table that is written to, and how rows come into it. */
  into: readonly Into[]
  targets(): AsyncIterable<Target> | Iterable<Target>
  /** What is known of it without the server's word. */
  known(): Promise<TableChange[]>
}

type Into = Pick<Target, 'table' | 'way'>

export async function append(session: Session, request: AppendRequest): Promise<AppendResult> {
  const targets: Target[] = []
  for (const { rows, way, ...found } of await findTables(session, request.tables))
    targets.push(await createTarget(found, way, { rows, keys: request.keys }))
  const into = targets.filter(({ rows }) => rows.rows.length > 0)
  return appendTo(session, request, {
    into,
    targets: () => into,
    known: async () => into.flatMap((target) => changesOf(target, target.known)),
  })
}

export async function appendFiles(
  session: Session,
  files: FileReader,
  { tables, keys, maxKeys, ...entry }: AppendFilesRequest,
): Promise<AppendResult> {
  const rowsOf = (part: TableFiles) => ({
    part,
    table: part.table,
    columns: part.columns.map(({ name }) => name),
    rows: [],
  })
  const into = await findTables(session, tables.map(rowsOf))
  async function* targets() {
    for (const { rows, ...found } of into) yield* targetsOfFiles(rows.part, found, files)
  }
  async function known() {
    const changes: TableChange[] = []
    for (const { rows, table, way, columns } of into) {
      const isKept = (name: string) =>
        !way.isBent && columns.some((column) => column.name === name && keepsAll(column))
      const distinct = (wanted: readonly Column[], max: number) =>
        files.distinct({ files: rows.part.files, columns: wanted, max })
      const change = await changeOfFiles({ table, part: rows.part, keys, maxKeys }, { isKept, distinct })
      changes.push(...changesOf({ table, way }, change.keys))
    }
    return changes
  }
  const { changes, ...result } = await appendTo(session, entry, { into, targets, known })
  if (!result.applied) return { ...result, changes }
  const elsewhere = changes.filter((change) => change.keys === null)
  return { ...result, changes: mergeChanges([...(await known()), ...elsewhere]) }
}

async function appendTo(
  session: Session,
  entry: Pick<AppendRequest, 'jobId' | 'batch'>,
  bringing: Bringing,
): Promise<AppendResult> {
  return appendOnce(transactionOf(session), entry, {
    async write() {
      const changes = await writeAll(session, bringing)
      await assertUnchanged(session, bringing.into)
      return changes
    },
    changesOfBefore: () => changesOfBefore(session, bringing),
  })
}

async function findTables<Rows extends TableRows>(session: Session, tables: readonly Rows[]) {
  const known = await listTables(session, schemasOf(tables))
  const found = tables.map((rows) => ({ rows, ...findColumns(rows, known) }))
  const ways = await readWays(session, [...new Set(found.map(({ table }) => table.oid))])
  return found.map((each) => {
    const way = ways.get(each.table.oid)
    if (way === undefined) throw new AppError('BAD_USER_INPUT', `The table ${each.table.name} is gone.`)
    return { ...each, way }
  })
}

/** A trigger, say, that was made since the targets were looked at came too early or too late; none is made while rows are written. */
async function assertUnchanged(session: Session, targets: readonly Into[]): Promise<void> {
  const ways = await readWays(session, [...new Set(targets.map(({ table }) => table.oid))])
  for (const { table, way } of targets) {
    if (isDeepStrictEqual(ways.get(table.oid), way)) continue
    throw new AppError('WAREHOUSE_FAILED', `The table ${table.name} was being changed as rows were written.`)
  }
}

/** Where triggers and the like may do more, the server's own counts and locks tell whether they did. */
async function writeAll(session: Session, { into, targets }: Bringing): Promise<TableChange[]> {
  const isMeasured = into.some(({ way }) => way.isBent)
  const family = [...new Set(into.flatMap(({ way }) => way.family))]
  const before = isMeasured ? await readCounts(session, family) : null
  const changes: TableChange[] = []
  const stored = new Map<number, number>()
  for await (const target of targets()) {
    const { count, keys } = await writeTarget(session, target)
    stored.set(target.table.oid, (stored.get(target.table.oid) ?? 0) + count)
    changes.push(...changesOf(target, keys))
  }
  if (!isMeasured) return mergeChanges(changes)
  const written = await readWritten(session)
  const after = await readCounts(session, family)
  for (const target of into) {
    const expected = stored.get(target.table.oid) ?? 0
    if (!holdsOnly(target, { expected, before, after, written })) changes.push(...changesOf(target, null))
  }
  const others = written.filter(({ oid }) => !family.includes(oid))
  const theirs = await readWays(
    session,
    others.map(({ oid }) => oid),
  )
  const elsewhere = others.flatMap(({ oid, table }) => [table, ...(theirs.get(oid)?.wholes ?? [])])
  return mergeChanges([...changes, ...elsewhere.map((table) => ({ table, keys: null }))])
}

interface Measured {
  /** Rows that were stored, as the server gave them back. */
  expected: number
  before: Map<number, Counts> | null
  after: Map<number, Counts> | null
  written: readonly Written[]
}

/** Whether nothing befell the table and its parts but the rows that were stored. */
function holdsOnly({ way, table }: Into, { expected, before, after, written }: Measured): boolean {
  if (before === null || after === null) return false
  let inserted = 0
  for (const oid of new Set([table.oid, ...way.family])) {
    const [first, last] = [before.get(oid), after.get(oid)]
    if (first === undefined || last === undefined || last.changed !== first.changed) return false
    inserted += last.inserted - first.inserted
  }
  return inserted === expected && !written.some((each) => each.isExclusive && way.family.includes(each.oid))
}

/** The table's own, and the same of its parts and wholes. */
function changesOf({ table, way }: Into, keys: TableChange['keys']): TableChange[] {
  return [`${table.schema}.${table.name}`, ...way.parts, ...way.wholes].map((name) => ({ table: name, keys }))
}

/** Of a batch that was committed before: what else triggers wrote then, nobody knows any more. */
async function changesOfBefore(session: Session, { into, known }: Bringing): Promise<TableChange[]> {
  const own = await known()
  if (!into.some(({ way }) => way.isBent)) return mergeChanges(own)
  const all = await listTables(session)
  return mergeChanges([...own, ...all.map((table) => ({ table: qualifiedName(table), keys: null }))])
}

export async function findMisfit(session: Session, rows: TableRows): Promise<Misfit | null> {
  const { columns } = findColumns(rows, await listTables(session, schemasOf([rows])))
  const checked = columns.map((column) => ({
    name: column.name,
    isSure: (value: Present) => column.keeps(value, column.carrier.encode(value)),
    async take(cells: readonly Row[]) {
      const part = { table: rows.table, columns: [column.name], rows: cells }
      for (const text of insertTexts(part, [column]))
        await session.query(selectFrom([column], 'count(*)'), [text])
    },
  }))
  return findRefused(rows, checked, toPostgresError)
}
