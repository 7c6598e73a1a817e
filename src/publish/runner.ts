// The jobs that run in this process: each from its stored state to its end, one run of a job at a time.

import { once } from 'node:events'
import type { Logger } from 'pino'
import { isEnded } from '../catalog/job-states.ts'
import type { Catalog } from '../catalog/open.ts'
import type { PublishJobChanges, PublishJobRecord } from '../catalog/publish-jobs.ts'
import { retry } from '../concurrency/retry.ts'
import { createDemoTables } from '../demo/tables.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Realtime } from '../realtime/service.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { type ErasureStores, erasureResult, runErasure } from './erasure.ts'
import { findIngestTable, unpackRows } from './ingest.ts'
import { createFilesWork, createFlowWork, createRowsWork, runBatches, type Work } from './jobs.ts'
import { createRateMeter, type PublishProgress } from './progress.ts'
import type { Uploads } from './upload/uploads.ts'

interface RunnerOptions {
  catalog: Catalog
  warehouse: Pick<Warehouse, 'append' | 'appendFiles' | 'createTable'> & ErasureStores['warehouse']
  uploads: Pick<Uploads, 'files' | 'remove'>
  realtime: Pick<Realtime, 'keysRead' | 'onAppended' | 'erase'>
  training: ErasureStores['training']
  events: Events
  retryDelaysMs: readonly number[]
  /** Resolves once the job has ended, wherever it runs, or the signal aborts. */
  untilEnded: (jobId: string, signal: AbortSignal) => Promise<PublishJobRecord>
  closing: AbortSignal
  metrics: Metrics
  log: Logger
}

interface Run {
  progress(): PublishProgress
  advance(done: number): void
  /** What keeps it from going on, in a sentence. */
  waitingFor: string | null
  cancel(): void
  cancelled: AbortSignal
  ended: Promise<void>
}

/** A cancellation is waited for so long: a job that waits for its stores may end only once they are back. */
const cancelWithinMs = 10_000

export function createRunner(options: RunnerOptions) {
  const { catalog, warehouse, uploads, realtime, events, retryDelaysMs, untilEnded, closing, metrics } =
    options
  const running = new Map<string, Run>()

  /**
   * Takes a job from where it stands to its end. One that runs here is waited for first: the queue may have given it up.
   * Once publishing is closing, the queue keeps what is not done until it stops too, and hands it back.
   */
  async function run(jobId: string, queueSignal: AbortSignal): Promise<void> {
    try {
      closing.throwIfAborted()
      let job: PublishJobRecord | null
      do {
        await Promise.allSettled([running.get(jobId)?.ended])
        closing.throwIfAborted()
        job = await catalog.publishJobs.claim(jobId)
        if (job === null) return
      } while (running.has(jobId))
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

  function tell(
    { kind, table, done: doneBefore }: PublishJobRecord,
    { id, status, done, total, startedAt, finishedAt }: PublishJobRecord,
  ) {
    if (!isEnded(status)) return
    metrics.work.published(kind).value += done - doneBefore
    const elapsedMs = startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : 0
    metrics.work.publishJobSeconds(kind, status).observe(elapsedMs / 1000)
    const facts = { publishJob: id, kind, table, status, done, total, elapsedMs }
    options.log.info(facts, 'A publish job has ended')
  }

  function announce(jobId: string) {
    events.publish('publishJob', jobId, { jobId })
  }

  async function execute(job: PublishJobRecord, run: Run, signal: AbortSignal, log: Logger): Promise<void> {
    const { cancelled } = run
    const waiting = { delaysMs: retryDelaysMs, log, onWait: (error: unknown) => void wait(error) }
    let noting: Promise<unknown> = Promise.resolve()

    /** Whoever follows the job elsewhere learns why it stands, and this process whether it is to be cancelled. */
    async function wait(error: unknown) {
      run.waitingFor = sayFailure(error)
      announce(job.id)
      const { waitingFor } = run
      noting = noting
        .then(() => catalog.publishJobs.update(job.id, { waitingFor }))
        .then(heed, (cause: unknown) => log.debug({ err: cause }, 'What a job waits for was not stored'))
      await noting
    }

    function heed({ cancelRequested }: PublishJobRecord) {
      if (cancelRequested) run.cancel()
    }

    /** False when the job has been ended from elsewhere. */
    async function store(changes: PublishJobChanges): Promise<boolean> {
      const onWait = (error: unknown) => {
        run.waitingFor = sayFailure(error)
      }
      try {
        await noting
        const stored = await retry({ ...waiting, what: 'Storing the progress', onWait, signal }, () =>
          catalog.publishJobs.update(job.id, { ...changes, waitingFor: null }),
        )
        run.waitingFor = null
        heed(stored)
        tell(job, stored)
        if (isEnded(stored.status) && job.upload !== null) await removeUpload(job.upload)
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

    /** Null when it was cancelled before anything of it can have been written. */
    async function prepare(): Promise<Work | null> {
      const isWritten = job.startedAt !== null
      const either = isWritten ? signal : AbortSignal.any([signal, cancelled])
      const what = 'Reading the rows of a publish job'
      try {
        return await retry({ ...waiting, what, signal: either }, () => createWork(job))
      } catch (error) {
        if (signal.aborted || isWritten || error !== cancelled.reason) throw error
        return null
      }
    }

    async function runToEnd(): Promise<void> {
      const resumed = job.startedAt !== null
      if (!resumed) {
        if (cancelled.aborted) return void (await store({ status: 'CANCELLED' }))
        if (!(await store({ status: 'RUNNING' }))) return
        announce(job.id)
      }
      if (job.kind === 'ERASURE') return erase()
      const work = await prepare()
      if (work === null) return void (await store({ status: 'CANCELLED' }))
      const { id: jobId, done } = job
      const stores = { warehouse, realtime, waiting }
      const end = await runBatches(stores, { jobId, work, done, resumed, cancelled, advance, signal })
      if (end !== 'ENDED_ELSEWHERE') await store({ status: end })
    }

    /** What has begun goes on to its end: half of an entity is of no use to anybody. */
    async function erase(): Promise<void> {
      if (job.payload === null) throw new AppError('INTERNAL', `What publish job ${job.id} erases is gone.`)
      const stores = { warehouse, realtime, training: options.training }
      const isOver = await runErasure(stores, {
        jobId: job.id,
        payload: job.payload,
        earlier: job.erasure === null ? null : erasureResult.parse(job.erasure),
        async advance(done, erasure) {
          const goesOn = await store({ done, erasure })
          if (goesOn) run.advance(done)
          announce(job.id)
          return goesOn
        },
        waiting,
        signal,
      })
      if (isOver) await store({ status: 'SUCCEEDED' })
    }

    try {
      await runToEnd()
    } catch (error) {
      if (signal.aborted) {
        await catalog.publishJobs.release(job.id).catch(() => undefined)
        throw error
      }
      log.error({ err: error }, 'A publish job failed')
      await store({ status: 'FAILED', error: sayFailure(error) })
    }
  }

  /** What stays is swept away later. */
  async function removeUpload(name: string) {
    await uploads
      .remove(name)
      .catch((error: unknown) => options.log.warn({ err: error, upload: name }, 'An upload was not removed'))
  }

  async function createWork(job: PublishJobRecord): Promise<Work> {
    if (job.kind === 'FLOWS') {
      if (job.seed === null) throw new AppError('INTERNAL', `Publish job ${job.id} has no seed.`)
      await createDemoTables(warehouse)
      return createFlowWork(job.total, { seed: job.seed, run: job.run ?? 0 })
    }
    if (job.upload !== null && job.table !== null)
      return createFilesWork(await uploads.files(job.upload, job.table))
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
    run?.cancel()
    // It may run elsewhere, or have gone there meanwhile.
    const ended = await untilEnded(jobId, AbortSignal.timeout(cancelWithinMs))
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
  const cancelling = new AbortController()
  const cancel = () => cancelling.abort(new Error('The publish job was cancelled'))
  if (job.cancelRequested) cancel()
  let done = job.done
  const run: Run = {
    progress: () => ({
      jobId: job.id,
      status: 'RUNNING',
      total: job.total,
      done,
      flowsPerSecond: meter.flowsPerSecond(),
      etaSeconds: meter.etaSeconds(job.total),
      waitingFor: run.waitingFor,
      error: null,
    }),
    advance(to) {
      done = to
      meter.advance(to)
    },
    waitingFor: null,
    cancel,
    cancelled: cancelling.signal,
    ended: Promise.resolve(),
  }
  return run
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
