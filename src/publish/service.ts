// Publishing: durable jobs that write flows or an application's rows to the warehouse and keep the feature views in step.

import { randomInt } from 'node:crypto'
import type { Logger } from 'pino'
import { checkKey, hashRequest } from '../catalog/idempotency-keys.ts'
import type { Catalog } from '../catalog/open.ts'
import type { PublishJobRecord } from '../catalog/publish-jobs.ts'
import { type Repetition, repeat } from '../concurrency/repeat.ts'
import { AppError, unavailable } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Realtime } from '../realtime/service.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { describeGiven } from '../values/cells.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { rowsTableName } from '../warehouse/rows-table.ts'
import { type ErasureStores, planErasure } from './erasure.ts'
import { assertTaken, checkRows, findIngestTable, packRows } from './ingest.ts'
import { createRateMeter, followProgress, type PublishProgress } from './progress.ts'
import { createRunner } from './runner.ts'
import { createAcceptance, type UploadRequest } from './upload/accept.ts'
import type { Uploads } from './upload/uploads.ts'

export type { PublishProgress }

/** In one job. */
export const maxFlows = 10_000_000
const queueName = 'publish'
/** How often this gateway looks for jobs of others that are gone. */
const takeOverEveryMs = 2000
/** How often it is looked whether stored jobs are in the queue: the catalog may go away between the two. */
const sendLostEveryMs = 5000
/** The oldest alone are looked at: a lost one is among them once those before it are done. */
const waitingLookedAt = 1000
const forgetEveryMs = 3_600_000
const maxInt32 = 2 ** 31 - 1

export interface Publishing {
  /**
   * Starts a job that writes flows. The same seed gives the same rows: flow i is a function of (seed, i). Its ids are
   * too, but for the second job of a seed in one catalog, which gets ids of its own so that both can be kept.
   * Without a seed one is drawn, and stored with the job.
   */
  publish(request: { nFlows: number; seed?: number | null | undefined }): Promise<PublishJobRecord>
  /**
   * Starts a job that writes an application's own rows, all of them or, when one is faulty, none. The same again under
   * the same idempotency key is the job that was started then; other rows under it are a CONFLICT.
   */
  ingest(request: {
    table: string
    rows: unknown
    idempotencyKey?: string | null | undefined
  }): Promise<PublishJobRecord>
  /** The same of a body in one of the forms of `uploadTypes`, as long as it may be: see UPLOAD_MAX_MB. */
  upload(request: UploadRequest): Promise<PublishJobRecord>
  /**
   * Starts a job that takes one entity away: its rows from every table that may be written and has the key, and what is
   * online of it. What it could not take, and the datasets that hold it, come with the job.
   */
  eraseEntity(request: { indexKey: string; indexValue: string }): Promise<PublishJobRecord>
  /**
   * Ends a job between two batches, and answers with what it has done: that stays written and served. A job that waits
   * for its stores writes no more from here on; where it is not known yet what of it they have taken, it ends once they
   * are back, and is answered as it stands after some seconds.
   */
  cancel(jobId: string): Promise<PublishJobRecord>
  /** See `followProgress`. The first `next()` rejects with NOT_FOUND where there is no such job. */
  progress(jobId: string): AsyncIterable<PublishProgress>
  /** Resolves when the job has ended, or with the job as it stands when publishing closes or the signal aborts before. */
  wait(jobId: string, options?: { signal?: AbortSignal }): Promise<PublishJobRecord>
  /** Begins the work, that of jobs left by a process that is gone too. */
  start(): Promise<void>
  /** Stops running jobs after their batch in hand; the next start goes on with them. Ends every progress stream. */
  close(): Promise<void>
}

interface PublishingOptions {
  catalog: Catalog
  warehouse: Pick<Warehouse, 'append' | 'appendFiles' | 'createTable' | 'findMisfit'> &
    ErasureStores['warehouse']
  uploads: Uploads
  realtime: Pick<Realtime, 'keysRead' | 'onAppended' | 'erase'>
  training: ErasureStores['training']
  events: Events
  concurrency: number
  /** Jobs that may be unfinished on the catalog. */
  maxQueued: number
  /** Jobs that ended so long ago are forgotten. */
  retentionMs: number
  /** Waits before further tries of a failed step; the last one again and again. */
  retryDelaysMs: readonly number[]
  metrics: Metrics
  log: Logger
}

export function createPublishing(options: PublishingOptions): Publishing {
  const { catalog, warehouse, events, concurrency, log } = options
  const closing = new AbortController()
  const runner = createRunner({
    ...options,
    untilEnded: (jobId, signal) => wait(jobId, { signal }),
    closing: closing.signal,
  })
  let takingOver: Repetition | undefined
  let sendingLost: Repetition | undefined
  let forgetting: Repetition | undefined

  /** Once it is stored it is done, and so accepted: what does not come into the queue now is sent again later. */
  async function enqueue(job: PublishJobRecord): Promise<PublishJobRecord> {
    await catalog.queue
      .send(queueName, job.id)
      .catch((error: unknown) =>
        log.warn({ err: error, publishJob: job.id }, 'A publish job could not be queued yet'),
      )
    return job
  }

  async function assertRoom() {
    if ((await catalog.publishJobs.countUnfinished()) < options.maxQueued) return
    throw unavailable(
      'OVERLOADED',
      `${options.maxQueued} publish jobs are unfinished already (PUBLISH_QUEUE); ask again once some have ended`,
      { retryAfterSeconds: 10 },
    )
  }

  const accept = createAcceptance({ ...options, assertRoom })
  const upload = async (request: UploadRequest) => enqueue(await accept(request))

  async function publish({ nFlows, seed }: { nFlows: number; seed?: number | null | undefined }) {
    checkInteger('nFlows', nFlows, 1, maxFlows)
    if (seed !== undefined && seed !== null) checkInteger('seed', seed, -maxInt32 - 1, maxInt32)
    await assertRoom()
    const drawn = seed ?? randomInt(maxInt32)
    return enqueue(await catalog.publishJobs.create({ kind: 'FLOWS', total: nFlows, seed: drawn }))
  }

  const ingest: Publishing['ingest'] = async ({ table: name, rows, idempotencyKey }) => {
    const idempotency =
      typeof idempotencyKey === 'string'
        ? { key: checkKey(idempotencyKey), requestSha256: await hashRequest(name, rows) }
        : undefined
    const known = idempotency && (await catalog.publishJobs.byKey(idempotency))
    if (known) return enqueue(known)
    const table = findIngestTable(await warehouse.tables(), name)
    await assertRoom()
    const checked = await checkRows(table, rows)
    await assertTaken(warehouse, table, checked)
    const payload = await packRows(checked)
    return enqueue(
      await catalog.publishJobs.create({
        kind: 'ROWS',
        total: checked.count,
        table: rowsTableName(table),
        payload,
        idempotency,
      }),
    )
  }

  async function eraseEntity(request: { indexKey: string; indexValue: string }) {
    await assertRoom()
    return enqueue(
      await catalog.publishJobs.create({ kind: 'ERASURE', ...(await planErasure({ warehouse }, request)) }),
    )
  }

  function progress(jobId: string, signal: AbortSignal = closing.signal): AsyncIterable<PublishProgress> {
    const stored = createStoredProgress()
    const read = async () =>
      runner.runningProgress(jobId) ?? stored.progress(await catalog.publishJobs.byId(jobId))
    return followProgress({ jobId, events, read, signal })
  }

  async function wait(jobId: string, { signal }: { signal?: AbortSignal } = {}): Promise<PublishJobRecord> {
    const stopped = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    for await (const _ of progress(jobId, stopped));
    return catalog.publishJobs.byId(jobId)
  }

  async function start() {
    await catalog.queue.work(queueName, { concurrency }, runner.run)
    for (const id of await catalog.publishJobs.unfinishedIds()) await catalog.queue.send(queueName, id)
    let abandoned = new Set<string>()
    takingOver = repeat({
      everyMs: takeOverEveryMs,
      failure: 'Jobs of gateways that are gone could not be found',
      log,
      async turn() {
        abandoned = await takeOver(abandoned)
      },
    })
    let missing = new Set<string>()
    sendingLost = repeat({
      everyMs: sendLostEveryMs,
      failure: 'Publish jobs that are not in the queue could not be found',
      log,
      async turn() {
        missing = await sendLost(missing)
      },
    })
    forgetting = repeat({
      everyMs: forgetEveryMs,
      failure: 'Publish jobs and uploads that are kept no longer could not be removed',
      log,
      async turn() {
        await catalog.publishJobs.removeEndedBefore(new Date(Date.now() - options.retentionMs))
        await options.uploads.sweep(catalog.publishJobs.uploads)
      },
    })
  }

  /** Jobs of a gateway that is gone: those that this one sees twice, since a lost connection alone is soon made anew. */
  async function takeOver(seen: ReadonlySet<string>): Promise<Set<string>> {
    const abandoned = await catalog.publishJobs.abandoned()
    for (const jobId of abandoned.filter((id) => seen.has(id))) {
      log.warn({ publishJob: jobId }, 'A publish job is taken over from a gateway that is gone')
      await catalog.queue.send(queueName, jobId)
      await catalog.queue.takeOver(queueName, jobId)
    }
    return new Set(abandoned)
  }

  /** Sends the jobs that were missing from the queue the last time too, since one may just be on its way into it, and gives those that are. */
  async function sendLost(missingBefore: ReadonlySet<string>): Promise<Set<string>> {
    const unclaimed = await catalog.publishJobs.unclaimedIds(waitingLookedAt)
    const waiting = unclaimed.filter((id) => runner.runningProgress(id) === undefined)
    const missing = await catalog.queue.missing(queueName, waiting)
    for (const jobId of missing.filter((id) => missingBefore.has(id))) {
      log.warn({ publishJob: jobId }, 'A publish job that had not come into the queue is sent again')
      await catalog.queue.send(queueName, jobId)
    }
    return new Set(missing)
  }

  async function close() {
    closing.abort(new Error('The gateway is stopping'))
    await Promise.all([runner.settled(), takingOver?.close(), sendingLost?.close(), forgetting?.close()])
    log.debug('Publishing is closed')
  }

  return {
    publish,
    ingest,
    upload,
    eraseEntity,
    cancel: runner.cancel,
    progress: (jobId) => progress(jobId),
    wait,
    start,
    close,
  }
}

function checkInteger(name: string, given: unknown, min: number, max: number) {
  if (typeof given === 'number' && Number.isInteger(given) && given >= min && given <= max) return
  throw new AppError(
    'BAD_USER_INPUT',
    `${name} is ${describeGiven(given)}; it must be a whole number from ${min} to ${max}.`,
  )
}

/** A job that does not run here: the rate seen while it runs elsewhere, its overall rate once it has ended. */
function createStoredProgress() {
  let meter: ReturnType<typeof createRateMeter> | null = null
  let lastDone = 0

  function progress(job: PublishJobRecord): PublishProgress {
    const { id: jobId, status, total, done, waitingFor, error, startedAt, finishedAt } = job
    if (startedAt !== null && finishedAt !== null) {
      const elapsedMs = Math.max(finishedAt.getTime() - startedAt.getTime(), 1)
      const flowsPerSecond = done === 0 ? null : (done * 1000) / elapsedMs
      const etaSeconds = status === 'SUCCEEDED' ? 0 : null
      return { jobId, status, total, done, flowsPerSecond, etaSeconds, waitingFor, error }
    }
    meter ??= createRateMeter(done)
    if (done !== lastDone) meter.advance(done)
    lastDone = done
    const [flowsPerSecond, etaSeconds] = [meter.flowsPerSecond(), meter.etaSeconds(total)]
    return { jobId, status, total, done, flowsPerSecond, etaSeconds, waitingFor, error }
  }

  return { progress }
}
