// A statement judged by the engine's own analysis and ready to run: its columns, the tables it reads, and the one SELECT
// around it that all paths share.

import { refuse } from '../../duckdb/engine-error.ts'
import { refuseDuplicates } from '../../duckdb/plan.ts'
import { fill } from '../../sql/as-of.ts'
import { blankSemicolons } from '../../sql/sql-text.ts'
import type { Column } from '../../values/columns.ts'
import { PlanOutdated } from '../plan-cache.ts'
import { type PlannedStatement, toColumn } from '../planned-statement.ts'
import type { RunOptions } from '../port.ts'
import { suggestTables } from '../unknown-table.ts'
import { type Analysis, readAnalysis } from './analysis.ts'
import { findAsking, judgedMoment, restoreMoment } from './as-of.ts'
import { type TrinoCarrier, trinoCarrier } from './column-types.ts'
import { TrinoFailure, toTrinoError } from './error.ts'
import { listTables } from './schema.ts'
import type { TrinoSession } from './session.ts'
import type { TrinoAddress } from './url.ts'

export interface TrinoStatement extends PlannedStatement<TrinoCarrier> {
  /** All that the statement gives, in the engine's words. */
  given: readonly { name: string; type: string }[]
  analysis: Analysis
  /** The table of the rows that it was given; null where it was given none. */
  lent: string | null
}

const columnName = (index: number) => `c${index}`

/** What a column is called within the select, whatever the statement calls it. */
export function nameInSelect({ given }: TrinoStatement, { name }: Pick<Column, 'name'>): string {
  return columnName(given.findIndex((column) => column.name === name))
}

/**
 * The text must be a statement by itself, so that its parentheses are its own; and stand in parentheses in a SELECT, so
 * that it is a query. That one is planned, though of its rows none are asked for: the engine then tells its columns, and
 * every table of its analysis, those of views and of what the optimizer would leave out too.
 */
export async function makePlan(
  session: TrinoSession,
  address: TrinoAddress,
  given: string,
  { signal, lent = null }: RunOptions & { lent?: string | null } = {},
): Promise<TrinoStatement> {
  const asking = await findAsking(session, given, signal)
  const sql = asking === null ? blankSemicolons(given) : fill(asking, judgedMoment)
  const validated = session.query('quick', `EXPLAIN (TYPE VALIDATE)\n${sql}`, { signal })
  const described = session.query('quick', `SELECT * FROM (\n${sql}\n) t LIMIT 0`, { signal })
  // What the text is told by itself says more.
  const [valid, planned] = await Promise.allSettled([validated, described])
  const told = (failure: unknown) =>
    asking === null ? failure : toTrinoError(failure, { sql, restore: restoreMoment, signal })
  if (valid.status === 'rejected') throw told(await explainUnknown(session, address, valid.reason))
  if (planned.status === 'rejected') throw told(planned.reason)
  const { queryId, columns: found } = planned.value
  const analysis = readAnalysis(await session.info(queryId, signal), { sql, address, lent })
  if (found.length === 0) throw refuse('The statement has no columns.', null)
  refuseDuplicates(found.map(({ name }) => name))

  const carriers = found.map(({ type }) => trinoCarrier(type))
  const names = found.map((_, i) => columnName(i))
  return {
    given: found,
    columns: carriers.map((carrier, i) => toColumn(found[i]?.name ?? '', carrier)),
    carriers,
    expressions: carriers.map(({ select }, i) => `${select(columnName(i))} AS ${columnName(i)}`),
    tables: analysis.tables,
    analysis,
    lent,
    sql,
    asking,
    moment: judgedMoment,
    alias: `t(${names.join(', ')})`,
  }
}

async function explainUnknown(
  session: TrinoSession,
  address: TrinoAddress,
  failure: unknown,
): Promise<unknown> {
  if (!(failure instanceof TrinoFailure)) return failure
  const unknown = /(?:Table|Schema) '(.+)' does not exist$/.exec(failure.message)?.[1]
  if (unknown === undefined) return failure
  const hint = suggestTables(unknown, await listTables(session, address))
  return new TrinoFailure({ ...failure, message: `${failure.message}; ${hint}` })
}

/**
 * Asked once the engine has analysed the statement that ran: what it gave when it was planned and gives still it gave in
 * between. Throws PlanOutdated where it does not.
 */
export async function assertCurrent(
  session: TrinoSession,
  { sql, given }: TrinoStatement,
  signal: AbortSignal | undefined,
): Promise<void> {
  const asked = session.query('quick', `SELECT * FROM (\n${sql}\n) t LIMIT 0`, { signal })
  const { columns } = await asked.catch((error: unknown) => {
    if (error instanceof TrinoFailure && error.fault === 'USER_ERROR') throw new PlanOutdated()
    throw error
  })
  if (JSON.stringify(columns) !== JSON.stringify(given)) throw new PlanOutdated()
}
