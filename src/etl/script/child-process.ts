// A child process as the gateway sees it: started on need, asked, limited in time, and replaced when it has ended.

import type { Logger } from 'pino'
import { type Running, startProcess } from '../../processes/running.ts'
import type { Failure } from './isolate/evaluation.ts'
import type { Description } from './isolate/harness.ts'
import type { Reply, Request, Told, Work } from './messages.ts'
import type { ScriptSource } from './script.ts'

/** What became of an ETL's work that failed; engine.ts puts it in a client's words. */
export class SandboxError extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

export interface Script extends ScriptSource {
  /** Names this very source: its language and content hash. */
  key: string
}

export interface ChildOptions {
  timeoutMs: number
  memoryMb: number
  log: Logger
}

/** How much longer than its own limit a child may stay silent before it is killed. */
const graceMs = 2000
const loadLimitMs = 15_000

interface Pending {
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
  timer: NodeJS.Timeout
}

type Message = { op: 'load'; script: ScriptSource } | Work
type Answer = Exclude<Reply, { alive: true }>

/** One running process and what it has been asked. */
interface Asked {
  process: Running<Request>
  pending: Map<number, Pending>
}

function startChild({ timeoutMs, memoryMb, log }: ChildOptions, onExit: (ended: Asked) => void): Asked {
  const title = 'The process that runs ETLs'
  const process = startProcess<Request, Reply>(
    {
      title,
      entry: new URL('./child.ts', import.meta.url),
      args: [String(timeoutMs), String(memoryMb)],
      // isolated-vm needs a process without a start-up snapshot; a fixed zone and language make dates read alike everywhere.
      // Batches are short-lived: where they fit among an isolate's young objects, collecting them costs half as much.
      execArgv: ['--no-node-snapshot', '--min-semi-space-size=16', '--max-semi-space-size=16'],
      env: { LC_ALL: 'en_US.UTF-8' },
      log,
    },
    {
      heard(reply) {
        if ('alive' in reply) asked.pending.get(reply.id)?.timer.refresh()
        else settle(asked, reply.id)?.resolve(reply)
      },
      ended(how) {
        onExit(asked)
        if (asked.pending.size === 0) return
        log.warn(how, `${title} ended; the next one is started on need`)
        const message = `the process it ran in ended (${how.signal ?? `code ${how.code}`}): most likely it asked for far too much memory at once`
        for (const id of [...asked.pending.keys()])
          settle(asked, id)?.reject(new SandboxError({ kind: 'crash', message }))
      },
    },
  )
  const asked: Asked = { process, pending: new Map() }
  return asked
}

function settle({ pending }: Asked, id: number): Pending | undefined {
  const entry = pending.get(id)
  pending.delete(id)
  if (entry !== undefined) clearTimeout(entry.timer)
  return entry
}

/** Is given what the script has said, as JSON, before the work's end is told. */
export type OnSaid = (said: string) => void

export type Child = ReturnType<typeof createChild>

/** A process that is started on need, and again after it has ended. */
export function createChild(options: ChildOptions) {
  let running: Asked | null = null
  let nextId = 1

  /** An idle process does not keep the gateway's own alive. */
  function start(): Asked {
    const fresh = startChild(options, (ended) => {
      if (running === ended) running = null
    })
    running = fresh
    fresh.process.hold(false)
    return fresh
  }

  function kill(): void {
    const dying = running
    running = null
    dying?.process.kill()
  }

  async function send(key: string, message: Message, limitMs: number): Promise<Answer> {
    const target = running ?? start()
    const id = nextId++
    try {
      return await new Promise((resolve, reject) => {
        const overdue = () => {
          settle(target, id)
          reject(
            new SandboxError({ kind: 'timeout', message: `it ran for more than ${limitMs - graceMs} ms` }),
          )
          kill()
        }
        target.pending.set(id, { resolve, reject, timer: setTimeout(overdue, limitMs) })
        target.process.hold(true)
        target.process.post({ ...message, id, key })
      })
    } finally {
      if (target.pending.size === 0) target.process.hold(false)
    }
  }

  function toldBy(answer: Answer): Told {
    if ('text' in answer) return answer.text
    if ('texts' in answer) return answer.texts
    if ('rows' in answer) return answer.rows
    throw new SandboxError(
      'failure' in answer ? answer.failure : { kind: 'crash', message: 'its process forgot it' },
    )
  }

  async function load({ key, language, source }: Script): Promise<Description> {
    const text = toldBy(await send(key, { op: 'load', script: { language, source } }, loadLimitMs))
    const described: Description | { failure: Failure } = JSON.parse(String(text))
    if ('failure' in described) throw new SandboxError(described.failure)
    return described
  }

  async function ask(script: Script, work: Work, onSaid?: OnSaid): Promise<Told> {
    // The start of a process is not the script's time.
    if (running === null) await load(script)
    const limitMs = (work.op === 'frameRun' ? work.timeoutMs : options.timeoutMs) + graceMs
    let answer = await send(script.key, work, limitMs)
    if ('missing' in answer) {
      await load(script)
      answer = await send(script.key, work, limitMs)
    }
    if ('said' in answer && answer.said !== undefined) onSaid?.(answer.said)
    return toldBy(answer)
  }

  async function close(): Promise<void> {
    const dying = running?.process
    if (dying === undefined) return
    dying.hold(true)
    kill()
    await dying.exited
  }

  return { load, ask, kill, close }
}
