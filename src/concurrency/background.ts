// Work that nobody waits for: it is tracked, its failures are logged, and closing stops and awaits it.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'

export interface Background {
  /** Aborted when the gateway closes. */
  readonly signal: AbortSignal
  /** Starts a task; `what` names it in the log when it fails. */
  run(what: string, task: (signal: AbortSignal) => Promise<unknown>): void
  /** Has `idle` and `close` wait for work whose failure somebody else handles. */
  track(work: Promise<unknown>): void
  /** Waits in the signal's reach: resolves early when closing. */
  pause(ms: number): Promise<void>
  /** Resolves once no task is left, those that tasks started included. */
  idle(): Promise<void>
  close(): Promise<void>
}

export function createBackground({ log }: { log: Logger }): Background {
  const closing = new AbortController()
  const tasks = new Set<Promise<void>>()

  async function attempt(what: string, task: (signal: AbortSignal) => Promise<unknown>) {
    try {
      await task(closing.signal)
    } catch (error) {
      if (!closing.signal.aborted) log.error({ err: error }, `${what} failed`)
    }
  }

  function track(work: Promise<unknown>) {
    const settled = work.then(
      () => undefined,
      () => undefined,
    )
    const task = settled.finally(() => tasks.delete(task))
    tasks.add(task)
  }

  async function idle() {
    while (tasks.size > 0) await Promise.all(tasks)
  }

  return {
    signal: closing.signal,
    track,
    run(what, task) {
      if (!closing.signal.aborted) track(attempt(what, task))
    },
    pause: (ms) => sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined),
    idle,
    async close() {
      closing.abort(new Error('The gateway is closing.'))
      await idle()
    },
  }
}
