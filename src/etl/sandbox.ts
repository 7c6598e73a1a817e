// The pool of child processes that ETLs run in: leases, time limits, and a fresh process after a crash.

import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { AppError } from '../errors.ts'
import type { Description, Failure } from './isolate/harness.ts'
import type { Reply, Request, Work } from './messages.ts'
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

/** SERVING goes before BATCH; FRAME, which may hold a child for long, never takes the last one. */
export type Urgency = 'SERVING' | 'BATCH' | 'FRAME'

/** A child, held by one caller. Requests are answered in order; a failure leaves the lease usable. */
export interface Lease {
  /** Loads the script: what it exports. */
  load(script: Script): Promise<Description>
  ask(script: Script, work: Work): Promise<string>
  release(): void
}

export interface Sandbox {
  readonly size: number
  lease(urgency: Urgency, signal?: AbortSignal): Promise<Lease>
  close(): Promise<void>
}

export interface SandboxOptions {
  timeoutMs: number
  memoryMb: number
  size?: number
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
interface Running {
  process: ChildProcess
  pending: Map<number, Pending>
}

function startProcess(
  { timeoutMs, memoryMb, log }: Omit<SandboxOptions, 'size'>,
  onExit: (ended: Running) => void,
): Running {
  const entry = fileURLToPath(new URL('./child.ts', import.meta.url))
  const started = fork(entry, [String(timeoutMs), String(memoryMb)], {
    // isolated-vm needs a process without a start-up snapshot; a fixed zone and language make dates read alike everywhere.
    execArgv: ['--no-node-snapshot', '--disable-warning=ExperimentalWarning'],
    env: { TZ: 'UTC', LC_ALL: 'C' },
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const running: Running = { process: started, pending: new Map() }
  let complaint = ''
  started.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4000)
  })
  started.on('message', (reply: Reply) => {
    if ('alive' in reply) running.pending.get(reply.id)?.timer.refresh()
    else settle(running, reply.id)?.resolve(reply)
  })
  started.on('error', (error) => log.error({ error }, 'The process that runs ETLs could not be used'))
  started.once('exit', (code, signal) => {
    onExit(running)
    if (running.pending.size === 0) return
    log.warn({ code, signal, complaint }, 'The process that runs ETLs ended; the next one is started on need')
    const message = `the process it ran in ended (${signal ?? `code ${code}`}): most likely it asked for far too much memory at once`
    for (const id of [...running.pending.keys()]) {
      settle(running, id)?.reject(new SandboxError({ kind: 'crash', message }))
    }
  })
  return running
}

function settle({ pending }: Running, id: number): Pending | undefined {
  const entry = pending.get(id)
  pending.delete(id)
  if (entry !== undefined) clearTimeout(entry.timer)
  return entry
}

/** An idle process does not keep the gateway's own alive. */
function rest({ process }: Running): void {
  process.unref()
  process.channel?.unref()
  if (process.stderr !== null && 'unref' in process.stderr) (process.stderr as Socket).unref()
}

function createChild(options: Omit<SandboxOptions, 'size'>) {
  let running: Running | null = null
  let nextId = 1

  function start(): Running {
    const fresh = startProcess(options, (ended) => {
      if (running === ended) running = null
    })
    running = fresh
    rest(fresh)
    return fresh
  }

  function kill(): void {
    const dying = running
    running = null
    dying?.process.kill('SIGKILL')
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
        target.process.channel?.ref()
        target.process.send({ ...message, id, key } satisfies Request, (error) => {
          if (error === null) return
          settle(target, id)?.reject(
            new SandboxError({ kind: 'crash', message: 'its process ended before it was asked' }),
          )
        })
      })
    } finally {
      if (target.pending.size === 0) rest(target)
    }
  }

  function textOf(answer: Answer): string {
    if ('text' in answer) return answer.text
    throw new SandboxError(
      'failure' in answer ? answer.failure : { kind: 'crash', message: 'its process forgot it' },
    )
  }

  async function load({ key, language, source }: Script): Promise<Description> {
    const text = textOf(await send(key, { op: 'load', script: { language, source } }, loadLimitMs))
    const described: Description | { failure: Failure } = JSON.parse(text)
    if ('failure' in described) throw new SandboxError(described.failure)
    return described
  }

  async function ask(script: Script, work: Work): Promise<string> {
    const limitMs = (work.op === 'frameRun' ? work.timeoutMs : options.timeoutMs) + graceMs
    const answer = await send(script.key, work, limitMs)
    if (!('missing' in answer)) return textOf(answer)
    await load(script)
    return textOf(await send(script.key, work, limitMs))
  }

  async function close(): Promise<void> {
    const dying = running?.process
    if (dying === undefined) return
    const exited = new Promise((resolve) => dying.once('exit', resolve))
    dying.ref()
    kill()
    await exited
  }
  return { load, ask, kill, close }
}

type Child = ReturnType<typeof createChild>

interface Waiting {
  urgency: Urgency
  grant: (child: Child) => void
}

export function createSandbox({ size = 2, ...options }: SandboxOptions): Sandbox {
  const children = Array.from({ length: size }, () => createChild(options))
  const free = [...children]
  const waiting: Waiting[] = []
  let frames = 0
  let closed = false

  function mayRun(urgency: Urgency): boolean {
    return urgency !== 'FRAME' || size === 1 || frames < size - 1
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
    if (closed) throw new AppError('INTERNAL', 'The ETL engine is closed')
    const child = await new Promise<Child>((resolve, reject) => {
      const entry: Waiting = { urgency, grant: resolve }
      const leave = () => {
        const index = waiting.indexOf(entry)
        if (index !== -1) waiting.splice(index, 1)
        reject(signal?.reason)
      }
      entry.grant = (granted) => {
        signal?.removeEventListener('abort', leave)
        resolve(granted)
      }
      signal?.addEventListener('abort', leave, { once: true })
      waiting.push(entry)
      dispatch()
    })
    return hold(child, urgency, signal)
  }

  /** An abort in the middle of a request ends the child: the work stops, not only the waiting. */
  function hold(child: Child, urgency: Urgency, signal: AbortSignal | undefined): Lease {
    let held = true
    async function watch<T>(work: () => Promise<T>): Promise<T> {
      signal?.throwIfAborted()
      signal?.addEventListener('abort', child.kill, { once: true })
      try {
        return await work()
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        signal?.removeEventListener('abort', child.kill)
      }
    }
    return {
      load: (script) => watch(() => child.load(script)),
      ask: (script, work) => watch(() => child.ask(script, work)),
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
      await Promise.all(children.map((child) => child.close()))
    },
  }
}
