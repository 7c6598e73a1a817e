// Appends to the embedded warehouse, one at a time.

import type { DuckDBConnection } from '@duckdb/node-api'
import { createTurns } from '../../concurrency/turns.ts'
import type { Database } from '../../duckdb/database.ts'
import { appendOnce, type Transactional } from '../ledger.ts'
import type { AppendFilesRequest, AppendRequest, AppendResult, TableChange } from '../port.ts'
import { mergeChanges } from '../stored-keys.ts'
import { changeOf as changeOfFiles, writeFiles } from './append-files.ts'
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

  async function appendFiles(
    connection: DuckDBConnection,
    { tables: parts, keys, maxKeys, ...entry }: AppendFilesRequest,
  ): Promise<AppendResult> {
    async function changes() {
      const all: TableChange[] = []
      for (const part of parts) all.push(await changeOfFiles(connection, tables(), { part, keys, maxKeys }))
      return mergeChanges(all)
    }
    return appendOnce(transactionOf(connection), entry, {
      async write() {
        for (const part of parts) await writeFiles(connection, tables(), part)
        return changes()
      },
      changesOfBefore: changes,
    })
  }

  function inTurn<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    return turns.alone(() => write(work))
  }

  return {
    append: (request: AppendRequest): Promise<AppendResult> =>
      inTurn((connection) => append(connection, request)),
    appendFiles: (request: AppendFilesRequest): Promise<AppendResult> =>
      inTurn((connection) => appendFiles(connection, request)),
    /** Work between two appends. */
    inTurn,
    /** Resolves when the appends begun so far have ended. */
    settled: () => turns.alone(async () => undefined),
  }
}
