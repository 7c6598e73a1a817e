// The pool of child processes that ETLs run in: who may use one, in which order, and when it is stopped.

import { AppError } from '../../errors.ts'
import { type Child, type ChildOptions, createChild, type OnSaid, type Script } from './child-process.ts'
import type { Description } from './isolate/harness.ts'
import type { Told, Work } from './messages.ts'

/** SERVING goes before BATCH; FRAME, which may hold a child for long, never takes the last one. */
export type Urgency = 'SERVING' | 'BATCH' | 'FRAME'

/** A child, held by one caller. Requests are answered in order; a failure leaves the lease usable. */
export interface Lease {
  /** Loads the script: what it exports. */
  load(script: Script): Promise<Description>
  ask(script: Script, work: Work, onSaid?: OnSaid): Promise<Told>
  release(): void
}

export interface Sandbox {
  readonly size: number
  lease(urgency: Urgency, signal?: AbortSignal): Promise<Lease>
  close(): Promise<void>
}

const size = 2
const abortGraceMs = 250

function closedError(): AppError {
  return new AppError('INTERNAL', 'The ETL engine is closed')
}

interface Waiting {
  urgency: Urgency
  grant: (child: Child) => void
  refuse: (error: unknown) => void
}

export function createSandbox(options: ChildOptions): Sandbox {
  const children = Array.from({ length: size }, () => createChild(options))
  const free = [...children]
  const waiting: Waiting[] = []
  let frames = 0
  let closed = false

  function mayRun(urgency: Urgency): boolean {
    return urgency !== 'FRAME' || frames < size - 1
  }

  function dispatch(): void {
    for (const urgency of ['SERVING', 'BATCH', 'FRAME'] as const) {
      for (let i = 0; i < waiting.length && free.length > 0; ) {
        const entry = waiting[i]
        if (entry?.urgency !== urgency || !mayRun(urgency)) {
          i++
          continue
        }
        waiting.splice(i, 1)
        if (urgency === 'FRAME') frames++
        const child = free.pop()
        if (child !== undefined) entry.grant(child)
      }
    }
  }

  async function lease(urgency: Urgency, signal?: AbortSignal): Promise<Lease> {
    signal?.throwIfAborted()
    if (closed) throw closedError()
    const child = await new Promise<Child>((resolve, reject) => {
      const leave = () => {
        waiting.splice(waiting.indexOf(entry), 1)
        reject(signal?.reason)
      }
      const settled = () => signal?.removeEventListener('abort', leave)
      const entry: Waiting = {
        urgency,
        grant(granted) {
          settled()
          resolve(granted)
        },
        refuse(error) {
          settled()
          reject(error)
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      waiting.push(entry)
      dispatch()
    })
    return hold(child, urgency, signal)
  }

  /** An abort in the middle of a request ends the child, unless it is through in a moment: the work stops, not only the waiting. */
  function hold(child: Child, urgency: Urgency, signal: AbortSignal | undefined): Lease {
    let held = true
    async function watch<T>(work: () => Promise<T>): Promise<T> {
      signal?.throwIfAborted()
      if (closed) throw closedError()
      let timer: NodeJS.Timeout | undefined
      const stop = () => {
        timer = setTimeout(child.kill, urgency === 'FRAME' ? 0 : abortGraceMs)
      }
      signal?.addEventListener('abort', stop, { once: true })
      try {
        return await work()
      } catch (error) {
        signal?.throwIfAborted()
        if (closed) throw closedError()
        throw error
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
      }
    }
    return {
      load: (script) => watch(() => child.load(script)),
      ask: (script, work, onSaid) => watch(() => child.ask(script, work, onSaid)),
      release() {
        if (!held) return
        held = false
        if (urgency === 'FRAME') frames--
        free.push(child)
        dispatch()
      },
    }
  }

  return {
    size,
    lease,
    async close() {
      closed = true
      for (const { refuse } of waiting.splice(0)) refuse(closedError())
      await Promise.all(children.map((child) => child.close()))
    },
  }
}
