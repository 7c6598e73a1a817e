// What the catalog needs of a database, whether it runs in this process or elsewhere.

import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { ConstructorOptions } from 'pg-boss'
import type { Events } from '../../events.ts'
import type { Presence } from './presence.ts'

export interface Database {
  /** For Prisma's client. Timestamps are read and written in UTC, whatever the server's or the role's time zone. */
  adapter: SqlMigrationAwareDriverAdapterFactory
  /**
   * Runs `migrate` in one transaction, on a connection of its own: it is done wholly or, where it throws or the process
   * is killed, not at all. Of two processes at once, the second waits for the first. For the factory's `executeScript`
   * a script is one statement to the server, so it may hold any text.
   */
  inMigration<T>(migrate: (factory: SqlMigrationAwareDriverAdapterFactory) => Promise<T>): Promise<T>
  /** The rows of one statement that changes nothing. */
  read(sql: string): Promise<unknown[][]>
  /** How pg-boss reaches the same database. */
  queue: ConstructorOptions
  /** How other processes on the database see that this one lives; null where there can be no other. */
  presence: Presence | null
  /** Those of every process on the database. */
  events: Events
  /** Copies its files into a folder that is not there yet, as of one moment; null where they are a server's. */
  copyTo: ((folder: string) => Promise<void>) | null
  close(): Promise<void>
}

/** `factory` with `runScript` in the place of its adapters' `executeScript`; `run` is what it would have done. */
export function withScripts(
  factory: SqlMigrationAwareDriverAdapterFactory,
  runScript: (script: string, run: () => Promise<void>) => Promise<unknown>,
): SqlMigrationAwareDriverAdapterFactory {
  async function connect() {
    const adapter = await factory.connect()
    const executeScript = adapter.executeScript.bind(adapter)
    adapter.executeScript = async (script) => {
      await runScript(script, () => executeScript(script))
    }
    return adapter
  }
  return { provider: factory.provider, adapterName: factory.adapterName, connect, connectToShadowDb: connect }
}
