// A statement ready to run: judged, with its columns, the tables it reads, and the one SELECT around it that all paths share.

import { refuseDuplicates } from '../../duckdb/plan.ts'
import { AppError } from '../../errors.ts'
import { fill } from '../../sql/as-of.ts'
import { quoteName, quoteText } from '../../sql/sql-text.ts'
import { createPlanCache, PlanOutdated } from '../plan-cache.ts'
import { asAsked, named, type PlannedStatement, toColumn, writtenOf } from '../planned-statement.ts'
import type { DescribeOptions, ExportRequest, StatementRequest } from '../port.ts'
import { suggestTables } from '../unknown-table.ts'
import { findAsking, judgedMoment, namesOf, restoreMoment } from './as-of.ts'
import { createCatalogState } from './catalog-state.ts'
import { type PostgresCarrier, postgresCarrier } from './column-types.ts'
import { postgresDialect } from './dialect.ts'
import { isServerError } from './error.ts'
import { type JudgedStatement, judgeStatement } from './judge.ts'
import type { ResultField } from './messages.ts'
import { findLooseCollations } from './proof/collations.ts'
import { prove } from './proof/proofs.ts'
import { listTables } from './schema.ts'
import type { Session } from './session.ts'
import { readTypes } from './type-entries.ts'

export interface PostgresStatement extends PlannedStatement<PostgresCarrier> {
  /** All that the statement gives, in the server's words. */
  fields: readonly ResultField[]
  lockable: readonly string[]
  /** Of the catalog, before the statement was judged. */
  catalogState: string
  /** By the key's columns and the number of keys, to the power of two: which way of looking them up the server thinks cheaper. */
  ways: Map<string, 'together' | 'each'>
}

export interface Plans {
  /** Made anew. */
  make(session: Session, sql: string): Promise<PostgresStatement>
  /** The work has to assert that its plan is current; what it is given is held against the saved columns. */
  withPlan<T>(
    session: Session,
    request: StatementRequest & Pick<ExportRequest, 'given'>,
    work: (plan: PostgresStatement) => Promise<T>,
  ): Promise<T>
}

export function createPlans(): Plans {
  const cache = createPlanCache<PostgresStatement>()
  const catalog = createCatalogState()

  /** Who begins again with another plan is not to stand in the transaction, and at its snapshot, of the one before. */
  const leaveTransaction = async (session: Session) => {
    if (!session.isIdle()) await session.script('ROLLBACK')
  }

  async function make(session: Session, sql: string, given?: string): Promise<PostgresStatement> {
    const catalogState = await catalog.read(session)
    return { ...(await makePlan(session, sql, given)), catalogState }
  }

  return {
    make: async (session, sql) => cache.keep(sql, await make(session, sql)),
    withPlan: (session, request, work) =>
      cache.withPlan(request.sql, {
        async make() {
          await leaveTransaction(session)
          return make(session, request.sql, request.given?.name)
        },
        async work(plan) {
          await leaveTransaction(session)
          return work(await pickCurrent(session, plan, request))
        },
        async stands({ catalogState }) {
          await leaveTransaction(session)
          return (await catalog.read(session)) === catalogState
        },
      }),
  }
}

/**
 * A transaction in which the statement is current to its end. What it reads is locked before there is a snapshot: one
 * taken before a lock that is waited for would show the rows of before, or none, of a table made anew meanwhile.
 */
export async function beginReading(
  session: Session,
  plan: PostgresStatement,
  { timeoutMs, snapshot }: { timeoutMs: number; snapshot: string | undefined },
): Promise<void> {
  const settings = [
    ...(snapshot === undefined ? [] : [`SET TRANSACTION SNAPSHOT ${quoteText(snapshot)}`]),
    `SET LOCAL statement_timeout = ${timeoutMs}`,
  ]
  await beginLocked(session, plan.lockable, settings).catch((error: unknown) => {
    // Of a snapshot that is no more the server says one or the other, by its version.
    if (snapshot === undefined || !isServerError(error) || !/^(22023|42704)$/.test(error.code)) throw error
    const message = 'The snapshot was lost with the connection that held it; ask again in a moment.'
    throw new AppError('WAREHOUSE_FAILED', message, { cause: error })
  })
  await assertCurrent(session, plan)
}

/** A read-only transaction, yet without a snapshot unless the settings give it one, in which these tables stay as they are. */
export async function beginLocked(
  session: Session,
  lockable: readonly string[],
  settings: readonly string[],
): Promise<void> {
  const begin = ['BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', ...settings].join('; ')
  await session.script(begin)
  if (lockable.length === 0) return
  try {
    await session.script(`LOCK TABLE ${lockable.join(', ')} IN ACCESS SHARE MODE`)
  } catch (error) {
    // Behind a view there may be what is read by rights of its columns alone; what is gone is told of hereafter.
    if (!isServerError(error) || !error.code.startsWith('42')) throw error
    await session.script(`ROLLBACK; ${begin}`)
  }
}

/**
 * Throws PlanOutdated where the statement gives by now what it did not when it was planned. Within a transaction that is
 * so to its end: the server locks the tables of a statement that it analyses against changes of their columns.
 */
export async function assertCurrent(session: Session, { sql, fields }: PostgresStatement): Promise<void> {
  const now = await session.describe(sql).catch((error: unknown) => {
    // Class 42: a name or a type that is no more.
    if (isServerError(error) && error.code.startsWith('42')) throw new PlanOutdated()
    throw error
  })
  if (JSON.stringify(now) !== JSON.stringify(fields)) throw new PlanOutdated()
}

/** A plan that lacks a saved column may have been made while it was away. */
async function pickCurrent(
  session: Session,
  plan: PostgresStatement,
  request: StatementRequest,
): Promise<PostgresStatement> {
  try {
    return asAsked(plan, request, postgresDialect)
  } catch (error) {
    await assertCurrent(session, plan)
    throw error
  }
}

/** Judges the statement and hands it over while the session still stands in the judging transaction, of which nothing is kept. */
async function withJudged<T>(
  session: Session,
  written: Parameters<typeof judgeStatement>[1],
  work: (judged: JudgedStatement) => Promise<T>,
): Promise<T> {
  await session.script('BEGIN READ WRITE')
  try {
    return await work(await judgeStatement(session, written))
  } catch (error) {
    await session.script('ROLLBACK').catch(() => undefined)
    throw await explainUnknown(session, error)
  } finally {
    if (!session.isIdle()) await session.script('ROLLBACK').catch(() => undefined)
  }
}

async function explainUnknown(session: Session, error: unknown): Promise<unknown> {
  if (!(error instanceof AppError) || !isServerError(error.cause)) return error
  const unknown = /^relation "(.+)" does not exist$/.exec(error.cause.message)?.[1]
  if (unknown === undefined) return error
  const hint = suggestTables(unknown, await listTables(session))
  return new AppError(error.code, `${error.message}; ${hint}`, {
    cause: error.cause,
    ...(error.details && { details: error.details }),
  })
}

/** Judged anew: what is proven of a statement is asked for seldom, and its analysis is large. */
export function proveStatement(
  session: Session,
  plan: PostgresStatement,
  asked: Pick<DescribeOptions, 'key' | 'origin'>,
) {
  const written = writtenOf(plan)
  return withJudged(session, written, ({ analysis, tables }) =>
    prove(session, { ...written, ...asked, analysis, tables }),
  )
}

async function makePlan(
  session: Session,
  sql: string,
  given?: string,
): Promise<Omit<PostgresStatement, 'catalogState'>> {
  const asking = await findAsking(session, sql)
  const written = asking === null ? { sql } : { sql: fill(asking, judgedMoment), restore: restoreMoment }
  return withJudged(session, { ...written, given }, async (judged) => {
    const fields = judged.fields.map(({ name }) => name)
    const names = asking === null ? fields : await namesOf(session, asking, judged.fields)
    refuseDuplicates(names)
    const entries = await readTypes(
      session,
      judged.fields.map(({ typeOid }) => typeOid),
    )
    const carriers = judged.fields.map(({ typeOid, typeModifier }) =>
      postgresCarrier(typeOid, typeModifier, entries),
    )
    const loose = await findLooseCollations(session, judged.sql, judged.fields)
    const columns = carriers.map((carrier, i) => {
      const collation = loose.get(i)
      const native = collation === undefined ? carrier.native : `${carrier.native} COLLATE ${collation}`
      return toColumn(names[i] ?? '', { ...carrier, native })
    })
    const expressions = carriers.map(({ select }, i) => {
      const name = names[i] ?? ''
      return named(select(`t.${quoteName(name)}`), name)
    })
    const { analysis: _, ...told } = judged
    const alias = names === fields ? 't' : `t(${names.map(quoteName).join(', ')})`
    const moment = judgedMoment
    return { ...told, asking, moment, columns, carriers, expressions, alias, ways: new Map() }
  })
}
