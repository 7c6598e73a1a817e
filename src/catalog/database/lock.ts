// One process for one data folder: a lock that the operating system drops with its holder, and a file that names the holder.

import { readFile, rm, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'

export interface FolderLock {
  release(): Promise<void>
}

/** Another process has the folder; the message names it. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
}

/** SQLite's code for a lock that another connection holds. */
const busy = 5

/**
 * `path` becomes a text file with this process's id. The lock itself is SQLite's, on a file beside it: a killed process
 * loses it at once, whatever process has its id by now, and containers that share the folder see each other's.
 * Throws a FolderInUse, a sentence that names the process which has the folder; nothing was touched then.
 */
export async function acquireLock(path: string): Promise<FolderLock> {
  const held = holdFile(`${path}.held`)
  if (held === null) throw new FolderInUse(await describeHolder(path))
  try {
    await writeFile(path, `${process.pid}\n`)
  } catch (error) {
    held.close()
    throw error
  }

  let released = false
  return {
    async release() {
      if (released) return
      released = true
      await rm(path, { force: true })
      held.close()
    },
  }
}

/** Null when another holds it. */
function holdFile(path: string): DatabaseSync | null {
  const database = new DatabaseSync(path)
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return null
    throw new Error(`The data folder cannot be locked with ${path}: ${String(error)}`, { cause: error })
  }
}

async function describeHolder(path: string): Promise<string> {
  const pid = (await readFile(path, 'utf8').catch(() => '')).trim()
  const holder = pid === '' ? 'another process' : `process ${pid}`
  return `The data folder is in use by ${holder} (${path}). Stop it first, or give this gateway a DATA_DIR of its own.`
}
