// Scripts over files as the gateway asks for them: run in a thread that is started on need, and again after it has ended.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { AppError } from '../../errors.ts'
import { fromFailure, passLogOn } from '../../processes/engine-messages.ts'
import type { Column } from '../../values/columns.ts'
import type { ScriptFileRequest } from './file.ts'
import type { FileThreadOptions, FromFileThread, ToFileThread } from './file-messages.ts'

interface Pending {
  resolve(result: { columns: Column[]; rowCount: bigint }): void
  reject(error: unknown): void
  onProgress: ScriptFileRequest['onProgress']
  onSaid: ScriptFileRequest['onSaid']
}

interface Running {
  thread: Worker
  pending: Map<number, Pending>
}

export function createFileThread({ log, ...options }: FileThreadOptions & { log: Logger }) {
  let running: Running | null = null
  let nextId = 1
  let isClosed = false

  function start(): Running {
    const thread = new Worker(new URL('./file-thread.ts', import.meta.url), { workerData: options })
    const started: Running = { thread, pending: new Map() }
    thread.unref()
    thread.on('message', (message: FromFileThread) => receive(started, message))
    thread.on('error', (error) => fail(started, error))
    thread.once('exit', () => fail(started, new Error('The thread that runs ETLs over files ended')))
    running = started
    return started
  }

  function fail(ended: Running, error: unknown): void {
    if (running === ended) running = null
    if (!isClosed && ended.pending.size > 0)
      log.error({ err: error }, 'The thread that runs ETLs over files failed')
    for (const { reject } of ended.pending.values()) reject(isClosed ? closedError() : error)
    ended.pending.clear()
  }

  function receive({ pending }: Running, message: FromFileThread): void {
    const asked = 'id' in message ? pending.get(message.id) : undefined
    switch (message.op) {
      case 'log':
        passLogOn(message.line, log)
        break
      case 'progress':
        asked?.onProgress?.(message.progress)
        break
      case 'said':
        asked?.onSaid?.(message.lines)
        break
      case 'done':
        asked?.resolve({ columns: message.columns, rowCount: message.rowCount })
        break
      case 'failed':
        asked?.reject(fromFailure(message.failure))
    }
  }

  return {
    async run({ signal, onProgress, onSaid, script, ...files }: ScriptFileRequest) {
      signal?.throwIfAborted()
      if (isClosed) throw closedError()
      const target = running ?? start()
      const id = nextId++
      const send = (message: ToFileThread) => target.thread.postMessage(message)
      const abort = () => send({ op: 'abort', id })
      try {
        return await new Promise<{ columns: Column[]; rowCount: bigint }>((resolve, reject) => {
          target.pending.set(id, { resolve, reject, onProgress, onSaid })
          target.thread.ref()
          send({ op: 'run', id, work: { script, ...files } })
          signal?.addEventListener('abort', abort, { once: true })
        })
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        signal?.removeEventListener('abort', abort)
        target.pending.delete(id)
        if (target.pending.size === 0) target.thread.unref()
      }
    },

    async close(): Promise<void> {
      isClosed = true
      const ending = running
      if (ending === null) return
      ending.thread.ref()
      const exited = once(ending.thread, 'exit')
      ending.thread.postMessage({ op: 'close' } satisfies ToFileThread)
      await exited
    },
  }
}

function closedError(): AppError {
  return new AppError('INTERNAL', 'The ETL engine is closed')
}
