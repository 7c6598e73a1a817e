// Statements of the embedded warehouse ready to run, and whether they still give what they gave when they were planned.

import type { DuckDBConnection } from '@duckdb/node-api'
import { findAsking } from '../../duckdb/as-of.ts'
import { planStatement, type StatementCarrier } from '../../duckdb/plan.ts'
import { judgeStatement, type TableReference } from '../../duckdb/statement.ts'
import { anyMoment, fill, momentLiteral, unfill } from '../../sql/as-of.ts'
import { nameInEngine, quoteName, quoteText } from '../../sql/sql-text.ts'
import type { Column } from '../../values/columns.ts'
import { createPlanCache, PlanOutdated } from '../plan-cache.ts'
import { asAsked, momentType, named, type PlannedStatement, writtenOf } from '../planned-statement.ts'
import type { BaseTable, ExportRequest, StatementRequest } from '../port.ts'
import { duckdbDialect } from './dialect.ts'
import { hasOnlyGrown, isUnchanged, type Looked, lookAt } from './file-states.ts'
import type { Files } from './files.ts'
import { withNatives } from './keys.ts'
import type { Mount } from './mount.ts'
import { filesSchema, type TableList } from './schema.ts'

export interface DuckdbStatement extends PlannedStatement<StatementCarrier> {
  /** What it reads of files, which others write, and how they stood before it was planned. */
  files: Looked
  mounts: readonly Mount[]
}

type Written = Pick<DuckdbStatement, 'sql' | 'asking' | 'moment'>

export interface PlanRequest extends StatementRequest, Pick<ExportRequest, 'given'> {
  /** It is only told of, as of no moment. */
  isTold?: boolean
  onWritten?: (written: Written) => void
}

/** So long what a bucket held a moment ago is taken for what it holds. */
const remoteMs = 5_000

/** What the engine is made to fail with when it binds a file's column to another type than it was planned with. */
const outdated = 'gateway: a column has another type than was planned'

export function createPlans({
  tables,
  files: { behind, foreign, refuseUnmounted },
  refresh,
}: {
  tables: () => TableList
  files: Pick<Files, 'behind' | 'foreign' | 'refuseUnmounted'>
  /** Mounts files as they are now. */
  refresh: () => Promise<void>
}) {
  const cache = createPlanCache<DuckdbStatement>({ isJudgedOnce: true })
  let refreshedMs = 0

  /** A name among the files may be of one that came a moment ago. */
  async function resolve(read: readonly TableReference[]): Promise<BaseTable[]> {
    const ofFiles = read.filter(({ schema }) => nameInEngine(schema) === filesSchema)
    const isOfFiles = ({ schema }: { schema: string }) => schema === filesSchema
    if (ofFiles.length === 0 && !tables().resolve(read).some(isOfFiles)) return tables().resolve(read)
    await refreshNow()
    for (const { name } of ofFiles) refuseUnmounted(name)
    return tables().resolve(read)
  }

  /** Of buckets nothing tells that they have changed: they are looked at, all at once and not all the time. */
  async function isCurrent({ mounts, files }: DuckdbStatement): Promise<boolean> {
    if (mounts.some(({ isRemote }) => isRemote) && Date.now() - refreshedMs > remoteMs) await refreshNow()
    return mounts.every((mount) => behind(mount.name) === mount) && stand(files, isUnchanged)
  }

  async function refreshNow(): Promise<void> {
    refreshedMs = Date.now()
    await refresh()
  }

  async function makePlan(
    connection: DuckDBConnection,
    { sql, given, onWritten }: PlanRequest,
  ): Promise<DuckdbStatement> {
    const statement = await judgeStatement(connection, sql, foreign())
    const asking = await findAsking(connection, statement)
    const moment = momentLiteral(anyMoment, momentType(duckdbDialect))
    const judged = asking === null ? statement.sql : fill(asking, moment)
    onWritten?.({ sql: judged, asking, moment })
    const read = statement.tables.filter(({ schema, name }) => schema !== '' || name !== given?.name)
    const resolved = await resolve(read)
    const mounts = resolved.flatMap(({ schema, name }) =>
      schema === filesSchema ? (behind(name) ?? []) : [],
    )
    const files = {
      paths: mounts.flatMap(({ paths }) => paths),
      states: mounts.flatMap(({ states }) => states),
    }
    try {
      // The engine calls a column without a name by its expression, less the parentheses.
      const planned = await planStatement(connection, judged, (name) => unfill(name, moment.slice(1, -1)))
      const columns = await withNatives(connection, judged, planned)
      const expressions = await expressionsOf(connection, { columns, judged, hasFiles: mounts.length > 0 })
      const { carriers, alias } = planned
      const told = { columns, carriers, expressions, tables: resolved, sql: judged, alias }
      return { ...told, asking, moment, files, mounts }
    } catch (error) {
      throw (await stand(files, isUnchanged)) ? error : new PlanOutdated()
    }
  }

  /**
   * The engine's own tables, once made, never change while it is open. Where files may be others since, the statement is planned
   * anew. Where they become others while it runs, its own guards tell of other types, and what it gave counts only where
   * no file has taken another's place: the engine reads one file by what it found in another.
   */
  function withCurrentPlan<T>(
    connection: DuckDBConnection,
    request: PlanRequest,
    work: (plan: DuckdbStatement) => Promise<T>,
  ): Promise<T> {
    const { sql, signal, onWritten, isTold = false } = request
    return cache.withPlan(sql, {
      make: () => makePlan(connection, request),
      async work(made) {
        if (!(await isCurrent(made))) throw new PlanOutdated()
        const plan = isTold ? made : asAsked(made, request, duckdbDialect)
        onWritten?.(plan)
        try {
          const result = await work(plan)
          await assertFilesStand(made)
          return result
        } catch (error) {
          throw signal?.aborted ? error : await explainFailure(made, error)
        }
      },
    })
  }

  return { withCurrentPlan }
}

/** Hears of the text that the engine is given, for errors. */
export function heardText({ sql }: PlanRequest) {
  let written: Written = { sql, asking: null, moment: '' }
  return {
    onWritten(given: Written) {
      written = given
    },
    asWritten: () => writtenOf(written),
  }
}

async function stand({ paths, states }: Looked, isSo: typeof isUnchanged): Promise<boolean> {
  if (paths.length === 0) return true
  return (await lookAt(paths)).every((now, i) => isSo(states[i], now))
}

export async function assertFilesStand(plan: DuckdbStatement): Promise<void> {
  if (!(await stand(plan.files, hasOnlyGrown))) throw new PlanOutdated()
}

/** The failure of a plan's run, or PlanOutdated where that is why, or may be. */
export async function explainFailure(plan: DuckdbStatement, error: unknown): Promise<unknown> {
  if (error instanceof PlanOutdated) return error
  if (error instanceof Error && error.message.includes(outdated)) return new PlanOutdated()
  return (await stand(plan.files, isUnchanged)) ? error : new PlanOutdated(error)
}

/**
 * Of files each column is read as long as it has the type that it was planned with. The engine knows that once it binds
 * the statement; it costs nothing then.
 */
async function expressionsOf(
  connection: DuckDBConnection,
  { columns, judged, hasFiles }: { columns: readonly Column[]; judged: string; hasFiles: boolean },
): Promise<string[]> {
  const described = hasFiles ? await (await connection.run(`DESCRIBE ${judged}`)).getRows() : []
  return columns.map(({ name, storage }, i) => {
    const column = quoteName(name)
    const cast = `CAST(${column} AS ${storage})`
    const type = described[i]?.[1]
    if (type === undefined) return named(cast, name)
    const isSame = `typeof(${column}) = ${quoteText(String(type))}`
    return named(`CASE WHEN ${isSame} THEN ${cast} ELSE error(${quoteText(outdated)}) END`, name)
  })
}
