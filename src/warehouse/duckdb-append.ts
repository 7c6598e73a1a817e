// Appends to the embedded warehouse: rows, ledger and version in one transaction, one append at a time.

import { setImmediate } from 'node:timers/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '../errors.ts'
import { createRowAppender } from '../parquet/append-rows.ts'
import { withAppender } from '../parquet/appender.ts'
import type { Database } from '../parquet/database.ts'
import { ValueMismatch } from '../parquet/duckdb-types.ts'
import { internalSchema, type TableList } from './duckdb-schema.ts'
import { type AppendRequest, type AppendResult, featureSchema, type TableRows } from './port.ts'

/** Rows that are handed to the engine between two turns of the event loop. */
const rowsPerTurn = 4096

export function createAppends(write: Database['write'], tables: TableList) {
  let turn: Promise<unknown> = Promise.resolve()

  async function readVersion(connection: DuckDBConnection): Promise<number> {
    const rows = await (await connection.run(`SELECT version FROM ${internalSchema}.version`)).getRows()
    return Number(rows[0]?.[0])
  }

  /** False when the ledger holds the batch already. */
  async function enter(connection: DuckDBConnection, { jobId, batch }: AppendRequest): Promise<boolean> {
    const sql = `INSERT INTO ${internalSchema}.ledger VALUES ($1::VARCHAR, $2::BIGINT, current_timestamp::TIMESTAMP)
      ON CONFLICT DO NOTHING RETURNING batch`
    const rows = await (await connection.run(sql, [jobId, BigInt(batch)])).getRows()
    return rows.length > 0
  }

  async function writeAll(connection: DuckDBConnection, request: AppendRequest): Promise<AppendResult> {
    if (!(await enter(connection, request))) return { applied: false, version: await readVersion(connection) }
    for (const rows of request.tables) await writeTable(connection, rows)
    const step = `UPDATE ${internalSchema}.version SET version = version + 1 RETURNING version`
    const [row] = await (await connection.run(step)).getRows()
    return { applied: true, version: Number(row?.[0]) }
  }

  async function writeTable(
    connection: DuckDBConnection,
    { table, columns, rows }: TableRows,
  ): Promise<void> {
    const targets = tables.find(featureSchema, table)
    if (targets === undefined) throw unknownTable(table, tables)
    for (const column of columns) {
      if (!targets.columns.some(({ name }) => name === column)) {
        const known = targets.columns.map(({ name }) => name).join(', ')
        throw badInput(`Table ${table} has no column "${column}"; it has ${known}.`)
      }
    }
    if (rows.length === 0) return
    const cells = targets.columns.map(({ name }) => {
      const cell = columns.indexOf(name)
      return { name, cell: cell < 0 ? null : cell }
    })
    const place = { table: targets.name, schema: targets.schema }
    try {
      await withAppender(connection, place, async (appender) => {
        const target = createRowAppender(appender, cells)
        for (let from = 0; from < rows.length; from += rowsPerTurn) {
          if (from > 0) await setImmediate()
          target.append(rows.slice(from, from + rowsPerTurn), from)
        }
      })
    } catch (error) {
      if (error instanceof ValueMismatch) throw badInput(`Table ${table}, ${error.message}.`)
      throw error
    }
  }

  async function append(connection: DuckDBConnection, request: AppendRequest): Promise<AppendResult> {
    await connection.run('BEGIN')
    try {
      const result = await writeAll(connection, request)
      await connection.run('COMMIT')
      return result
    } catch (error) {
      await connection.run('ROLLBACK').catch(() => undefined)
      throw error
    }
  }

  function inTurn<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const result = turn.then(() => write(work))
    turn = result.catch(() => undefined)
    return result
  }

  return {
    append: (request: AppendRequest): Promise<AppendResult> =>
      inTurn((connection) => append(connection, request)),
    /** Work between two appends. */
    inTurn,
    /** Resolves when the appends begun so far have ended. */
    async settled(): Promise<void> {
      await turn
    },
  }
}

function badInput(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}

function unknownTable(table: string, { all }: TableList): AppError {
  const known = all.filter(({ schema }) => schema === featureSchema).map(({ name }) => name)
  return badInput(`There is no table "${table}" to append to; there is ${known.join(', ')}.`)
}
