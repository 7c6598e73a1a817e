// Appends to the embedded warehouse, one at a time.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createTurns } from '../../concurrency/turns.ts'
import type { Database } from '../../duckdb/database.ts'
import { appendOnce, type Transactional } from '../ledger.ts'
import type { AppendRequest, AppendResult, TableChange } from '../port.ts'
import { mergeChanges } from '../stored-keys.ts'
import { changeOf, createTarget, writeTarget } from './append-target.ts'
import type { TableList } from './schema.ts'

export function transactionOf(connection: DuckDBConnection): Transactional {
  return {
    query: async (sql, values = []) => (await connection.run(sql, [...values])).getRows(),
    begin: () => connection.run('BEGIN'),
    commit: () => connection.run('COMMIT'),
    rollback: () => connection.run('ROLLBACK'),
  }
}

export function createAppends(write: Database['write'], tables: () => TableList) {
  const turns = createTurns()

  async function append(connection: DuckDBConnection, request: AppendRequest): Promise<AppendResult> {
    const targets = request.tables.map((rows) => createTarget(tables(), request.keys, rows))
    return appendOnce(transactionOf(connection), request, {
      async write() {
        const changes: TableChange[] = []
        for (const target of targets) changes.push(...changeOf(target, await writeTarget(connection, target)))
        return mergeChanges(changes)
      },
      changesOfBefore: async () => mergeChanges(targets.flatMap((target) => changeOf(target, target.known))),
    })
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
