// The catalog on a PostgreSQL server, which any number of gateways may share.

import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type { Logger } from 'pino'
import { ConfigError } from '../../config/config-error.ts'
import { messageOf } from '../../errors.ts'
import { type Database, withScripts } from './database.ts'
import { openSharedEvents, type SharedEvents } from './postgres-events.ts'
import { announcePresence, type Presence } from './presence.ts'

/** Any number that no other user of the database takes its advisory locks with. */
const migrationLock = 7_203_814_690_221n

const connecting = { connectionTimeoutMillis: 10_000, keepAlive: true }
/** A server that has not answered a statement by then, of which none takes long, is taken for lost. */
const answerWithinMs = 20_000

/** Prisma's adapter reads and writes timestamps as if every session were in UTC, so every session is. */
const sessionOptions = '-c TimeZone=UTC'

export async function openPostgres({ url, log }: { url: string; log: Logger }): Promise<Database> {
  const connectionString = checkUrl(url)
  const options = withSessionOptions(connectionString)
  const pool = createPool({ max: 10, query_timeout: answerWithinMs })

  function createPool(limits: pg.PoolConfig): pg.Pool {
    const created = new pg.Pool({ connectionString, options, ...connecting, ...limits })
    created.on('error', (error) => log.warn({ err: error }, 'An idle connection to the catalog was lost'))
    return created
  }

  const connection = { connectionString, options }
  let presence: Presence | undefined
  let events: SharedEvents
  try {
    presence = await announcePresence({ connection, log })
    events = await openSharedEvents({ connection, log })
  } catch (error) {
    await presence?.close()
    await pool.end()
    const { host } = new URL(connectionString)
    throw new Error(`The catalog's PostgreSQL at ${host} cannot be reached: ${reasonOf(error)}`, {
      cause: error,
    })
  }

  return {
    adapter: new PrismaPg(pool),
    async inMigration(migrate) {
      const single = createPool({ max: 1, idleTimeoutMillis: 0 })
      let lost = false
      single.on('remove', () => {
        lost = true
      })
      try {
        await single.query('BEGIN')
        await single.query('SELECT pg_advisory_xact_lock($1)', [migrationLock])
        // Prisma's own way cuts a script at every semicolon, quoted or not.
        const factory = withScripts(new PrismaPg(single), (script) => single.query(script))
        const result = await migrate(factory)
        if (lost) throw new Error('The connection to the catalog was lost in the middle of its migration')
        await single.query('COMMIT')
        return result
      } finally {
        // Ending the connection rolls back what was not committed.
        await single.end()
      }
    },
    read: async (text) => (await pool.query<unknown[]>({ text, rowMode: 'array' })).rows,
    queue: { connectionString, options, max: 4, application_name: 'feature-gateway-queue' },
    presence,
    events,
    copyTo: null,
    async close() {
      await events.close()
      await presence?.close()
      await pool.end()
    },
  }
}

function checkUrl(url: string): string {
  if (!URL.canParse(url)) {
    throw new ConfigError('CATALOG_URL must be like postgres://user:password@host:5432/database')
  }
  if (new URL(url).searchParams.has('schema')) {
    throw new ConfigError(
      'CATALOG_URL takes no `schema`: the catalog lives in the schema `public` of a database of its own',
    )
  }
  return url
}

/** The URL's own `options` come first; ours have the last word. */
function withSessionOptions(url: string): string {
  const given = new URL(url).searchParams.get('options')
  return given === null ? sessionOptions : `${given} ${sessionOptions}`
}

/** Of an address that resolves to several, pg tells each failure apart and leaves the message empty. */
function reasonOf(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(reasonOf).join('; ') : messageOf(error)
}
