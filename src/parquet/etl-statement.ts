// Judges a SQL ETL: one SELECT over the table `input`, and nothing whose result changes from run to run.

import type { DuckDBConnection } from '@duckdb/node-api'
import { refuse } from './engine-error.ts'
import { displayTable, type JudgedStatement, judgeStatement } from './statement.ts'

export const inputTable = 'input'

/** Functions that DuckDB itself does not mark as changing from query to query. */
const changing =
  /^(now|today|random|setseed|uuid(v\d)?|gen_random_uuid|get_current_.*|current_.*|local.*|transaction_timestamp|txid_.*)$/
/** What SQL writes without parentheses. */
const changingNames = new Set([
  'current_date',
  'current_time',
  'current_timestamp',
  'localtime',
  'localtimestamp',
])
/** Volatile only in that it never returns. */
const harmless = new Set(['error'])

export type EtlJudge = (
  connection: DuckDBConnection,
  sql: string,
  /** The columns of the input where they are known: a column may be called `current_date`. */
  inputNames?: readonly string[],
) => Promise<JudgedStatement>

export async function createEtlJudge(connection: DuckDBConnection): Promise<EtlJudge> {
  const result = await connection.run(
    "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'",
  )
  const listed = new Set((await result.getRows()).map(([name]) => String(name)))
  const isChanging = (name: string) => !harmless.has(name) && (listed.has(name) || changing.test(name))

  return async (asked, sql, inputNames = []) => {
    const judged = await judgeStatement(asked, sql)
    for (const table of judged.tables) {
      if (table.schema === '' && table.catalog === '' && table.name.toLowerCase() === inputTable) continue
      throw refuse(`An ETL reads the table ${inputTable} alone, not ${displayTable(table)}.`, table.place)
    }
    const own = new Set(inputNames.map((name) => name.toLowerCase()))
    const found =
      [...judged.functions].find(isChanging) ??
      [...judged.names].find((name) => changingNames.has(name) && !own.has(name)) ??
      (callsAge(judged.tree) ? 'age of one argument' : undefined)
    if (found !== undefined) {
      throw refuse(
        `${found} gives another result at each run, so that training and serving would differ; take it from a column of the input.`,
        null,
      )
    }
    if (samples(judged.tree)) throw refuse('An ETL may not sample: training and serving would differ.', null)
    return judged
  }
}

function some(part: unknown, test: (node: Record<string, unknown>) => boolean): boolean {
  if (Array.isArray(part)) return part.some((item) => some(item, test))
  if (typeof part !== 'object' || part === null) return false
  return test(part as Record<string, unknown>) || Object.values(part).some((child) => some(child, test))
}

/** `age(x)` is the time from x to today. */
function callsAge(tree: unknown): boolean {
  return some(
    tree,
    ({ function_name: name, children }) =>
      String(name).toLowerCase() === 'age' && Array.isArray(children) && children.length === 1,
  )
}

function samples(tree: unknown): boolean {
  return some(tree, ({ sample }) => typeof sample === 'object' && sample !== null)
}
