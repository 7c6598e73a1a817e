// The connections of one DuckDB instance, shared out by kind of work, each call of which can be interrupted.

import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { createLimiter } from '../concurrency/limiter.ts'
import { createTurns } from '../concurrency/turns.ts'
import type { AppError } from '../errors.ts'
import { hideServerNames } from './server-names.ts'

/**
 * - quick: lookups and the like.
 * - slow: what may take long; as many run at once as leave threads for the quick, the others wait.
 * - stream: slow work in many short calls, a connection for each: who holds one may wait for another.
 * - copies: as quick, on connections where names are those of an empty database of their own, for copies of tables.
 */
export type Workload = 'quick' | 'slow' | 'stream' | 'copies'

export interface Lease {
  connection: DuckDBConnection
  /** Runs calls of the engine; an abort of the signal interrupts it until they have ended. Never waits for another lease. */
  run<T>(work: () => Promise<T>): Promise<T>
  release(): void
}

/** A connection for work that stands in one transaction of it, one after the other. */
export interface HeldConnection {
  /** Resolves once the one before is released. */
  lease(signal?: AbortSignal): Promise<Lease>
  /** Once the last lease is released. */
  release(): Promise<void>
}

export interface Connections {
  hold(): Promise<HeldConnection>
  lease(workload: Workload, signal?: AbortSignal): Promise<Lease>
  /** Leases a connection for the time of the work, all of it calls of the engine. */
  use<T>(
    workload: Workload,
    signal: AbortSignal | undefined,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T>
  /** Runs work on a connection of its own; the caller has one work at a time run there. */
  write<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T>
}

/** An instance's end can be given a reason, which is what all that runs on it then fails with. */
export interface Instance extends Connections {
  close(reason: AppError): Promise<void>
}

const interruptIntervalMs = 10

/** A running statement keeps one of Node's worker threads; half of them, less two, may be kept for long. */
function longRunning(): number {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4
  return Math.max(1, Math.floor(threads / 2) - 2)
}

export async function connectBarely(instance: DuckDBInstance, opened: DuckDBConnection[]) {
  const connection = await instance.connect()
  opened.push(connection)
  await hideServerNames(connection)
  return connection
}

export function closeAll(instance: DuckDBInstance, connections: DuckDBConnection[]): void {
  for (const connection of connections.splice(0)) connection.closeSync()
  instance.closeSync()
}

interface Taken {
  connection: DuckDBConnection
  giveBack(): void
}
type Take = (signal: AbortSignal) => Promise<Taken>

export function createPool(connections: readonly DuckDBConnection[]): Take {
  const limiter = createLimiter(connections.length)
  const idle = [...connections]
  return async (signal) => {
    const leave = await limiter.enter(signal)
    const connection = idle.pop()
    if (connection === undefined) throw new Error('There is room, but no connection')
    return {
      connection,
      giveBack() {
        idle.push(connection)
        leave()
      },
    }
  }
}

interface Parts {
  instance: DuckDBInstance
  opened: DuckDBConnection[]
  writer: DuckDBConnection
  quick: Take
  slow: Take
  copies: Take
}

export function shareConnections({ instance, opened, writer, quick, slow, copies }: Parts): Instance {
  const limiter = createLimiter(longRunning())
  const closing = new AbortController()
  const running = new Set<Promise<unknown>>()
  let closed: Promise<void> | undefined

  async function stream(): Promise<Taken> {
    const connection = await connectBarely(instance, opened)
    return {
      connection,
      giveBack() {
        const at = opened.indexOf(connection)
        if (at >= 0) opened.splice(at, 1)[0]?.closeSync()
      },
    }
  }
  const take: Record<Workload, Take> = { quick, slow, stream, copies }

  async function lease(workload: Workload, signal?: AbortSignal): Promise<Lease> {
    const either = untilClosing(signal)
    const { connection, giveBack } = await take[workload](either)
    return leaseOf(connection, { workload, signal: either, giveBack })
  }

  function untilClosing(signal: AbortSignal | undefined): AbortSignal {
    const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    either.throwIfAborted()
    return either
  }

  function leaseOf(
    connection: DuckDBConnection,
    { workload, signal, giveBack }: { workload: Workload; signal: AbortSignal; giveBack: () => void },
  ): Lease {
    let isHeld = true
    return {
      connection,
      async run(work) {
        const call = () => interruptible(connection, work, signal)
        const isLong = workload === 'slow' || workload === 'stream'
        return tracked(isLong ? limiter.run(signal, call) : call())
      },
      release() {
        if (isHeld) giveBack()
        isHeld = false
      },
    }
  }

  async function hold(): Promise<HeldConnection> {
    closing.signal.throwIfAborted()
    const { connection, giveBack } = await stream()
    const turns = createTurns()
    return {
      async lease(given) {
        const signal = untilClosing(given)
        const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
        void turns.alone(() => {
          begun.resolve()
          return over.promise
        })
        await begun.promise
        return leaseOf(connection, { workload: 'stream', signal, giveBack: over.resolve })
      },
      release: () => turns.alone(async () => giveBack()),
    }
  }

  async function close(reason: AppError) {
    closing.abort(reason)
    while (running.size > 0) await Promise.allSettled(running)
    closeAll(instance, opened)
  }

  async function tracked<T>(promise: Promise<T>): Promise<T> {
    running.add(promise)
    try {
      return await promise
    } finally {
      running.delete(promise)
    }
  }

  return {
    hold,
    lease,
    async write(work) {
      closing.signal.throwIfAborted()
      return tracked(work(writer))
    },
    async use(workload, signal, work) {
      const { connection, run, release } = await lease(workload, signal)
      try {
        return await run(() => work(connection))
      } finally {
        release()
      }
    },
    close(reason) {
      closed ??= close(reason)
      return closed
    },
  }
}

/** Interrupts again and again: an interrupt that comes before a statement has begun is lost. */
async function interruptible<T>(
  connection: DuckDBConnection,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  const onAbort = () => {
    connection.interrupt()
    timer = setInterval(() => connection.interrupt(), interruptIntervalMs)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await work()
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
    clearInterval(timer)
    // The interrupt may have met the end of a transaction, and nobody may read in what is left of it.
    if (signal.aborted) await connection.run('ROLLBACK').catch(() => undefined)
  }
}
