// Rows in a temporary table whose columns are of the types that values come in: from there the engine casts them itself.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createRowAppender } from '../../duckdb/append-rows.ts'
import { withAppender } from '../../duckdb/appender.ts'
import { toAppError } from '../../duckdb/engine-error.ts'
import { AppError } from '../../errors.ts'
import { quoteName } from '../../sql/sql-text.ts'
import { firstRefused } from '../misfit.ts'
import type { Misfit, TableRows } from '../port.ts'
import type { DuckdbTable } from './schema.ts'

const [staged, shaped] = ['temp.main.staged_rows', 'temp.main.shaped_rows']

export function tableName({ schema, name }: DuckdbTable): string {
  return `${quoteName(schema)}.${quoteName(name)}`
}

/** Inserts rows, each column cast by the engine, and gives what `returning` reads of them. */
export async function insertStaged(
  connection: DuckDBConnection,
  table: DuckdbTable,
  rows: TableRows,
  returning: string,
) {
  await stage(connection, table, rows)
  try {
    const columns = rows.columns.map(quoteName).join(', ')
    return await connection.run(
      `INSERT INTO ${tableName(table)} (${columns}) SELECT ${columns} FROM ${staged} ORDER BY rowid${returning}`,
    )
  } finally {
    await drop(connection, staged)
  }
}

/** The first value of the first column that the engine cannot cast. The columns are those that need to be cast. */
export async function findMisfit(
  connection: DuckDBConnection,
  table: DuckdbTable,
  rows: TableRows,
): Promise<Misfit | null> {
  await stage(connection, table, rows)
  try {
    const columns = rows.columns.map(quoteName).join(', ')
    await connection.run(
      `CREATE TEMP TABLE shaped_rows AS SELECT ${columns} FROM ${tableName(table)} LIMIT 0`,
    )
    const refusal = (names: readonly string[], from: number, to: number) =>
      refusalOf(connection, names, from, to)
    if ((await refusal(rows.columns, 0, rows.rows.length)) === null) return null
    for (const column of rows.columns) {
      const found = await firstRefused(rows.rows.length, (from, to) => refusal([column], from, to))
      if (found !== null) return { ...found, column }
    }
    return null
  } finally {
    await drop(connection, shaped)
    await drop(connection, staged)
  }
}

async function refusalOf(
  connection: DuckDBConnection,
  names: readonly string[],
  from: number,
  to: number,
): Promise<string | null> {
  const columns = names.map(quoteName).join(', ')
  try {
    await connection.run(
      `INSERT INTO ${shaped} (${columns}) SELECT ${columns} FROM ${staged} WHERE rowid >= ${from} AND rowid < ${to}`,
    )
    return null
  } catch (error) {
    const failure = toAppError(error, { refused: 'BAD_USER_INPUT' })
    if (failure instanceof AppError && failure.code === 'BAD_USER_INPUT') return failure.message
    throw failure
  }
}

async function stage(connection: DuckDBConnection, table: DuckdbTable, { columns, rows }: TableRows) {
  const storageOf = new Map(table.columns.map(({ name, storage }) => [name, storage]))
  const definitions = columns.map((name) => `${quoteName(name)} ${storageOf.get(name)}`)
  await connection.run(`CREATE TEMP TABLE staged_rows (${definitions.join(', ')})`)
  const targets = columns.map((name, cell) => ({ name, cell }))
  await withAppender(connection, { table: 'staged_rows', schema: 'main', catalog: 'temp' }, (appender) =>
    createRowAppender(appender, targets).append(rows),
  )
}

/** A transaction that failed has taken its tables with it. */
async function drop(connection: DuckDBConnection, name: string) {
  await connection.run(`DROP TABLE IF EXISTS ${name}`).catch(() => undefined)
}
