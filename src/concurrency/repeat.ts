// Work that is done again and again while the gateway runs: a failure is logged, and waits for the next turn.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'

export interface Repetition {
  /** No turn begins any more; resolves when the one under way has ended. */
  close(): Promise<void>
}

/** The first turn begins at once. `failure` is the log's sentence for a turn that fails. */
export function repeat(options: {
  everyMs: number
  failure: string
  log: Logger
  turn(signal: AbortSignal): Promise<unknown>
}): Repetition {
  const { everyMs, failure, log, turn } = options
  const closing = new AbortController()
  const { signal } = closing

  async function run() {
    while (!signal.aborted) {
      await turn(signal).catch((error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, failure)
      })
      await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  const running = run()
  return {
    async close() {
      closing.abort()
      await running
    },
  }
}

/** For a turn over many: the work is done for each in turn, whatever becomes of the others, and what failed is thrown after. */
export async function forEachOf<Item>(
  items: Iterable<Item>,
  signal: AbortSignal,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  const failures: unknown[] = []
  for (const item of items) {
    if (signal.aborted) return
    await work(item).catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 1) throw new AggregateError(failures, `${failures.length} of them failed`)
  if (failures.length === 1) throw failures[0]
}
