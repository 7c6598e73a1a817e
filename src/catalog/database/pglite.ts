// PostgreSQL inside this process: the embedded catalog, in a folder.

import { constants } from 'node:fs'
import { chmod, cp, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import type { PGlite } from '@electric-sql/pglite'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { fromPglite } from 'pg-boss'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import type { Logger } from 'pino'
import { createEvents } from '../../events.ts'
import { type Database, withScripts } from './database.ts'
import { createPglite } from './mortal-pglite.ts'

/** No more than this goes by in silence while the folder is prepared. */
const announceAfterMs = 1000

/** The folder must not be open in another process: see `acquireLock`. */
export async function openPglite({ folder, log }: { folder: string; log: Logger }): Promise<Database> {
  const pglite = await openFolder(folder, log)
  const adapter = withIsolation(new PrismaPGlite(pglite))
  const queue = fromPglite(pglite)
  return {
    adapter,
    async inMigration(migrate) {
      await pglite.exec('BEGIN')
      try {
        // The adapter's own way neither waits for a script nor tells of its failure.
        const result = await migrate(withScripts(adapter, (script) => pglite.exec(script)))
        await pglite.exec('COMMIT')
        return result
      } catch (error) {
        await pglite.exec('ROLLBACK')
        throw error
      }
    },
    read: async (sql) => (await pglite.query<unknown[]>(sql, [], { rowMode: 'array' })).rows,
    queue: { db: queue, backend: 'pglite' },
    presence: null,
    events: createEvents(),
    async copyTo(to) {
      await pglite.exec('CHECKPOINT')
      // No statement runs meanwhile: the files are as after a kill, which they survive.
      await pglite.runExclusive(() => cp(folder, to, { recursive: true, mode: constants.COPYFILE_FICLONE }))
    },
    close: () => pglite.close(),
  }
}

/** The adapter's own `startTransaction` asks for an isolation level before its transaction begins, where that does nothing. */
function withIsolation(
  factory: SqlMigrationAwareDriverAdapterFactory,
): SqlMigrationAwareDriverAdapterFactory {
  async function connect() {
    const adapter = await factory.connect()
    const startTransaction = adapter.startTransaction.bind(adapter)
    adapter.startTransaction = async (isolationLevel) => {
      const transaction = await startTransaction()
      if (isolationLevel !== undefined) {
        const sql = `SET TRANSACTION ISOLATION LEVEL ${isolationLevel}`
        await transaction.executeRaw({ sql, args: [], argTypes: [] })
      }
      return transaction
    }
    return adapter
  }
  return { provider: factory.provider, adapterName: factory.adapterName, connect, connectToShadowDb: connect }
}

/** A folder whose first preparation was cut short holds nothing yet and cannot be opened: it is prepared anew. */
async function openFolder(folder: string, log: Logger): Promise<PGlite> {
  const unprepared = `${folder}.unprepared`
  if (await exists(unprepared)) await rm(folder, { recursive: true, force: true })
  const isNew = !(await exists(folder))
  const timer = setTimeout(() => {
    log.info(isNew ? `Preparing the catalog's database in ${folder}, once …` : 'Opening the catalog …')
  }, announceAfterMs)
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if (isNew) await writeFile(unprepared, 'The folder beside this file is not wholly prepared.\n')
    const pglite = await createPglite(folder, log)
    if (isNew) {
      await chmod(folder, 0o700)
      await rm(unprepared)
    }
    await pglite.exec(`SET TIME ZONE 'UTC'`)
    return pglite
  } finally {
    clearTimeout(timer)
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
