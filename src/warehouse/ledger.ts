// The ledger and the version of a warehouse that has transactions: an append's rows, its entry and the version's step are committed together.

import type { AppendRequest, AppendResult, TableChange } from './port.ts'
import { internalSchema } from './port.ts'

export interface Transactional {
  query(sql: string, values?: readonly string[]): Promise<readonly (readonly unknown[])[]>
  /** At an isolation at which what is committed meanwhile is seen, or refused. */
  begin(): Promise<unknown>
  commit(): Promise<unknown>
  rollback(): Promise<unknown>
}

export async function readVersion({ query }: Pick<Transactional, 'query'>): Promise<number> {
  const [row] = await query(`SELECT version FROM ${internalSchema}.version`)
  return Number(row?.[0])
}

export interface Append {
  /** Within the transaction. */
  write(): Promise<readonly TableChange[]>
  /** What is known of the same batch when it was committed before. */
  changesOfBefore(): Promise<readonly TableChange[]>
}

const enter = `INSERT INTO ${internalSchema}.ledger (job_id, batch, committed_at)
  VALUES (CAST($1 AS VARCHAR), CAST($2 AS BIGINT), CAST(current_timestamp AS TIMESTAMP)) ON CONFLICT DO NOTHING RETURNING batch`

export async function appendOnce(
  transaction: Transactional,
  { jobId, batch }: Pick<AppendRequest, 'jobId' | 'batch'>,
  { write, changesOfBefore }: Append,
): Promise<AppendResult> {
  const { query, begin, commit, rollback } = transaction
  await begin()
  try {
    // Waits for one of the same name that is under way.
    const [entry] = await query(enter, [jobId, String(batch)])
    if (entry === undefined) {
      const version = await readVersion(transaction)
      await rollback()
      return { applied: false, version, changes: await changesOfBefore() }
    }
    const changes = await write()
    // Held until the commit: whoever sees this version sees all that was committed before it.
    const [row] = await query(`UPDATE ${internalSchema}.version SET version = version + 1 RETURNING version`)
    await commit()
    return { applied: true, version: Number(row?.[0]), changes }
  } catch (error) {
    await rollback().catch(() => undefined)
    throw error
  }
}
