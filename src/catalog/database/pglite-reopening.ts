// The embedded catalog's engine dies of a disk that is full when it writes its log; it is opened anew in the same process.

import { open, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import type { Logger } from 'pino'
import { isDiskFull } from '../../full-disk.ts'

/** How often it is looked whether there is room again. */
const lookEveryMs = 1000
/** As much as a segment of PostgreSQL's log: with less, it would die while it opens. */
const roomBytes = 16 * 1024 * 1024

export interface MortalPglite {
  pglite: PGlite
  /** Resolves with the reason, once it can be used no more; every call fails with it from then on. */
  dead: Promise<Error>
}

/**
 * After a failure to write its log or a checkpoint, PGlite's next call would never return, and hold up the whole
 * process. So no call reaches it from then on.
 */
class Mortal extends PGlite {
  readonly #death = Promise.withResolvers<Error>()
  #reason: Error | undefined
  readonly dead = this.#death.promise

  override async execProtocolStream(...args: Parameters<PGlite['execProtocolStream']>) {
    try {
      return await super.execProtocolStream(...args)
    } catch (error) {
      if (error instanceof Error && isMortal(error)) {
        this.#reason ??= error
        this.#death.resolve(error)
      }
      throw error
    }
  }

  override execProtocolRawSync(message: Uint8Array) {
    if (this.#reason !== undefined) throw this.#reason
    return super.execProtocolRawSync(message)
  }
}

export async function createMortalPglite(folder: string): Promise<MortalPglite> {
  const pglite = new Mortal({ dataDir: folder })
  await pglite.waitReady
  return { pglite, dead: pglite.dead }
}

/** A table or an index that cannot grow is a failure of its statement alone. */
function isMortal(error: Error): boolean {
  if ('severity' in error && error.severity === 'PANIC') return true
  return isDiskFull(error) && !/could not extend file/.test(error.message)
}

type Listen = Parameters<PGlite['listen']>

/**
 * A PGlite that is opened anew whenever it dies. What was acknowledged is in its folder; transactions under way fail,
 * and so does every call until it is open again. Its `listen` goes on through that.
 */
export async function keepOpen(
  openFolder: () => Promise<MortalPglite>,
  { folder, log }: { folder: string; log: Logger },
) {
  const closing = new AbortController()
  const listens = new Set<Listen>()
  let current: PGlite
  let isDead = false
  let reopening: Promise<void> = Promise.resolve()

  function adopt({ pglite, dead }: MortalPglite) {
    current = pglite
    isDead = false
    dead.then((reason) => {
      isDead = true
      log.error(
        { err: reason },
        'The catalog’s engine cannot go on; it is opened anew as soon as the disk has room. Make room under DATA_DIR',
      )
      reopening = reopen().catch((error: unknown) => {
        if (!closing.signal.aborted)
          log.error({ err: error }, 'The catalog is not opened anew: restart the gateway')
      })
    })
    return pglite
  }

  async function reopen() {
    for (;;) {
      await sleep(lookEveryMs, undefined, { signal: closing.signal })
      if (!(await hasRoom(`${folder}.room`))) continue
      try {
        const opened = await openFolder()
        for (const listen of listens) await opened.pglite.listen(...listen)
        adopt(opened)
        log.info('The catalog is open again')
        return
      } catch (error) {
        log.warn({ err: error }, 'The catalog could not be opened anew; it is tried again')
      }
    }
  }

  async function listen(...args: Listen) {
    const unlisten = await current.listen(...args)
    listens.add(args)
    return async () => {
      listens.delete(args)
      await unlisten()
    }
  }

  current = adopt(await openFolder())
  const pglite = new Proxy({} as PGlite, {
    get(_first, name) {
      if (name === 'listen') return listen
      const member: unknown = Reflect.get(current, name)
      return typeof member === 'function' ? member.bind(current) : member
    },
  })
  return {
    pglite,
    async close() {
      closing.abort()
      await reopening
      // The dead cannot be closed; the next start recovers from its log, as after a kill.
      if (!isDead) await current.close()
    },
  }
}

async function hasRoom(probe: string): Promise<boolean> {
  try {
    const file = await open(probe, 'w')
    try {
      await file.writeFile(Buffer.alloc(roomBytes))
    } finally {
      await file.close()
    }
    return true
  } catch {
    return false
  } finally {
    await rm(probe, { force: true })
  }
}
