// The connections to PostgreSQL, shared out by kind of work, each call of which can be stopped in the server.

import pg from 'pg'
import type { Logger } from 'pino'
import { createLimiter, type Limiter } from '../../concurrency/limiter.ts'
import { unlessAborted } from '../../concurrency/unless-aborted.ts'
import { within } from '../../concurrency/within.ts'
import { AppError } from '../../errors.ts'
import { isConnectionLost } from './error.ts'
import { createSession, type Session } from './session.ts'

/**
 * - quick: lookups and the like. slow: exports. stream: scans, which their readers may hold for long. write: appends.
 * - hold: snapshots, which reads on other connections share. control: to stop what runs in the others and to see whether the server still answers.
 */
export type Workload = keyof typeof connections

const connections = { quick: 10, slow: 6, stream: 8, write: 4, hold: 8, control: 2 }

const connectTimeoutMs = 5000
/** While a call runs, the server is asked for a sign of life this often, and must give it within this time. */
const heartbeatMs = 4000
const answerWithinMs = 5000
/** What was told to stop and does not is left alone after this. */
const stopWithinMs = 2000
const stopIntervalMs = 100
const closeWithinMs = 3000

export interface SessionLease {
  session: Session
  /** Runs calls of the session; an abort stops them in the server. */
  run<T>(work: () => Promise<T>): Promise<T>
  /** Ends any transaction first. */
  release(): Promise<void>
}

export interface Sessions {
  lease(workload: Workload, signal?: AbortSignal): Promise<SessionLease>
  /** Leases a connection for the time of the work. Quick work is done again on another one when its own was lost. */
  use<T>(
    workload: Workload,
    signal: AbortSignal | undefined,
    work: (session: Session) => Promise<T>,
  ): Promise<T>
  /** Rejects when the server gives no sign of life in time. */
  ping(): Promise<void>
  /** Stops what runs, waits for it to end, and closes. */
  close(): Promise<void>
}

/** The server stops what takes longer, unless a transaction says otherwise. */
export const statementTimeout = '60s'

const sessionSettings = `
  SET default_transaction_read_only = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';
  SET bytea_output = 'hex'; SET extra_float_digits = 1; SET standard_conforming_strings = on; SET client_encoding = 'UTF8';
  SET cursor_tuple_fraction = 1; SET jit = off; SET statement_timeout = '${statementTimeout}';
  SET idle_in_transaction_session_timeout = '15min'; SET xmlbinary = 'base64'`
/** The server looks whether the client is still there while it works; it knows this only on some systems. */
const presenceSetting = "SET client_connection_check_interval = '5s'"

export function openSessions(url: string, log: Logger): Sessions {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'feature-gateway',
    max: Object.values(connections).reduce((sum, count) => sum + count, 0),
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    async onConnect(client) {
      await client.query(sessionSettings)
      await client.query(presenceSetting).catch(() => undefined)
    },
  })
  pool.on('error', (error) => log.warn({ err: error }, 'A connection to the warehouse was lost'))
  const open = new Set<pg.PoolClient>()
  pool.on('connect', (client) => {
    open.add(client)
    // A connection that breaks while it is out fails the call that uses it; unheard, it would end the process.
    client.on('error', () => undefined)
  })
  pool.on('remove', (client) => open.delete(client))

  const workloads = Object.fromEntries(
    Object.entries(connections).map(([workload, count]) => [workload, createLimiter(count)]),
  ) as Record<Workload, Limiter>
  const closing = new AbortController()
  const running = new Set<Promise<unknown>>()
  let closed: Promise<void> | undefined
  let answering: Promise<void> | undefined

  async function lease(workload: Workload, signal?: AbortSignal): Promise<SessionLease> {
    const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    either.throwIfAborted()
    const leave = await workloads[workload].enter(either)
    const client = await connect(either).catch((error: unknown) => {
      leave()
      throw error
    })
    const session = createSession(client)
    let isSpoilt = false
    let isHeld = true
    return {
      session,
      async run(work) {
        const promise = stoppable(session, work, either)
        running.add(promise)
        try {
          return await promise
        } catch (error) {
          if (either.aborted || isConnectionLost(error) || isHanging(error)) isSpoilt = true
          throw error
        } finally {
          running.delete(promise)
        }
      },
      async release() {
        if (!isHeld) return
        isHeld = false
        if (!isSpoilt && !session.isIdle()) {
          await answered(answerWithinMs, session.script('ROLLBACK')).catch(() => {
            isSpoilt = true
          })
        }
        if (isSpoilt) session.destroy()
        client.release(isSpoilt)
        leave()
      },
    }
  }

  /** Who gives up while it connects leaves the connection to the next. */
  async function connect(signal: AbortSignal): Promise<pg.PoolClient> {
    const connecting = pool.connect()
    try {
      return await unlessAborted(connecting, signal)
    } catch (error) {
      if (signal.aborted) connecting.then((client) => client.release()).catch(() => undefined)
      throw error
    }
  }

  async function stoppable<T>(session: Session, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const hanging = new AbortController()
    const either = AbortSignal.any([signal, hanging.signal])
    const heartbeat = setInterval(() => {
      answers().catch((cause: unknown) => {
        hanging.abort(
          new AppError('WAREHOUSE_FAILED', 'PostgreSQL has stopped answering.', { cause, details: hangs }),
        )
      })
    }, heartbeatMs)
    const outcome = work()
    const ended = outcome.then(
      () => true,
      () => true,
    )
    const stopped = Promise.withResolvers<never>()
    stopped.promise.catch(() => undefined)
    const onAbort = async () => {
      if (!hanging.signal.aborted) await stopInServer(session.processId, ended)
      session.destroy()
      stopped.reject(either.reason)
    }
    either.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([outcome, stopped.promise])
    } finally {
      clearInterval(heartbeat)
      either.removeEventListener('abort', onAbort)
      // Once begun, the stopping goes on to its end, whatever became of the work; it rejects with the reason.
      if (either.aborted) await stopped.promise
    }
  }

  /** Again and again: a cancellation that comes before a statement has begun is lost. */
  async function stopInServer(processId: number, ended: Promise<boolean>): Promise<void> {
    const stopping = async () => {
      for (;;) {
        await control((client) => client.query('SELECT pg_cancel_backend($1)', [processId]))
        if (await within(stopIntervalMs, ended, () => false)) return
      }
    }
    await answered(stopWithinMs, stopping()).catch(() => undefined)
  }

  /** One question for all that ask at the same time. */
  function answers(): Promise<void> {
    answering ??= control(async (client) => void (await client.query('SELECT 1'))).finally(() => {
      answering = undefined
    })
    return answering
  }

  /** Never holds its connection longer than an answer may take. */
  function control<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    return workloads.control.run(undefined, async () => {
      const client = await pool.connect()
      try {
        const result = await answered(answerWithinMs, work(client))
        client.release()
        return result
      } catch (error) {
        createSession(client).destroy()
        client.release(true)
        throw error
      }
    })
  }

  async function use<T>(
    workload: Workload,
    signal: AbortSignal | undefined,
    work: (session: Session) => Promise<T>,
    isAgain = false,
  ): Promise<T> {
    const { session, run, release } = await lease(workload, signal)
    try {
      return await run(() => work(session))
    } catch (error) {
      if (
        workload !== 'quick' ||
        isAgain ||
        signal?.aborted ||
        closing.signal.aborted ||
        !isConnectionLost(error)
      ) {
        throw error
      }
    } finally {
      await release()
    }
    return use(workload, signal, work, true)
  }

  async function close() {
    closing.abort(new AppError('WAREHOUSE_FAILED', 'The warehouse is closed.'))
    while (running.size > 0) await Promise.allSettled(running)
    await answered(closeWithinMs, pool.end()).catch(() => {
      for (const client of open) createSession(client).destroy()
    })
  }

  return {
    lease,
    use,
    async ping() {
      closing.signal.throwIfAborted()
      await answers()
    },
    close() {
      closed ??= close()
      return closed
    },
  }
}

const hangs = { reason: 'hanging' }

function isHanging(error: unknown): boolean {
  return error instanceof AppError && error.details === hangs
}

function answered<T>(ms: number, promise: Promise<T>): Promise<T> {
  return within(ms, promise, () => {
    throw new Error(`PostgreSQL did not answer within ${ms} ms`)
  })
}
