// Watches how long a gateway's event loop is held up, from a process of its own.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Seen, Watched } from './watcher.process.ts'

/** Longer than this nobody is to wait for the event loop. */
export const maxHeldMs = 1_000

export type Watcher = ReturnType<typeof startWatcher>

export function startWatcher(watched: Watched) {
  const child = fork(join(import.meta.dirname, 'watcher.process.ts'), [JSON.stringify(watched)], {
    execArgv: [],
  })
  let latest: Promise<unknown> = Promise.resolve()

  async function ask(): Promise<Seen> {
    const answer = once(child, 'message')
    child.send('take')
    const [seen] = (await answer) as [Seen]
    return seen
  }

  return {
    /** What was seen since it was asked before. */
    take(): Promise<Seen> {
      const seen = latest.then(ask)
      latest = seen
      return seen
    },
    async stop() {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}
