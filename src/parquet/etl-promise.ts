// What a SQL ETL promises of its output, where its input promises so much.

import type { DuckDBConnection } from '@duckdb/node-api'
import { bindStatement } from '../duckdb/bound/statement-algebra.ts'
import { planStatement } from '../duckdb/plan.ts'
import type { JudgedStatement } from '../duckdb/statement.ts'
import { type Certainty, judgeDeterminism } from '../sql/determinism.ts'
import { exact, type Finding } from '../sql/finding.ts'
import { quoteName } from '../sql/sql-text.ts'
import type { Column } from '../values/columns.ts'
import { inputTable } from './etl-statement.ts'

export interface SqlPromiseRequest {
  sql: string
  inputColumns: readonly Column[]
  /** Of the input's columns in their order, and of its rows. */
  input: Certainty
}

export interface SqlPromise {
  columns: readonly (readonly [name: string, finding: Finding])[]
  rows: Finding
}

export async function promiseOfEtl(
  connection: DuckDBConnection,
  judged: JudgedStatement,
  { inputColumns, input }: Omit<SqlPromiseRequest, 'sql'>,
): Promise<SqlPromise> {
  const members = inputColumns.map(({ name, storage }) => `${quoteName(name)} ${storage}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${inputTable} (${members.join(', ')})`)
  try {
    const { columns } = await planStatement(connection, judged.sql)
    const { relation } = await bindStatement(connection, {
      sql: judged.sql,
      width: columns.length,
      facts: { key: [], uniquesOf: () => [] },
    })
    // The input is the only table there is.
    const certain = judgeDeterminism(relation, () => input)
    return {
      columns: columns.map(({ name }, i) => [name, certain.columns[i] ?? exact]),
      rows: certain.rows,
    }
  } finally {
    await connection.run(`DROP TABLE IF EXISTS temp.${inputTable}`).catch(() => undefined)
  }
}
