// Snapshots that reads on several connections share: one transaction exports it, and locks what they read against becoming another table.

import type { HeldSnapshot, SnapshotRequest, StatementRequest } from '../port.ts'
import { toPostgresError } from './error.ts'
import { beginLocked, beginReading, type Plans, type PostgresStatement } from './plan.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

export function createSnapshots({
  sessions,
  plans,
  timeoutMs,
}: {
  sessions: Sessions
  plans: Plans
  timeoutMs: number
}) {
  async function exportSnapshot(session: Session, statements: readonly string[]): Promise<string> {
    const lockable = new Set<string>()
    for (const sql of statements)
      for (const name of (await plans.make(session, sql)).lockable) lockable.add(name)
    await beginLocked(session, [...lockable], ['SET LOCAL idle_in_transaction_session_timeout = 0'])
    const [row] = await session.query('SELECT pg_catalog.pg_export_snapshot()')
    return String(row?.[0])
  }

  return {
    async hold({ statements, signal }: SnapshotRequest): Promise<HeldSnapshot> {
      const lease = await sessions.lease('hold', signal).catch((error: unknown) => {
        throw toPostgresError(error, { signal })
      })
      try {
        const id = await lease.run(() => exportSnapshot(lease.session, statements))
        return { id, release: lease.release }
      } catch (error) {
        await lease.release()
        throw toPostgresError(error, { signal })
      }
    },

    /** In a transaction at the request's snapshot, where it has one. */
    async within<T>(
      session: Session,
      plan: PostgresStatement,
      { snapshot }: Pick<StatementRequest, 'snapshot'>,
      work: () => Promise<T>,
    ): Promise<T> {
      if (snapshot === undefined) return work()
      await beginReading(session, plan, { timeoutMs, snapshot })
      const result = await work()
      await session.script('COMMIT')
      return result
    },
  }
}
