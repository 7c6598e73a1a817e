// The jobs that run in this process: each from its stored state to its end, one run of a job at a time.

import { once } from 'node:events'
import type { Logger } from 'pino'
import { isEnded } from '../catalog/job-states.ts'
import type { Catalog } from '../catalog/open.ts'
import type { PublishJobChanges, PublishJobRecord } from '../catalog/publish-jobs.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Realtime } from '../realtime/service.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { findIngestTable, unpackRows } from './ingest.ts'
import { createFlowWork, createRowsWork, runBatches, type Work } from './jobs.ts'
import { createRateMeter, type PublishProgress } from './progress.ts'
import { retry } from './retry.ts'

interface RunnerOptions {
  catalog: Catalog
  warehouse: Pick<Warehouse, 'append' | 'tables'>
  realtime: Pick<Realtime, 'onAppended'>
  events: Events
  retryDelaysMs: readonly number[]
  /** Resolves once the job has ended, wherever it runs. */
  untilEnded: (jobId: string) => Promise<unknown>
  closing: AbortSignal
  metrics: Metrics
  log: Logger
}

interface Run {
  progress(): PublishProgress
  advance(done: number): void
  cancelRequested: boolean
  ended: Promise<void>
}

export function createRunner(options: RunnerOptions) {
  const { catalog, warehouse, realtime, events, retryDelaysMs, untilEnded, closing, metrics } = options
  const running = new Map<string, Run>()

  /**
   * Takes a job from where it stands to its end. A job that runs here or has ended is left alone. Once publishing is
   * closing, the queue keeps what is not done until it stops too, and hands it back.
   */
  async function run(jobId: string, queueSignal: AbortSignal): Promise<void> {
    try {
      closing.throwIfAborted()
      if (running.has(jobId)) return
      const job = await catalog.publishJobs.claim(jobId)
      if (job === null || running.has(jobId)) return
      await begin(job, AbortSignal.any([queueSignal, closing])).ended
    } catch (error) {
      if (!closing.aborted) throw error
      if (!queueSignal.aborted) await once(queueSignal, 'abort')
    }
  }

  function begin(job: PublishJobRecord, signal: AbortSignal): Run {
    const log = options.log.child({ publishJob: job.id })
    const begun = createRun(job)
    running.set(job.id, begun)
    begun.ended = execute(job, begun, signal, log).finally(() => {
      running.delete(job.id)
      announce(job.id)
    })
    begun.ended.catch(() => {})
    return begun
  }

  function count(
    { kind, done: doneBefore }: PublishJobRecord,
    { status, done, startedAt, finishedAt }: PublishJobRecord,
  ) {
    if (!isEnded(status)) return
    metrics.work.published(kind).value += done - doneBefore
    const elapsedMs = startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : 0
    metrics.work.publishJobSeconds(kind, status).observe(elapsedMs / 1000)
  }

  function announce(jobId: string) {
    events.publish('publishJob', jobId, { jobId })
  }

  async function execute(job: PublishJobRecord, run: Run, signal: AbortSignal, log: Logger): Promise<void> {
    /** False when the job has been ended from elsewhere. */
    async function store(changes: PublishJobChanges): Promise<boolean> {
      const storing = { what: 'Storing the progress', delaysMs: retryDelaysMs, signal, log }
      try {
        const stored = await retry(storing, () => catalog.publishJobs.update(job.id, changes))
        if (stored.cancelRequested) run.cancelRequested = true
        count(job, stored)
        return true
      } catch (error) {
        if (error instanceof AppError && error.code === 'CONFLICT') return false
        throw error
      }
    }

    async function advance(done: number): Promise<boolean> {
      const goesOn = await store({ done })
      if (goesOn) run.advance(done)
      announce(job.id)
      return goesOn
    }

    try {
      if (job.startedAt === null) {
        if (run.cancelRequested) return void (await store({ status: 'CANCELLED' }))
        if (!(await store({ status: 'RUNNING' }))) return
        announce(job.id)
      }
      const end = await runBatches(
        { warehouse, realtime, retryDelaysMs, log },
        {
          jobId: job.id,
          work: await createWork(job),
          done: job.done,
          resumed: job.startedAt !== null,
          cancelled: () => run.cancelRequested,
          advance,
          signal,
        },
      )
      if (end !== 'ENDED_ELSEWHERE') await store({ status: end })
    } catch (error) {
      if (signal.aborted) {
        await catalog.publishJobs.release(job.id).catch(() => undefined)
        throw error
      }
      log.error({ err: error }, 'A publish job failed')
      await store({ status: 'FAILED', error: sayFailure(error) })
    }
  }

  async function createWork(job: PublishJobRecord): Promise<Work> {
    if (job.kind === 'FLOWS') {
      if (job.seed === null) throw new AppError('INTERNAL', `Publish job ${job.id} has no seed.`)
      return createFlowWork(job.total, { seed: job.seed, run: job.run ?? 0 })
    }
    if (job.payload === null || job.table === null) {
      throw new AppError('INTERNAL', `The rows of publish job ${job.id} are gone.`)
    }
    return createRowsWork(await unpackRows(findIngestTable(await warehouse.tables(), job.table), job.payload))
  }

  async function cancel(jobId: string): Promise<PublishJobRecord> {
    refuseEnded(await catalog.publishJobs.byId(jobId))
    await catalog.publishJobs.requestCancel(jobId)
    // A job that nobody runs is begun here to be ended; what a killed process may have appended is served first.
    const abandoned = running.has(jobId) ? null : await catalog.publishJobs.claimAbandoned(jobId)
    const run = running.get(jobId) ?? (abandoned === null ? undefined : begin(abandoned, closing))
    if (run !== undefined) {
      run.cancelRequested = true
      await Promise.allSettled([run.ended])
    }
    // It may run elsewhere, or have gone there meanwhile.
    await untilEnded(jobId)
    const ended = await catalog.publishJobs.byId(jobId)
    if (ended.status !== 'CANCELLED') refuseEnded(ended)
    return ended
  }

  return {
    run,
    cancel,
    runningProgress: (jobId: string) => running.get(jobId)?.progress(),
    async settled() {
      await Promise.allSettled([...running.values()].map(({ ended }) => ended))
    },
  }
}

function createRun(job: PublishJobRecord): Run {
  const meter = createRateMeter(job.done)
  let done = job.done
  return {
    progress: () => ({
      jobId: job.id,
      status: 'RUNNING',
      total: job.total,
      done,
      flowsPerSecond: meter.flowsPerSecond(),
      etaSeconds: meter.etaSeconds(job.total),
      error: null,
    }),
    advance(to) {
      done = to
      meter.advance(to)
    },
    cancelRequested: job.cancelRequested,
    ended: Promise.resolve(),
  }
}

function refuseEnded(job: PublishJobRecord) {
  if (!isEnded(job.status)) return
  throw new AppError(
    'CONFLICT',
    `Publish job ${job.id} has ended (${job.status}) with ${job.done} of ${job.total} done; only one that is queued or running can be cancelled.`,
  )
}

/** What the job's owner is told. Anything but a deliberate error stays in the log. */
function sayFailure(error: unknown): string {
  return error instanceof AppError
    ? error.message
    : 'The gateway met an unexpected failure; its log says more.'
}
