// A SQL ETL on each of many groups of rows on its own.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Column, Row } from '../columns.ts'
import { createRowAppender } from './append-rows.ts'
import { readRows } from './decode.ts'
import type { EngineErrorContext } from './engine-error.ts'
import { inputTable } from './etl-statement.ts'
import { planStatement } from './plan.ts'
import { quoteName } from './sql-text.ts'
import type { JudgedStatement } from './statement.ts'

export interface GroupsRequest {
  judged: JudgedStatement
  inputColumns: readonly Column[]
  groups: readonly (readonly Row[])[]
  context: EngineErrorContext
}

export async function runGroups(
  connection: DuckDBConnection,
  { judged, inputColumns, groups, context }: GroupsRequest,
): Promise<{ columns: Column[]; groups: Row[][] }> {
  const members = inputColumns.map(({ name, storage }) => `${quoteName(name)} ${storage}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${inputTable} (${members.join(', ')})`)
  try {
    const { columns, carriers, select, offsetBytes } = await planStatement(connection, judged.sql)
    context.offsetBytes = offsetBytes
    const results: Row[][] = []
    for (const rows of groups) {
      context.signal?.throwIfAborted()
      if (results.length > 0) await connection.run(`DELETE FROM temp.${inputTable}`)
      const appender = await connection.createAppender(inputTable, 'main', 'temp')
      createRowAppender(
        appender,
        inputColumns.map(({ name }, cell) => ({ name, cell })),
      ).append(rows)
      appender.closeSync()
      results.push(await readRows(await connection.run(select), carriers))
    }
    return { columns: observeNulls(columns, results), groups: results }
  } finally {
    await connection.run(`DROP TABLE IF EXISTS temp.${inputTable}`).catch(() => undefined)
  }
}

function observeNulls(columns: readonly Column[], groups: readonly (readonly Row[])[]): Column[] {
  return columns.map((column, i) => ({
    ...column,
    nullable: groups.some((rows) => rows.some((row) => row[i] === null)),
  }))
}
