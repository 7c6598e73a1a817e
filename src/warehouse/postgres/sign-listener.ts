// Hears at once when a trigger of docs/postgres-signs.sql has noted a change, on a connection of its own.

import pg from 'pg'
import type { Logger } from 'pino'
import { repeat } from '../../concurrency/repeat.ts'

const channel = 'gateway_table_change'
/** Who asks by itself as well loses no change meanwhile. */
const connectAgainMs = 5000

export async function listenForSigns(
  url: string,
  { onSign, log }: { onSign: () => void; log: Logger },
): Promise<{ close(): Promise<void> }> {
  let client: pg.Client | null = null

  async function connect() {
    if (client !== null) return
    const connecting = new pg.Client({ connectionString: url, application_name: 'feature-gateway signs' })
    const lose = () => {
      if (client === connecting) client = null
    }
    connecting.on('error', lose)
    connecting.on('end', lose)
    connecting.on('notification', onSign)
    try {
      await connecting.connect()
      await connecting.query(`LISTEN ${channel}`)
      client = connecting
      onSign()
    } catch (error) {
      await connecting.end().catch(() => undefined)
      throw error
    }
  }

  const failure = 'Notifications of changed tables cannot be heard: they are asked for instead'
  const connecting = repeat({ everyMs: connectAgainMs, failure, log, turn: connect })
  return {
    async close() {
      await connecting.close()
      await client?.end().catch(() => undefined)
    },
  }
}
