// A sign of life that other processes on the same PostgreSQL can see, and that the server drops as soon as this one is gone.

import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Logger } from 'pino'
import { callAgain } from '../../concurrency/retry.ts'

export interface Presence {
  /** What this process signs its unfinished work with. */
  owner: string
  close(): Promise<void>
}

const reconnectAfterMs = 1000

/** SQL that is true where nobody holds the presence of the owner that `column` names. */
export function isGone(column: string): string {
  return `pg_try_advisory_xact_lock(hashtextextended(${column}, 0))`
}

/**
 * Holds an advisory lock for as long as the process lives, on a connection of its own. A connection that is lost is made
 * anew; until then others may take this process for gone.
 */
export async function announcePresence({
  connection,
  log,
}: {
  connection: pg.ClientConfig
  log: Logger
}): Promise<Presence> {
  const owner = randomUUID()
  const closing = new AbortController()
  let client = await hold()

  async function hold(): Promise<pg.Client> {
    const holder = new pg.Client({
      ...connection,
      keepAlive: true,
      application_name: 'feature-gateway-presence',
    })
    holder.on('error', (error) =>
      log.warn({ err: error }, 'The connection that shows this gateway alive was lost'),
    )
    await holder.connect()
    await holder.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [owner])
    holder.once('end', () => void holdAgain())
    return holder
  }

  async function holdAgain(): Promise<void> {
    if (closing.signal.aborted) return
    const held = await callAgain(hold, () => reconnectAfterMs, closing.signal).catch(() => null)
    if (held === null) return
    client = held
    if (closing.signal.aborted) await held.end()
  }

  return {
    owner,
    async close() {
      closing.abort()
      await client.end()
    },
  }
}
