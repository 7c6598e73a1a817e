// A statement ready to run: judged, with its columns, the tables it reads, and the one SELECT around it that all paths share.

import type { Column } from '../columns.ts'
import { refuseDuplicates } from '../parquet/plan.ts'
import { quoteName } from '../parquet/sql-text.ts'
import { createPlanCache } from './plan-cache.ts'
import type { BaseTable } from './port.ts'
import { findLooseCollations } from './postgres-collations.ts'
import { type JudgedStatement, judgeStatement } from './postgres-judge.ts'
import { prove } from './postgres-proofs.ts'
import type { Session } from './postgres-session.ts'
import { readTypes } from './postgres-type-entries.ts'
import { type PostgresCarrier, postgresCarrier } from './postgres-types.ts'

export interface Plan {
  columns: readonly Column[]
  carriers: readonly PostgresCarrier[]
  tables: readonly BaseTable[]
  /** The user's text, to stand between `from` and `) t`. */
  sql: string
  /** `SELECT` with each column as it is read, up to the user's text. */
  select: string
  /** By the number of values, to the power of two: which way of looking them up the server thinks cheaper. */
  ways: Map<number, 'together' | 'each'>
}

export function createPlans() {
  const cache = createPlanCache<Plan>()
  return {
    find: cache.find,
    make: async (session: Session, sql: string): Promise<Plan> =>
      cache.keep(sql, await makePlan(session, sql)),
  }
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
  } finally {
    await session.script('ROLLBACK').catch(() => undefined)
  }
}

/** Judged anew: what is proven of a statement is asked for seldom, and its analysis is large. */
export function proveStatement(session: Session, sql: string, key: string | undefined) {
  return withJudged(session, sql, ({ analysis }) => prove(session, { sql, analysis, key }))
}

function makePlan(session: Session, sql: string): Promise<Plan> {
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
    const list = columns.map(
      ({ name }, i) => `${carriers[i]?.select(`t.${quoteName(name)}`)} AS ${quoteName(name)}`,
    )
    const select = `SELECT ${list.join(', ')} FROM (\n`
    return { columns, carriers, tables: judged.tables, sql: judged.sql, select, ways: new Map() }
  })
}
