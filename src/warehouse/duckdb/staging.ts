// Rows in a temporary table whose columns are of the types that values come in: from there the engine casts them itself.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createRowAppender } from '../../duckdb/append-rows.ts'
import { withAppender } from '../../duckdb/appender.ts'
import { toAppError } from '../../duckdb/engine-error.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Row } from '../../values/columns.ts'
import { findMisfit as findRefused, refusalOf } from '../misfit.ts'
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
    const take = (names: readonly string[], from: number, to: number) =>
      insertShaped(connection, names, { from, to })
    // All at once are asked of first: most often none is refused.
    if ((await refusalOf(() => take(rows.columns, 0, rows.rows.length), toAppError)) === null) return null
    const checked = rows.columns.map((name) => ({
      name,
      isSure: () => false,
      take: (cells: readonly Row[], from: number) => take([name], from, from + cells.length),
    }))
    return await findRefused(rows, checked, toAppError)
  } finally {
    await drop(connection, shaped)
    await drop(connection, staged)
  }
}

function insertShaped(
  connection: DuckDBConnection,
  names: readonly string[],
  { from, to }: { from: number; to: number },
) {
  const columns = names.map(quoteName).join(', ')
  return connection.run(
    `INSERT INTO ${shaped} (${columns}) SELECT ${columns} FROM ${staged} WHERE rowid >= ${from} AND rowid < ${to}`,
  )
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
