// A statement judged by the engine's own analysis and ready to run: its columns, the tables it reads, and the one SELECT
// around it that all paths share.

import type { Column } from '../columns.ts'
import { refuse } from '../parquet/engine-error.ts'
import { refuseDuplicates } from '../parquet/plan.ts'
import { blankSemicolons } from '../parquet/sql-text.ts'
import type { BaseTable } from './port.ts'
import { type Analysis, readAnalysis } from './trino-analysis.ts'
import type { TrinoSession } from './trino-session.ts'
import { type TrinoCarrier, trinoCarrier } from './trino-types.ts'
import type { TrinoAddress } from './trino-url.ts'

export interface Plan {
  columns: readonly Column[]
  carriers: readonly TrinoCarrier[]
  tables: readonly BaseTable[]
  analysis: Analysis
  /** From the second line of any statement on. */
  sql: string
  /** `SELECT … FROM (` with the text, and the columns' own names: `c0`, `c1` and so on, whatever the statement calls them. */
  select: string
}

export const columnName = (index: number) => `c${index}`

/**
 * The text must be a statement by itself, so that its parentheses are its own; and stand in parentheses in a SELECT, so
 * that it is a query. That one is planned, though of its rows none are asked for: the engine then tells its columns, and
 * every table of its analysis, those of views and of what the optimizer would leave out too.
 */
export async function makePlan(
  session: TrinoSession,
  address: TrinoAddress,
  given: string,
  signal?: AbortSignal,
): Promise<Plan> {
  const sql = blankSemicolons(given)
  const validated = session.query('quick', `EXPLAIN (TYPE VALIDATE)\n${sql}`, { signal })
  const described = session.query('quick', `SELECT * FROM (\n${sql}\n) t LIMIT 0`, { signal })
  // What the text is told by itself says more.
  const [valid, planned] = await Promise.allSettled([validated, described])
  if (valid.status === 'rejected') throw valid.reason
  if (planned.status === 'rejected') throw planned.reason
  const { queryId, columns: found } = planned.value
  const analysis = readAnalysis(await session.info(queryId, signal), { sql, address })
  if (found.length === 0) throw refuse('The statement has no columns.', null)
  refuseDuplicates(found.map(({ name }) => name))

  const carriers = found.map(({ type }) => trinoCarrier(type))
  const columns = found.map(({ name }, i): Column => {
    const carrier = carriers[i]
    if (carrier === undefined) throw new Error(`Column ${name} has no type`)
    const { type, storage, native } = carrier
    return { name, type, nullable: true, storage, ...(type === 'STRING' && { native }) }
  })
  const list = carriers.map((carrier, i) => `${carrier.select(columnName(i))} AS ${columnName(i)}`)
  const aliases = carriers.map((_, i) => columnName(i)).join(', ')
  const select = `SELECT ${list.join(', ')} FROM (\n${sql}\n) t(${aliases})`
  return { columns, carriers, tables: analysis.tables, analysis, sql, select }
}
