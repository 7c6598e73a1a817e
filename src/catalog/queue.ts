// Durable work on the catalog's own database, by pg-boss: what is sent is done at least once, whoever is killed meanwhile.

import { type Job, PgBoss, type WorkOptions } from 'pg-boss'
import type { Logger } from 'pino'
import { callAgain } from '../concurrency/retry.ts'
import { within } from '../concurrency/within.ts'
import { AppError, messageOf } from '../errors.ts'
import { inCallersSpan, traceparent } from '../telemetry/spans.ts'
import type { Database } from './database/database.ts'
import { databaseLost, isDatabaseLost } from './database/lost-database.ts'

export type JobHandler = (id: string, signal: AbortSignal) => Promise<void>

export interface JobQueue {
  /**
   * Work that a worker of this or another process begins at once. While it waits or runs, sending it again does nothing.
   * Rejects with CATALOG_UNAVAILABLE while the database cannot be reached.
   */
  send(queue: string, id: string): Promise<void>
  /**
   * Work for a moment to come, of a queue that `work` takes as `timed`. While it waits, sending it again does nothing;
   * while it runs, it may wait already for its next time. Of what is due the urgent is handed out first.
   */
  sendAt(queue: string, id: string, at: Date, isUrgent: boolean): Promise<void>
  /** What waits under these ids is urgent from now on. */
  urge(queue: string, ids: readonly string[]): Promise<void>
  /** When five cron fields in UTC come next, after `from`. Throws BAD_USER_INPUT where they are none. */
  nextByCron(cron: string, from: Date): Date
  /**
   * Hands out what is sent, up to `concurrency` at a time in this process. A handler that rejects is called again after
   * a pause that grows to half a minute. The signal aborts when the queue stops, and when the claim was lost to another
   * process: what is not done by then is handed out again, so a handler must bear to be called twice.
   */
  work(queue: string, options: { concurrency: number; timed?: boolean }, handler: JobHandler): Promise<void>
  /** Those of the ids that neither wait nor run. */
  missing(queue: string, ids: readonly string[]): Promise<string[]>
  /** Hands out at once what a process that is known to be gone was at, rather than after its last sign of life has aged. */
  takeOver(queue: string, id: string): Promise<void>
  /** Aborts what runs, waits for it briefly, and hands back what is not done. */
  stop(): Promise<void>
}

/** The schema that pg-boss keeps its tables in. */
const schema = 'pgboss'
const stopWithinMs = 5000
const daySeconds = 86_400

/** With another process on the same database, a job whose worker gives no sign of life for so long is handed out again. */
const heartbeatSeconds = 20

/** What was handed out so lately may be another's already, who has not said so yet. */
const freshClaimSeconds = 2

/** One job for each key, waiting or running; of what is timed one that waits. */
const policies = { exclusive: 'exclusive', timed: 'short' } as const

const queueOptions = {
  notify: true,
  retryLimit: 1000,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 30,
  expireInSeconds: daySeconds,
  retentionSeconds: 365 * daySeconds,
  deleteAfterSeconds: 3600,
} as const

const workOptions = {
  pollingIntervalSeconds: 1,
  /** A backstop, and how soon a pause that is over is noticed; new work is notified. */
  notifyPollingIntervalSeconds: 2,
} as const satisfies WorkOptions

interface JobData {
  id: string
  /** Of the trace that it was sent in, if it was traced. */
  traceparent?: string
}

export async function createJobQueue({
  database,
  log,
}: {
  database: Database
  log: Logger
}): Promise<JobQueue> {
  const solelyOwned = database.presence === null
  const boss = new PgBoss({
    ...database.queue,
    schema,
    schedule: false,
    useListenNotify: true,
    registerInstance: false,
    monitorVacuum: false,
    reindex: !solelyOwned,
    superviseIntervalSeconds: solelyOwned ? 60 : 5,
    monitorIntervalSeconds: solelyOwned ? 60 : 5,
  })
  boss.on('error', (error) => log.error({ err: error }, 'The queue of durable work met an error'))
  boss.on('warning', ({ message }) => log.warn(message))
  await boss.start()
  if (solelyOwned) await handBackAll(boss)

  const stopping = new AbortController()
  const names = new Map<string, Promise<void>>()
  const workers = new Map<string, string[]>()
  const running = new Set<Promise<void>>()
  let stopped: Promise<void> | undefined

  function prepareQueue(name: string, policy: keyof typeof policies): Promise<void> {
    const options = { policy: policies[policy], ...queueOptions, ...(!solelyOwned && { heartbeatSeconds }) }
    const prepared = names.get(name) ?? boss.createQueue(name, options)
    names.set(name, prepared)
    prepared.catch(() => names.delete(name))
    return prepared
  }

  /** Resolves when the job is settled as far as this process goes; rejects for it to be tried again. */
  async function run(job: Job<JobData>, handler: JobHandler, queue: string): Promise<void> {
    const { id } = job.data
    try {
      if (!stopping.signal.aborted) {
        const signal = AbortSignal.any([stopping.signal, job.signal])
        const attributes = { 'gateway.job.id': id }
        await inCallersSpan(`${queue} job`, { attributes }, job.data, () => handler(id, signal))
      }
    } catch (error) {
      if (!stopping.signal.aborted && !job.signal.aborted) {
        log.warn({ err: error, queue, id }, 'A queued job was not done; it is tried again after a pause')
        await untilWritable(boss, stopping.signal)
        throw error
      }
    }
    if (stopping.signal.aborted) await handBack(boss, job)
  }

  async function stop() {
    for (const name of names.keys()) await boss.offWork(name, { wait: false })
    stopping.abort(new Error('The queue stops'))
    await within(stopWithinMs, Promise.allSettled(running), () => undefined)
    await boss.stop({ timeout: 1000 })
  }

  async function send(queue: string, id: string, startAfter?: Date, isUrgent = false) {
    try {
      await prepareQueue(queue, startAfter === undefined ? 'exclusive' : 'timed')
      const data = { id, ...traceparent() } satisfies JobData
      const priority = isUrgent ? 1 : 0
      await boss.send(queue, data, { singletonKey: id, priority, ...(startAfter && { startAfter }) })
    } catch (error) {
      throw isDatabaseLost(error) ? databaseLost(error) : error
    }
  }

  return {
    send: (queue, id) => send(queue, id),
    sendAt: send,
    async urge(queue, ids) {
      await boss
        .getDb()
        .executeSql(
          `UPDATE ${schema}.job SET priority = 1 WHERE name = $1 AND singleton_key = ANY($2) AND state IN ('created', 'retry') AND priority < 1`,
          [queue, ids],
        )
    },

    nextByCron(cron, from) {
      try {
        const [next] = boss.previewSchedule(cron, { count: 1, from, tz: 'UTC' })
        if (next !== undefined && cron.trim().split(/\s+/).length === 5) return next
      } catch (cause) {
        throw notCron(cron, cause)
      }
      throw notCron(cron)
    },

    async work(queue, { concurrency, timed = false }, handler) {
      await prepareQueue(queue, timed ? 'timed' : 'exclusive')
      for (let i = 0; i < concurrency; i++) {
        const workerId = await boss.work<JobData>(queue, workOptions, async ([job]) => {
          if (job === undefined) return
          const attempt = run(job, handler, queue)
          running.add(attempt)
          try {
            await attempt
          } finally {
            running.delete(attempt)
            // Else it would wait for its next poll, though more may be waiting.
            boss.notifyWorker(workerId)
          }
        })
        workers.set(queue, [...(workers.get(queue) ?? []), workerId])
      }
    },

    async missing(queue, ids) {
      if (ids.length === 0) return []
      const { rows } = await boss
        .getDb()
        .executeSql(
          `SELECT singleton_key FROM ${schema}.job WHERE name = $1 AND singleton_key = ANY($2) AND state IN ('created', 'retry', 'active')`,
          [queue, ids],
        )
      const known = new Set(rows.map((row) => String(row.singleton_key)))
      return ids.filter((id) => !known.has(id))
    },

    async takeOver(queue, id) {
      await boss
        .getDb()
        .executeSql(
          `${toWaiting} state = 'active' AND name = $1 AND singleton_key = $2 AND started_on < now() - interval '${freshClaimSeconds} seconds'`,
          [queue, id],
        )
      for (const workerId of workers.get(queue) ?? []) boss.notifyWorker(workerId)
    },

    stop() {
      stopped ??= stop()
      return stopped
    },
  }
}

function notCron(cron: string, cause?: unknown): AppError {
  return new AppError(
    'BAD_USER_INPUT',
    `${JSON.stringify(cron.slice(0, 80))} is neither an interval ("30s", "5m", "1h", "1d") nor five cron fields in UTC ("0 3 * * *")${cause === undefined ? '' : `: ${messageOf(cause)}`}.`,
    { cause },
  )
}

/** The queue itself tries but once to note that a job is to be tried again, and would leave it active for a day. */
async function untilWritable(boss: PgBoss, signal: AbortSignal): Promise<void> {
  const note = () => boss.getDb().executeSql(`UPDATE ${schema}.version SET version = version`)
  await callAgain(note, () => 1000, signal).catch(() => undefined)
}

/** At the front of the queue again, unless the claim is another's by now. A later claim counts as another attempt. */
async function handBack(boss: PgBoss, { id, retryCount }: Job): Promise<void> {
  await boss
    .getDb()
    .executeSql(`${toWaiting} state = 'active' AND id = $1 AND retry_count = $2`, [id, retryCount])
}

/** What a killed process has left active, and what waits for a pause to be over. */
async function handBackAll(boss: PgBoss): Promise<void> {
  await boss.getDb().executeSql(`${toWaiting} state IN ('active', 'retry')`)
}

const toWaiting = `UPDATE ${schema}.job SET state = 'retry', start_after = now(), heartbeat_on = NULL WHERE`
