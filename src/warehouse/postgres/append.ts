// Appends to PostgreSQL: rows, ledger and version in one transaction. The version's row makes commits follow one another.

import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../../errors.ts'
import { firstRefused } from '../misfit.ts'
import type { AppendRequest, AppendResult, Misfit, TableChange, TableRows } from '../port.ts'
import { internalSchema } from '../port.ts'
import { schemasOf } from '../rows-table.ts'
import { mergeChanges } from '../stored-keys.ts'
import {
  createTarget,
  findColumns,
  insertTexts,
  isKept,
  selectFrom,
  type Target,
  writeTarget,
} from './append-target.ts'
import { toPostgresError } from './error.ts'
import { listTables } from './schema.ts'
import type { Session } from './session.ts'
import { type Counts, readCounts, readWays, readWritten, type Written } from './written.ts'

export async function append(session: Session, request: AppendRequest): Promise<AppendResult> {
  const { jobId, batch } = request
  const targets = await createTargets(session, request)
  await session.script('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
  try {
    // Waits for one of the same name that is under way.
    const [entry] = await session.query(
      `INSERT INTO ${internalSchema}.ledger (job_id, batch) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1`,
      [jobId, String(batch)],
    )
    if (entry === undefined) {
      const version = await readVersion(session)
      await session.script('ROLLBACK')
      return { applied: false, version, changes: await changesOfBefore(session, targets) }
    }
    const changes = await writeAll(session, targets)
    await assertUnchanged(session, targets)
    // Held until the commit: whoever sees this version sees all that was committed before it.
    const [row] = await session.query(
      `UPDATE ${internalSchema}.version SET version = version + 1 RETURNING version`,
    )
    await session.script('COMMIT')
    return { applied: true, version: Number(row?.[0]), changes }
  } catch (error) {
    await session.script('ROLLBACK').catch(() => undefined)
    throw error
  }
}

export async function readVersion(session: Session): Promise<number> {
  const [row] = await session.query(`SELECT version FROM ${internalSchema}.version`)
  return Number(row?.[0])
}

async function createTargets(session: Session, { tables, keys }: AppendRequest): Promise<Target[]> {
  const known = await listTables(session, schemasOf(tables))
  const found = tables.map((rows) => ({ rows, ...findColumns(rows, known) }))
  const ways = await readWays(session, [...new Set(found.map(({ table }) => table.oid))])
  const targets: Target[] = []
  for (const { rows, table, columns } of found) {
    const way = ways.get(table.oid)
    if (way === undefined) throw new AppError('BAD_USER_INPUT', `The table ${table.name} is gone.`)
    targets.push(await createTarget({ table, columns }, way, { rows, keys }))
  }
  return targets.filter(({ rows }) => rows.rows.length > 0)
}

/** A trigger, say, that was made since the targets were looked at came too early or too late; none is made while rows are written. */
async function assertUnchanged(session: Session, targets: readonly Target[]): Promise<void> {
  const ways = await readWays(session, [...new Set(targets.map(({ table }) => table.oid))])
  for (const { table, way } of targets) {
    if (isDeepStrictEqual(ways.get(table.oid), way)) continue
    throw new AppError('WAREHOUSE_FAILED', `The table ${table.name} was being changed as rows were written.`)
  }
}

/** Where triggers and the like may do more, the server's own counts and locks tell whether they did. */
async function writeAll(session: Session, targets: readonly Target[]): Promise<TableChange[]> {
  const isMeasured = targets.some(({ way }) => way.isBent)
  const family = [...new Set(targets.flatMap(({ way }) => way.family))]
  const before = isMeasured ? await readCounts(session, family) : null
  const changes: TableChange[] = []
  const stored = new Map<number, number>()
  for (const target of targets) {
    const { count, keys } = await writeTarget(session, target)
    stored.set(target.table.oid, (stored.get(target.table.oid) ?? 0) + count)
    changes.push(...changesOf(target, keys))
  }
  if (!isMeasured) return mergeChanges(changes)
  const written = await readWritten(session)
  const after = await readCounts(session, family)
  for (const target of targets) {
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
function holdsOnly({ way, table }: Target, { expected, before, after, written }: Measured): boolean {
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
function changesOf({ table, way }: Target, keys: TableChange['keys']): TableChange[] {
  return [`${table.schema}.${table.name}`, ...way.parts, ...way.wholes].map((name) => ({ table: name, keys }))
}

/** Of a batch that was committed before: what else triggers wrote then, nobody knows any more. */
async function changesOfBefore(session: Session, targets: readonly Target[]): Promise<TableChange[]> {
  const own = targets.flatMap((target) => changesOf(target, target.known))
  if (!targets.some(({ way }) => way.isBent)) return mergeChanges(own)
  const all = await listTables(session)
  return mergeChanges([
    ...own,
    ...all.map(({ schema, name }) => ({ table: `${schema}.${name}`, keys: null })),
  ])
}

/** The columns that are sure to hold their values are not asked about. */
export async function findMisfit(session: Session, rows: TableRows): Promise<Misfit | null> {
  const { columns } = findColumns(rows, await listTables(session, schemasOf([rows])))
  for (const [index, column] of columns.entries()) {
    const cells = rows.rows.map((row) => row[index] ?? null)
    if (cells.every((cell) => isKept(column, cell))) continue
    const refusal = async (from: number, to: number): Promise<string | null> => {
      try {
        const part = { ...rows, columns: [column.name], rows: cells.slice(from, to).map((cell) => [cell]) }
        for (const text of insertTexts(part, [column]))
          await session.query(selectFrom([column], 'count(*)'), [text])
        return null
      } catch (error) {
        const failure = toPostgresError(error, { refused: 'BAD_USER_INPUT' })
        if (failure instanceof AppError && failure.code === 'BAD_USER_INPUT') return failure.message
        throw error
      }
    }
    const found = await firstRefused(cells.length, refusal)
    if (found !== null) return { ...found, column: column.name }
  }
  return null
}
