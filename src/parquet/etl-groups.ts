// A SQL ETL on each of many groups of rows on its own.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createRowAppender } from '../duckdb/append-rows.ts'
import { withAppender } from '../duckdb/appender.ts'
import { carrierOf } from '../duckdb/column-types.ts'
import { readRows } from '../duckdb/decode.ts'
import type { EngineErrorContext } from '../duckdb/engine-error.ts'
import { castList, planStatement, type StatementPlan } from '../duckdb/plan.ts'
import type { JudgedStatement } from '../duckdb/statement.ts'
import { quoteName } from '../sql/sql-text.ts'
import type { Column, Row } from '../values/columns.ts'
import { type AtOnce, proveAtOnce, tagAlias, tags, withTag } from './at-once.ts'
import { inputTable } from './etl-statement.ts'

export interface GroupsRequest {
  judged: JudgedStatement
  scalarFunctions: ReadonlySet<string>
  inputColumns: readonly Column[]
  groups: readonly (readonly Row[])[]
  /** Told where in the statement that runs the user's own text begins. */
  context: EngineErrorContext
}

/** All rows go into one table; then either they all pass through the SELECT at once, or it runs for each group's span. */
export async function runGroups(
  connection: DuckDBConnection,
  request: GroupsRequest,
): Promise<{ columns: Column[]; groups: Row[][] }> {
  const { judged, scalarFunctions, inputColumns } = request
  const members = inputColumns.map(({ name, storage }) => `${quoteName(name)} ${storage}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${inputTable} (${members.join(', ')})`)
  try {
    const plan = await planStatement(connection, judged.sql)
    const names = [...inputColumns, ...plan.columns].map(({ name }) => name)
    const proven = proveAtOnce(judged, scalarFunctions, names)
    // An aggregate of no rows is a row, but a group without rows is no group.
    const hasEmpty = request.groups.some((rows) => rows.length === 0)
    const atOnce = proven === 'groups' && hasEmpty ? null : proven
    await fill(connection, request, atOnce)
    const groups = await (atOnce === null
      ? runEach(connection, plan, request)
      : runAtOnce(connection, plan, request, atOnce))
    return { columns: observeNulls(plan.columns, groups), groups }
  } finally {
    await connection.run(`DROP TABLE IF EXISTS temp.${inputTable}`).catch(() => undefined)
  }
}

/** Group by group, so that a group's rows stand in one span of row numbers. */
async function fill(
  connection: DuckDBConnection,
  { inputColumns, groups }: GroupsRequest,
  atOnce: AtOnce | null,
): Promise<void> {
  const cells = inputColumns.map(({ name }, cell) => ({ name, cell }))
  const isTagged = atOnce === 'groups'
  if (isTagged) {
    await connection.run(`ALTER TABLE temp.${inputTable} ADD COLUMN ${tags.groups} BIGINT`)
    cells.push({ name: tags.groups, cell: cells.length })
  }
  await withAppender(connection, { table: inputTable, schema: 'main', catalog: 'temp' }, (appender) =>
    createRowAppender(appender, cells).append(
      isTagged ? groups.flatMap((rows, i) => rows.map((row) => [...row, i])) : groups.flat(),
    ),
  )
}

async function runAtOnce(
  connection: DuckDBConnection,
  plan: StatementPlan,
  { judged, groups, context }: GroupsRequest,
  atOnce: AtOnce,
): Promise<Row[][]> {
  // The engine writes the statement anew: its places would not be those of the user's text.
  context.offsetBytes = Number.POSITIVE_INFINITY
  const tagged = await withTag(connection, judged.sql, atOnce)
  const result = await connection.run(
    `SELECT ${castList(plan.columns)}, ${tagAlias} FROM (${tagged}) t ORDER BY ${tagAlias}`,
  )
  const rows = await readRows(result, result.columnTypes().map(carrierOf))
  const results: Row[][] = []
  let next = 0
  let end = 0
  for (const group of groups) {
    // The tags below it are the group's: its rows' numbers, or its own.
    end += atOnce === 'rows' ? group.length : 1
    const own: Row[] = []
    for (
      let row = rows[next];
      row !== undefined && Number(row[plan.columns.length]) < end;
      row = rows[next]
    ) {
      own.push(row.slice(0, -1))
      next += 1
    }
    results.push(own)
  }
  return results
}

async function runEach(
  connection: DuckDBConnection,
  plan: StatementPlan,
  { inputColumns, groups, context }: GroupsRequest,
): Promise<Row[][]> {
  const names = inputColumns.map(({ name }) => quoteName(name)).join(', ')
  const span = `${tags.rows} >= $1::BIGINT AND ${tags.rows} < $2::BIGINT`
  const prefix = `WITH ${inputTable} AS (SELECT ${names} FROM temp.${inputTable} WHERE ${span}) `
  const statement = await connection.prepare(`${prefix}${plan.select}`)
  context.offsetBytes = plan.offsetBytes + Buffer.byteLength(prefix)
  try {
    const results: Row[][] = []
    let start = 0n
    for (const { length } of groups) {
      context.signal?.throwIfAborted()
      const end = start + BigInt(length)
      statement.bindBigInt(1, start)
      statement.bindBigInt(2, end)
      results.push(await readRows(await statement.run(), plan.carriers))
      start = end
    }
    return results
  } finally {
    statement.destroySync()
  }
}

function observeNulls(columns: readonly Column[], groups: readonly (readonly Row[])[]): Column[] {
  return columns.map((column, i) => ({
    ...column,
    nullable: groups.some((rows) => rows.some((row) => row[i] === null)),
  }))
}
