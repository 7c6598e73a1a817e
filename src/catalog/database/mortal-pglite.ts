// PGlite, which dies of a disk that is full when it writes its log: its next call would never return, so the process ends first.

import { rm, writeFile } from 'node:fs/promises'
import { PGlite } from '@electric-sql/pglite'
import type { Logger } from 'pino'
import { isDiskFull } from '../../full-disk.ts'

/** As much as a segment of PostgreSQL's log: with less, it would die while it opens, without a word. */
const roomBytes = 16 * 1024 * 1024

/** Throws unless the disk that holds the folder has room for the engine to open. */
async function checkRoom(folder: string): Promise<void> {
  const probe = `${folder}.room`
  try {
    await writeFile(probe, Buffer.alloc(roomBytes))
  } catch (error) {
    if (!isDiskFull(error)) throw error
    const message = `The disk that holds the catalog (${folder}) is full: make at least 16 MB of room and start the gateway again`
    throw new Error(message, { cause: error })
  } finally {
    await rm(probe, { force: true })
  }
}

class MortalPglite extends PGlite {
  readonly #log: Logger

  constructor(folder: string, log: Logger) {
    super({ dataDir: folder })
    this.#log = log
  }

  /** What was acknowledged is in the folder: the next start recovers from the log, as after a kill. */
  override async execProtocolStream(...args: Parameters<PGlite['execProtocolStream']>) {
    try {
      return await super.execProtocolStream(...args)
    } catch (error) {
      if (error instanceof Error && isMortal(error)) {
        const message =
          'The disk that holds the catalog is full, and its engine cannot go on: the gateway ends. Make room under DATA_DIR and start it again, unless what started it does'
        this.#log.fatal({ err: error }, message)
        process.exit(1)
      }
      throw error
    }
  }
}

/** A table or an index that cannot grow is a failure of its statement alone. */
function isMortal(error: Error): boolean {
  if ('severity' in error && error.severity === 'PANIC') return true
  return isDiskFull(error) && !/could not extend file/.test(error.message)
}

export async function createPglite(folder: string, log: Logger): Promise<PGlite> {
  await checkRoom(folder)
  const pglite = new MortalPglite(folder, log)
  await pglite.waitReady
  return pglite
}
