// Snapshots of the embedded warehouse that several reads share: each a transaction on a connection of its own.

import { randomUUID } from 'node:crypto'
import type { HeldConnection, Lease } from '../../duckdb/connections.ts'
import type { Database } from '../../duckdb/database.ts'
import { AppError } from '../../errors.ts'
import { readVersion } from '../ledger.ts'
import type { HeldSnapshot } from '../port.ts'
import { transactionOf } from './append.ts'

export interface Snapshots {
  hold(signal: AbortSignal | undefined): Promise<HeldSnapshot>
  /** Stands in the snapshot's transaction. Throws WAREHOUSE_FAILED where that is no more. */
  lease(id: string, signal: AbortSignal | undefined): Promise<Lease>
}

export function createSnapshots(database: () => Pick<Database, 'hold'>): Snapshots {
  const all = new Map<string, HeldConnection>()

  async function release(id: string): Promise<void> {
    const held = all.get(id)
    all.delete(id)
    await held?.release()
  }

  return {
    async hold(signal) {
      const id = randomUUID()
      const held = await database().hold()
      all.set(id, held)
      try {
        const { connection, run, release: end } = await held.lease(signal)
        // The engine chooses what is seen when the transaction first reads.
        await run(async () => {
          await connection.run('BEGIN TRANSACTION READ ONLY')
          await readVersion(transactionOf(connection))
        }).finally(end)
        return { id, release: () => release(id) }
      } catch (error) {
        await release(id)
        throw error
      }
    },

    async lease(id, signal) {
      const held = all.get(id)
      if (held === undefined)
        throw new AppError(
          'WAREHOUSE_FAILED',
          'The snapshot was lost with the engine that held it; ask again in a moment.',
        )
      const lease = await held.lease(signal)
      return {
        ...lease,
        async run(work) {
          try {
            return await lease.run(work)
          } catch (error) {
            // An abort ends the transaction: nobody may read in what is left of it.
            if (signal?.aborted) void release(id)
            throw error
          }
        },
      }
    },
  }
}
