// Looks at what tables tell by themselves of changes that others make, and has the views follow.

import type { Logger } from 'pino'
import { type Repetition, repeat } from '../../concurrency/repeat.ts'
import { signsEveryMs } from '../../features/freshness.ts'
import type { KeyColumns, TableChange, Warehouse } from '../../warehouse/port.ts'

export interface SignsWatch {
  /** Resolves once what had changed before is known. */
  start(): Promise<void>
  close(): Promise<void>
}

export function createSignsWatch(options: {
  warehouse: Pick<Warehouse, 'signs'>
  keysRead: (tables: readonly string[]) => Promise<readonly KeyColumns[]>
  /** Resolves once no view serves what was before as fresh. */
  follow: (changes: readonly TableChange[]) => Promise<void>
  log: Logger
}): SignsWatch {
  const { warehouse, keysRead, follow, log } = options
  const { signs } = warehouse
  let looking: Promise<void> | undefined
  let again = false
  let listening: { close(): Promise<void> } | undefined
  let watching: Repetition | undefined
  let isClosed = false

  async function lookOnce() {
    const found = await signs?.read(keysRead)
    if (found == null) return
    listening ??= await signs?.listen?.(() => void look().catch(() => undefined))
    if (found.changes.length > 0) await follow(found.changes)
    await found.done()
    again = true
  }

  async function lookUntilQuiet() {
    do {
      again = false
      await lookOnce()
    } while (again && !isClosed)
  }

  /** One look at a time: who asks while one is under way has another follow it. */
  function look(): Promise<void> {
    again = true
    looking ??= lookUntilQuiet().finally(() => {
      looking = undefined
    })
    return looking
  }

  return {
    async start() {
      if (signs === undefined) return
      const failure = 'Signs of changed tables could not be looked at'
      await look().catch((error: unknown) => log.warn({ err: error }, failure))
      watching = repeat({ everyMs: signsEveryMs, failure, log, turn: look })
    },
    async close() {
      isClosed = true
      await watching?.close()
      await listening?.close()
      await looking?.catch(() => undefined)
    },
  }
}
