// A process, or a thread, that runs an engine for the gateway: answers its calls, and a process ends itself before it takes
// the machine's memory.

import { flushCompileCache } from 'node:module'
import { parentPort } from 'node:worker_threads'
import { type Logger, pino } from 'pino'
import { type Reply, type Request, toFailure } from './engine-messages.ts'
import { closeInheritedFiles } from './inherited-files.ts'

export interface CallOptions {
  signal: AbortSignal
  onProgress: (progress: unknown) => void
}

/** Answers one method. A result with `batches` is a stream: these go one by one, as they are asked for. */
export type Handler = (request: never, options: CallOptions) => Promise<unknown>

export interface Opened {
  handlers: Readonly<Record<string, Handler>>
  close(): Promise<void>
}

interface Call {
  controller: AbortController
  batches?: AsyncIterator<unknown>
}

const watchMs = 50

/** `open` is called with what the gateway gave as options, a log that goes to the gateway's, and the signal that it need not. */
export function serveEngine<Options>(open: (options: Options, log: Logger) => Promise<Opened>): void {
  const calls = new Map<number, Call>()
  let opened: Opened | undefined

  const log = pino({ base: null }, { write: (line: string) => send({ log: line }) })

  async function answer(id: number, method: string, request: unknown): Promise<Reply> {
    if (method === 'open') {
      const { options, memoryMb } = request as { options: Options; memoryMb: number | null }
      if (memoryMb !== null) watchMemory(memoryMb)
      opened = await open(options, log)
      // It is killed rather than ended, which leaves Node no time for this.
      flushCompileCache()
      return { id, result: null, hasBatches: false }
    }
    if (method === 'close') {
      await opened?.close()
      return { id, result: null, hasBatches: false }
    }
    const handler = opened?.handlers[method]
    if (handler === undefined) throw new Error(`There is no ${method} to call`)
    const call: Call = { controller: new AbortController() }
    calls.set(id, call)
    const onProgress = (progress: unknown) => send({ id, progress })
    const result = await handler(request as never, { signal: call.controller.signal, onProgress })
    if (!isStream(result)) return { id, result, hasBatches: false }
    const { batches, ...head } = result
    call.batches = batches[Symbol.asyncIterator]()
    return { id, result: head, hasBatches: true }
  }

  async function settle(id: number, work: () => Promise<Reply>): Promise<void> {
    let reply: Reply
    try {
      reply = await work()
    } catch (error) {
      reply = { id, failure: toFailure(error) }
    }
    if (!('batch' in reply) && !('hasBatches' in reply && reply.hasBatches)) calls.delete(id)
    send(reply)
  }

  async function next(id: number, batches: AsyncIterator<unknown>): Promise<Reply> {
    const { done, value } = await batches.next()
    return done === true ? { id, done: true } : { id, batch: value }
  }

  async function end(id: number, batches: AsyncIterator<unknown>): Promise<Reply> {
    await batches.return?.()
    return { id, done: true }
  }

  hear((message) => {
    const { id } = message
    if ('method' in message) return void settle(id, () => answer(id, message.method, message.request))
    const { controller, batches } = calls.get(id) ?? {}
    if (message.control === 'abort') return controller?.abort(new Error('The call was given up'))
    if (batches === undefined) return send({ id, done: true })
    void settle(id, () => (message.control === 'next' ? next(id, batches) : end(id, batches)))
  })
}

/** Before the process opens any file of its own. */
function hear(heard: (message: Request) => void): void {
  if (parentPort !== null) return void parentPort.on('message', heard)
  closeInheritedFiles()
  process.on('message', heard)
  // A Ctrl-C at the terminal reaches this process too: the gateway drains, and ends it when it is done.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
  process.on('disconnect', endAtOnce)
}

function isStream(result: unknown): result is { batches: AsyncIterable<unknown> } {
  return typeof result === 'object' && result !== null && 'batches' in result
}

function send(reply: Reply): void {
  if (parentPort === null) process.send?.(reply)
  else parentPort.postMessage(reply)
}

/** An exit would wait for what the engine does at that moment. */
function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** The engine's own limit does not count single values, lists and strings, which may take any size. */
function watchMemory(memoryMb: number): void {
  setInterval(() => {
    const usedMb = process.memoryUsage.rss() / 2 ** 20
    if (usedMb <= memoryMb) return
    process.send?.({ outgrown: memoryMb } satisfies Reply, endAtOnce)
    setTimeout(endAtOnce, watchMs)
  }, watchMs).unref()
}
