// A statement ready to run: judged, with its columns, the tables it reads, and the one SELECT around it that all paths share.

import { refuseDuplicates } from '../../duckdb/plan.ts'
import { AppError } from '../../errors.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Column } from '../../values/columns.ts'
import { createPlanCache, PlanOutdated } from '../plan-cache.ts'
import type { BaseTable, StatementRequest } from '../port.ts'
import { pick, placesOf } from '../saved-columns.ts'
import { suggestTables } from '../unknown-table.ts'
import { type PostgresCarrier, postgresCarrier } from './column-types.ts'
import { isServerError } from './error.ts'
import { type JudgedStatement, judgeStatement } from './judge.ts'
import { findLooseCollations } from './proof/collations.ts'
import { prove } from './proof/proofs.ts'
import { listTables } from './schema.ts'
import type { ResultField, Session } from './session.ts'
import { readTypes } from './type-entries.ts'

export interface PlannedStatement {
  /** All that the statement gives, in the server's words. */
  fields: readonly ResultField[]
  columns: readonly Column[]
  carriers: readonly PostgresCarrier[]
  tables: readonly BaseTable[]
  lockable: readonly string[]
  /** The user's text, to stand between `from` and `) t`. */
  sql: string
  /** `SELECT` with each column as it is read, up to the user's text. */
  select: string
  /** By the key's columns and the number of keys, to the power of two: which way of looking them up the server thinks cheaper. */
  ways: Map<string, 'together' | 'each'>
}

export interface Plans {
  /** Made anew. */
  make(session: Session, sql: string): Promise<PlannedStatement>
  /** The work has to assert that its plan is current; what it is given is held against the saved columns. */
  withPlan<T>(
    session: Session,
    request: StatementRequest,
    work: (plan: PlannedStatement) => Promise<T>,
  ): Promise<T>
}

export function createPlans(): Plans {
  const cache = createPlanCache<PlannedStatement>()

  /** Who begins again with another plan is not to stand in the transaction, and at its snapshot, of the one before. */
  const leaveTransaction = async (session: Session) => {
    if (!session.isIdle()) await session.script('ROLLBACK')
  }

  return {
    make: async (session, sql) => cache.keep(sql, await makePlan(session, sql)),
    withPlan: (session, { sql, saved }, work) =>
      cache.withPlan(
        sql,
        async () => {
          await leaveTransaction(session)
          return makePlan(session, sql)
        },
        async (plan) => {
          await leaveTransaction(session)
          return work(saved === undefined ? plan : await pickCurrent(session, plan, saved))
        },
      ),
  }
}

/**
 * A transaction in which the statement is current to its end. What it reads is locked before there is a snapshot: one
 * taken before a lock that is waited for would show the rows of before, or none, of a table made anew meanwhile.
 */
export async function beginReading(
  session: Session,
  plan: PlannedStatement,
  timeoutMs: number,
): Promise<void> {
  const begin = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}`
  await session.script(begin)
  if (plan.lockable.length > 0) {
    try {
      await session.script(`LOCK TABLE ${plan.lockable.join(', ')} IN ACCESS SHARE MODE`)
    } catch (error) {
      // Behind a view there may be what is read by rights of its columns alone; what is gone is told of hereafter.
      if (!isServerError(error) || !error.code.startsWith('42')) throw error
      await session.script(`ROLLBACK; ${begin}`)
    }
  }
  await assertCurrent(session, plan)
}

/**
 * Throws PlanOutdated where the statement gives by now what it did not when it was planned. Within a transaction that is
 * so to its end: the server locks the tables of a statement that it analyses against changes of their columns.
 */
export async function assertCurrent(session: Session, { sql, fields }: PlannedStatement): Promise<void> {
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
  plan: PlannedStatement,
  saved: readonly Column[],
): Promise<PlannedStatement> {
  try {
    return pickColumns(plan, saved)
  } catch (error) {
    await assertCurrent(session, plan)
    throw error
  }
}

function pickColumns(plan: PlannedStatement, saved: readonly Column[]): PlannedStatement {
  const places = placesOf(saved, plan.columns)
  if (places === null) return plan
  const columns = pick(plan.columns, places)
  const carriers = pick(plan.carriers, places)
  return { ...plan, columns, carriers, select: selectOf(columns, carriers), ways: new Map() }
}

function selectOf(columns: readonly Column[], carriers: readonly PostgresCarrier[]): string {
  const list = columns.map(
    ({ name }, i) => `${carriers[i]?.select(`t.${quoteName(name)}`)} AS ${quoteName(name)}`,
  )
  return `SELECT ${list.join(', ')} FROM (\n`
}

/** Judges the statement and hands it over while the session still stands in the judging transaction, of which nothing is kept. */
async function withJudged<T>(
  session: Session,
  sql: string,
  work: (judged: JudgedStatement) => Promise<T>,
): Promise<T> {
  await session.script('BEGIN READ WRITE')
  try {
    return await work(await judgeStatement(session, sql))
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
export function proveStatement(session: Session, sql: string, key: readonly string[] | undefined) {
  return withJudged(session, sql, ({ analysis }) => prove(session, { sql, analysis, key }))
}

function makePlan(session: Session, sql: string): Promise<PlannedStatement> {
  return withJudged(session, sql, async (judged) => {
    refuseDuplicates(judged.fields.map(({ name }) => name))
    const entries = await readTypes(
      session,
      judged.fields.map(({ typeOid }) => typeOid),
    )
    const carriers = judged.fields.map(({ typeOid, typeModifier }) =>
      postgresCarrier(typeOid, typeModifier, entries),
    )
    const loose = await findLooseCollations(session, judged.sql, judged.fields)
    const columns = judged.fields.map(({ name }, i): Column => {
      const carrier = carriers[i]
      if (carrier === undefined) throw new Error(`Column ${name} has no type`)
      const { type, storage, native } = carrier
      const collated = loose.get(i)
      const told = collated === undefined ? native : `${native} COLLATE ${collated}`
      return { name, type, nullable: true, storage, ...(type === 'STRING' && { native: told }) }
    })
    const select = selectOf(columns, carriers)
    const { fields, tables, lockable, sql: text } = judged
    return { fields, columns, carriers, tables, lockable, sql: text, select, ways: new Map() }
  })
}
