// Appends to the embedded warehouse: rows, ledger and version in one transaction, one append at a time.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createTurns } from '../../concurrency/turns.ts'
import type { Database } from '../../duckdb/database.ts'
import type { AppendRequest, AppendResult, TableChange } from '../port.ts'
import { internalSchema } from '../port.ts'
import { mergeChanges } from '../stored-keys.ts'
import { changeOf, createTarget, writeTarget } from './append-target.ts'
import type { TableList } from './schema.ts'

export function createAppends(write: Database['write'], tables: () => TableList) {
  const turns = createTurns()

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
    const targets = request.tables.map((rows) => createTarget(tables(), request.keys, rows))
    if (!(await enter(connection, request))) {
      const changes = mergeChanges(targets.flatMap((target) => changeOf(target, target.known)))
      return { applied: false, version: await readVersion(connection), changes }
    }
    const changes: TableChange[] = []
    for (const target of targets) changes.push(...changeOf(target, await writeTarget(connection, target)))
    const step = `UPDATE ${internalSchema}.version SET version = version + 1 RETURNING version`
    const [row] = await (await connection.run(step)).getRows()
    return { applied: true, version: Number(row?.[0]), changes: mergeChanges(changes) }
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
    return turns.alone(() => write(work))
  }

  return {
    append: (request: AppendRequest): Promise<AppendResult> =>
      inTurn((connection) => append(connection, request)),
    /** Work between two appends. */
    inTurn,
    /** Resolves when the appends begun so far have ended. */
    settled: () => turns.alone(async () => undefined),
  }
}
