// Judges a SQL ETL: one SELECT over the table `input`, and nothing whose result changes from run to run.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createChangeFinder } from '../duckdb/changing.ts'
import { refuse } from '../duckdb/engine-error.ts'
import { displayTable, type JudgedStatement, judgeStatement } from '../duckdb/statement.ts'

export const inputTable = 'input'

export type EtlJudge = (
  connection: DuckDBConnection,
  sql: string,
  /** The columns of the input where they are known: a column may be called `current_date`. */
  inputNames?: readonly string[],
) => Promise<JudgedStatement>

export async function createEtlJudge(connection: DuckDBConnection): Promise<EtlJudge> {
  const findChange = await createChangeFinder(connection)

  return async (asked, sql, inputNames = []) => {
    const judged = await judgeStatement(asked, sql)
    for (const table of judged.tables) {
      if (table.schema === '' && table.catalog === '' && table.name.toLowerCase() === inputTable) continue
      throw refuse(`An ETL reads the table ${inputTable} alone, not ${displayTable(table)}.`, table.place)
    }
    const found = findChange(judged, inputNames)
    if (found !== null) {
      throw refuse(
        `${found} gives another result at each run, so that training and serving would differ; take it from a column of the input.`,
        null,
      )
    }
    return judged
  }
}
