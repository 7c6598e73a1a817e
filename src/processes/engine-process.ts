// An engine in a process of its own: what makes it hang, crash or take too much memory ends that process, not the gateway. Or
// in a thread, whose work passes by the gateway's own.

import { env } from 'node:process'
import type { Logger } from 'pino'
import { AppError } from '../errors.ts'
import { fromFailure, passLogOn, type Reply, type Request } from './engine-messages.ts'
import { type Hearing, type Running, startProcess, startThread } from './running.ts'

export interface EngineOptions {
  /** For messages: `warehouse`. */
  name: string
  /** The module that the process runs: it calls serveEngine. */
  entry: URL
  /** What its `open` is given. */
  options: unknown
  /** The process ends once it holds more; null for a thread of the gateway's own process, which is never cut short. */
  memoryMb: number | null
  /** Starts the process with the first call, not before. */
  isLazy?: boolean
  /** Of Node, for a process. */
  execArgv?: readonly string[]
  log: Logger
}

export interface CallOptions {
  signal?: AbortSignal | undefined
  /** TIMEOUT with this sentence when it takes longer. */
  limit?: { ms: number; message: string }
  onProgress?: ((progress: never) => void) | undefined
}

/** What an engine's own limit does not count: single values, and the process itself. */
export function processMemoryMb(engineMb: number): number {
  return Math.ceil(engineMb * 1.25) + 768
}

/**
 * Calls of a process's methods. Every method may be run twice: a call that was under way when the process ended is made
 * again in the next one, once. It rejects with the signal's reason when that aborted, after the work has ended too.
 */
export interface EngineProcess {
  call<Result>(method: string, request: unknown, options?: CallOptions): Promise<Result>
  /** A call whose result has `batches`. It is not made again once a batch has been taken. */
  stream<Head, Batch>(
    method: string,
    request: unknown,
    options?: CallOptions,
  ): Promise<Head & { batches: AsyncIterable<Batch> }>
  close(): Promise<void>
}

type FinalReply = Extract<Reply, { id: number }>

interface Pending {
  settle(reply: FinalReply): void
  end(error: AppError): void
}

/** One process that runs, or has ended. */
interface Engine {
  process: Running<Request>
  pending: Map<number, Pending>
  /** What all calls from its end on get. */
  ended: AppError | null
  /** Rejects when the engine could not be opened. */
  ready: Promise<unknown>
}

/** Work that goes on so long after it was given up cannot be interrupted: its process is ended. */
const interruptWithinMs = 5_000

/** The process ended while it ran this; made again, it may well succeed. */
class ProcessEnded extends AppError {}

export async function startEngine(options: EngineOptions): Promise<EngineProcess> {
  const { name, log } = options
  let running: Engine | undefined
  let closing: Promise<void> | undefined
  let nextId = 1

  /** Sends the request and waits for the reply that ends it. */
  function exchange(target: Engine, message: Request, { signal, onProgress }: CallOptions = {}) {
    const { id } = message
    let timer: NodeJS.Timeout | undefined
    const onAbort = () => {
      target.process.post({ id, control: 'abort' })
      if (options.memoryMb === null) return
      timer = setTimeout(() => {
        log.warn(`The ${name}'s process runs what cannot be interrupted; it is started anew`)
        target.process.kill()
      }, interruptWithinMs)
    }
    return new Promise<FinalReply>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (target.ended !== null) return reject(target.ended)
      signal?.addEventListener('abort', onAbort, { once: true })
      target.pending.set(id, {
        settle(reply) {
          if ('progress' in reply) return onProgress?.(reply.progress as never)
          target.pending.delete(id)
          if ('failure' in reply) reject(signal?.aborted ? signal.reason : fromFailure(reply.failure))
          else resolve(reply)
        },
        end: (error) => reject(signal?.aborted ? signal.reason : error),
      })
      target.process.post(message)
    }).finally(() => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    })
  }

  function start(): Engine {
    const started = startEngineProcess(options, () => {
      if (running === started) running = undefined
    })
    running = started
    const request = { options: options.options, memoryMb: options.memoryMb }
    started.ready = exchange(started, { id: nextId++, method: 'open', request })
    // Who waits for it hears of it.
    started.ready.catch(() => started.process.kill())
    return started
  }

  async function attempt(method: string, request: unknown, options: CallOptions) {
    options.signal?.throwIfAborted()
    if (closing !== undefined) throw new AppError('WAREHOUSE_FAILED', `The ${name} is closed.`)
    const target = running ?? start()
    await target.ready
    const id = nextId++
    const reply = await exchange(target, { id, method, request }, options)
    return { target, id, result: 'result' in reply ? reply.result : undefined }
  }

  /** Again in a new process, once, when the one it ran in has ended. */
  async function call(method: string, request: unknown, options: CallOptions) {
    try {
      return await attempt(method, request, options)
    } catch (error) {
      if (!(error instanceof ProcessEnded) || closing !== undefined) throw error
      return attempt(method, request, options)
    }
  }

  async function* batchesOf<Batch>(target: Engine, id: number, signal: AbortSignal | undefined) {
    let isOpen = true
    try {
      for (;;) {
        isOpen = false
        const reply = await exchange(target, { id, control: 'next' }, { signal })
        if (!('batch' in reply)) return
        isOpen = true
        yield reply.batch as Batch
      }
    } finally {
      if (isOpen) await exchange(target, { id, control: 'end' }).catch(() => undefined)
    }
  }

  async function close(): Promise<void> {
    const target = running
    if (target === undefined) return
    const message: Request = { id: nextId++, method: 'close', request: null }
    await exchange(target, message, { signal: AbortSignal.timeout(interruptWithinMs) }).catch((error) =>
      log.warn({ err: error }, `The ${name}'s process did not close by itself`),
    )
    target.process.kill()
    await target.process.exited
  }

  if (options.isLazy !== true) await start().ready

  return {
    call: async <Result>(method: string, request: unknown, { limit, ...options }: CallOptions = {}) => {
      if (limit === undefined) return (await call(method, request, options)).result as Result
      const late = AbortSignal.timeout(limit.ms)
      const signal = options.signal === undefined ? late : AbortSignal.any([options.signal, late])
      try {
        return (await call(method, request, { ...options, signal })).result as Result
      } catch (error) {
        if (!late.aborted || options.signal?.aborted) throw error
        throw new AppError('TIMEOUT', limit.message, { cause: error })
      }
    },
    async stream<Head, Batch>(method: string, request: unknown, options: CallOptions = {}) {
      const { target, id, result } = await call(method, request, options)
      return { ...(result as Head), batches: batchesOf<Batch>(target, id, options.signal) }
    },
    close() {
      closing ??= close()
      return closing
    },
  }
}

function startEngineProcess(
  { name, entry, memoryMb, execArgv = [], log }: EngineOptions,
  onExit: () => void,
): Engine {
  const title = `The ${name}'s process`
  let outgrownMb: number | null = null
  const pending: Engine['pending'] = new Map()
  const hearing: Hearing<Reply> = {
    heard(reply) {
      if ('log' in reply) passLogOn(reply.log, log)
      else if ('outgrown' in reply) outgrownMb = reply.outgrown
      else pending.get(reply.id)?.settle(reply)
    },
    ended(how) {
      engine.ended = endedError(name, outgrownMb)
      onExit()
      if (pending.size === 0) return
      log.warn({ ...how, outgrownMb }, `${title} ended; it is started anew`)
      for (const { end } of pending.values()) end(engine.ended)
      pending.clear()
    },
  }
  // Each statement that runs holds one of libuv's threads.
  const threads = { UV_THREADPOOL_SIZE: env.UV_THREADPOOL_SIZE ?? '16' }
  const process: Running<Request> =
    memoryMb === null
      ? startThread(entry, hearing)
      : startProcess({ title, entry, execArgv, env: threads, log }, hearing)
  const engine: Engine = { process, pending, ended: null, ready: Promise.resolve() }
  return engine
}

function endedError(name: string, outgrownMb: number | null): AppError {
  if (outgrownMb === null)
    return new ProcessEnded('WAREHOUSE_FAILED', `The ${name}'s engine ended and is started anew; try again.`)
  const message = `The ${name}'s engine needed more than ${outgrownMb} MB for this statement or one that ran beside it; ask for less, in smaller values.`
  return new ProcessEnded('TOO_LARGE', message)
}
