// One dataset's way from QUEUED to its end: waiting for room, progress, timeout, cancellation, and files that leave no trace of a failure.

import { rm } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { DatasetRecord, Datasets } from '../catalog/datasets.ts'
import { isEnded } from '../catalog/job-states.ts'
import { createLimiter } from '../concurrency/limiter.ts'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import { isDiskFull } from '../full-disk.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { inSpan } from '../telemetry/spans.ts'
import type { Column } from '../values/columns.ts'
import { refuseManyRows, type TrainLimits, watchSize } from './limits.ts'
import { createMaking, datasetPath, RunTakenOver } from './making.ts'
import { failureOf } from './repeated.ts'
import { createEndStore, EndNotStored, whileCatalogIsAway } from './stored-end.ts'

export interface RunContext {
  /** Aborts when the dataset is cancelled, takes too long, or the gateway stops. */
  signal: AbortSignal
  /** Where the dataset's Parquet is to be, beside nothing else. */
  path: string
  /** A Parquet file for what comes in between; gone when the run ends. */
  temporaryPath: string
  /** From 0 to 1. */
  onProgress(fraction: number | null): void
}

export interface RunResult {
  columns: readonly Column[]
  rowCount: bigint
}

export type RunWork = (context: RunContext) => Promise<RunResult>

export interface RunEnd {
  dataset: DatasetRecord
  /** Why it failed; null when it succeeded, was cancelled or handed back. */
  error: AppError | null
}

export interface Runner {
  /** Queues the work; resolves when it has ended, however it ended. */
  start(dataset: DatasetRecord, work: RunWork): Promise<RunEnd>
  /** Stops a queued or running one and resolves to how it ended; null when it does not run here. */
  cancel(datasetId: string): Promise<RunEnd> | null
  /** Whether it waits or runs here, or its end is yet to be stored. */
  isAtWork(datasetId: string): boolean
  /** How many wait for room. */
  waiting(): number
  /** Stops what runs and what is started from here on: it is QUEUED again, for another process or the next start. */
  handBack(): Promise<void>
}

export interface RunnerOptions {
  datasets: Datasets
  events: Events
  datasetsFolder: string
  temporaryFolder: string
  /** How many datasets are made at once; the others wait as QUEUED. */
  concurrency: number
  timeoutMs: number
  metrics: Metrics
  limits: TrainLimits
  /** How long a call waits for a catalog that is away when its dataset has ended. */
  catalogPatienceMs: number
  log: Logger
}

interface Run {
  controller: AbortController
  ended: Promise<RunEnd>
}

type Made = Pick<DatasetRecord, 'id' | 'takeovers'>

class RunCancelled extends Error {
  override readonly name = 'RunCancelled'
}

class RunHandedBack extends Error {
  override readonly name = 'RunHandedBack'
}

const progressIntervalMs = 250
/** A gateway that stops does not wait longer for its catalog; the dataset is then failed by another one, or the next start. */
const handBackWithinMs = 5000

export function createRunner(options: RunnerOptions): Runner {
  const {
    datasets,
    events,
    datasetsFolder,
    temporaryFolder,
    timeoutMs,
    limits,
    metrics,
    catalogPatienceMs,
    log,
  } = options
  const limiter = createLimiter(options.concurrency)
  let stopping = false
  const { storeEnd, isUntold } = createEndStore({
    update,
    isStopping: () => stopping,
    patienceMs: catalogPatienceMs,
    log,
  })
  const runs = new Map<string, Run>()

  async function update(
    { id, takeovers }: Made,
    changes: Parameters<Datasets['update']>[1],
  ): Promise<DatasetRecord> {
    try {
      const dataset = await datasets.update(id, changes, takeovers)
      if (dataset.cancelRequested) stop(id)
      events.publish('dataset', id, { datasetId: id })
      return dataset
    } catch (error) {
      throw error instanceof AppError && error.code === 'CONFLICT' ? new RunTakenOver(id, error) : error
    }
  }

  function stop(id: string) {
    runs.get(id)?.controller.abort(new RunCancelled(`Dataset ${id} was cancelled`))
  }

  /** Another gateway was asked to cancel it, or may have been. */
  async function stopIfAsked(id: string): Promise<void> {
    try {
      if ((await datasets.byId(id)).cancelRequested) stop(id)
    } catch (error) {
      log.warn({ err: error, datasetId: id }, 'Whether a dataset is to be cancelled could not be read')
    }
  }

  async function execute(
    dataset: DatasetRecord,
    work: RunWork,
    controller: AbortController,
  ): Promise<DatasetRecord> {
    const startedMs = performance.now()
    const { id } = dataset
    const { signal } = controller
    const timer = setTimeout(() => controller.abort(createTimeoutError(timeoutMs)), timeoutMs)
    const progress = createProgressWriter(
      (fraction) => update(dataset, { progress: fraction }),
      (error) => {
        if (error instanceof RunTakenOver) return controller.abort(error)
        log.debug({ err: error, datasetId: id }, 'The progress of a dataset could not be stored')
      },
    )
    const isOwn = () =>
      whileCatalogIsAway({ what: 'Reading whose a dataset is', signal, log }, () => datasets.isOwn(dataset))
    const making = createMaking(dataset, { datasetsFolder, temporaryFolder, isOwn })
    const endWatching = watchSize(making.folders, limits, (error) => controller.abort(error))
    const { path, temporaryPath } = making
    try {
      await making.open()
      await whileCatalogIsAway({ what: 'Noting that a dataset is made', signal, log }, () =>
        update(dataset, { status: 'RUNNING' }),
      )
      const result = await work({ signal, path, temporaryPath, onProgress: progress.report })
      signal.throwIfAborted()
      refuseManyRows(result.rowCount, limits)
      await progress.stop()
      await making.place()
      const elapsedMs = performance.now() - startedMs
      const { rowCount } = result
      return await storeEnd(dataset, {
        status: 'SUCCEEDED',
        columns: [...result.columns],
        rowCount,
        progress: 1,
        elapsedMs,
      })
    } finally {
      clearTimeout(timer)
      endWatching()
      await progress.stop()
      await making.remove()
    }
  }

  async function settleFailure(
    dataset: DatasetRecord,
    reason: unknown,
    startedMs: number | null,
  ): Promise<RunEnd> {
    if (reason instanceof RunTakenOver) return settleTakenOver(dataset)
    if (reason instanceof RunHandedBack) {
      const signal = AbortSignal.timeout(handBackWithinMs)
      const handedBack = await whileCatalogIsAway({ what: 'Handing a dataset back', signal, log }, () =>
        datasets.handBack(dataset.id, dataset.takeovers),
      )
      events.publish('dataset', dataset.id, { datasetId: dataset.id })
      return { dataset: handedBack ?? (await datasets.byId(dataset.id)), error: null }
    }
    const elapsedMs = startedMs === null ? null : performance.now() - startedMs
    const error = reason instanceof RunCancelled ? null : toAppError(reason)
    if (error?.code === 'INTERNAL') log.error({ err: reason, datasetId: dataset.id }, 'A dataset failed')
    try {
      const ended = await storeEnd(
        dataset,
        error === null
          ? { status: 'CANCELLED', elapsedMs }
          : { status: 'FAILED', error: error.message, errorCode: error.code, elapsedMs },
      )
      // It was this one's to its end, so that no other has put a file there.
      await rm(datasetPath(datasetsFolder, dataset.id), { force: true })
      return { dataset: ended, error }
    } catch (failure) {
      if (failure instanceof RunTakenOver) return settleTakenOver(dataset)
      throw failure
    }
  }

  /** Whoever makes it says how it ends, also this one itself, where the answer to that was lost; a file stays only where one is to be. */
  async function settleTakenOver({ id, takeovers }: DatasetRecord): Promise<RunEnd> {
    const removeFile = () => rm(datasetPath(datasetsFolder, id), { force: true })
    const found = await datasets.byId(id).catch(async (error: unknown) => {
      if (error instanceof AppError && error.code === 'NOT_FOUND') await removeFile()
      throw error
    })
    if (found.takeovers !== takeovers)
      log.warn({ datasetId: id }, 'A dataset was taken over, since this gateway was taken for gone')
    if (isEnded(found.status) && found.status !== 'SUCCEEDED') await removeFile()
    return { dataset: found, error: failureOf(found) }
  }

  /** `before` is a run of the same dataset here that was taken for gone; it makes way. */
  async function runToEnd(
    dataset: DatasetRecord,
    work: RunWork,
    { controller, before }: { controller: AbortController; before: Run | undefined },
  ): Promise<RunEnd> {
    const { signal } = controller
    let startedMs: number | null = null
    if (before !== undefined) {
      before.controller.abort(new RunTakenOver(dataset.id))
      await before.ended
    }
    const endListening = events.listen('datasetCancel', dataset.id, () => void stopIfAsked(dataset.id))
    try {
      try {
        const ended = await limiter.run(signal, () => {
          startedMs = performance.now()
          return execute(dataset, work, controller)
        })
        return { dataset: ended, error: null }
      } catch (error) {
        if (error instanceof EndNotStored) throw error
        return await settleFailure(dataset, signal.aborted ? signal.reason : error, startedMs)
      }
    } catch (error) {
      log.error(
        { err: error, datasetId: dataset.id },
        'How a dataset ended could not be written to the catalog',
      )
      return { dataset, error: toAppError(error instanceof EndNotStored ? error.cause : error) }
    } finally {
      if (runs.get(dataset.id)?.controller === controller) runs.delete(dataset.id)
      endListening()
    }
  }

  function tell({ dataset: { id, queryId, etlId, status, elapsedMs, rowCount } }: RunEnd) {
    const kind = etlId === null ? 'query' : 'extract'
    const facts = { datasetId: id, queryId, etlId, status, rows: Number(rowCount ?? 0), elapsedMs }
    log.info(facts, status === 'QUEUED' ? 'A training run was handed back' : 'A training run has ended')
    metrics.work.datasetSeconds(kind, status).observe((elapsedMs ?? 0) / 1000)
    if (status === 'SUCCEEDED') metrics.work.datasetRows(kind).observe(Number(rowCount ?? 0))
  }

  return {
    start(dataset, work) {
      const controller = new AbortController()
      if (stopping) controller.abort(new RunHandedBack())
      const attributes = { 'gateway.dataset.id': dataset.id }
      const before = runs.get(dataset.id)
      const ended = inSpan('make a dataset', { attributes }, () =>
        runToEnd(dataset, work, { controller, before }),
      )
      void ended.then(tell)
      runs.set(dataset.id, { controller, ended })
      events.publish('dataset', dataset.id, { datasetId: dataset.id })
      return ended
    },

    cancel(datasetId) {
      const run = runs.get(datasetId)
      if (run === undefined) return null
      stop(datasetId)
      return run.ended
    },

    isAtWork: (datasetId) => runs.has(datasetId) || isUntold(datasetId),

    waiting: limiter.waiting,

    async handBack() {
      stopping = true
      const ended = [...runs.values()].map((run) => {
        run.controller.abort(new RunHandedBack())
        return run.ended
      })
      await Promise.all(ended)
    },
  }
}

function createTimeoutError(timeoutMs: number): AppError {
  const seconds = timeoutMs / 1000
  const message = `The dataset took longer than ${seconds} s, the longest a training run may take (TRAIN_TIMEOUT_SECONDS); ask for less, or raise the limit.`
  return new AppError('TIMEOUT', message, { details: { timeoutMs } })
}

function toAppError(reason: unknown): AppError {
  if (isDiskFull(reason)) {
    const message =
      'The disk that holds the datasets is full; nothing of this dataset was kept. Ask for less, or make room.'
    return new AppError('TOO_LARGE', message, { cause: reason })
  }
  if (reason instanceof AppError) return reason
  const message = 'The gateway failed while it made this dataset; its log holds the cause.'
  return new AppError('INTERNAL', message, { cause: reason })
}

/** Writes the newest fraction at most every quarter of a second, one write at a time, never backwards. */
function createProgressWriter(
  write: (fraction: number) => Promise<unknown>,
  onFailure: (error: unknown) => void,
) {
  let writing: Promise<unknown> | null = null
  let stopped = false
  let written = 0
  let writtenAtMs = 0

  return {
    report(fraction: number | null) {
      const now = performance.now()
      if (stopped || writing !== null || now - writtenAtMs < progressIntervalMs) return
      if (fraction === null || !(fraction > written)) return
      written = Math.min(fraction, 1)
      writtenAtMs = now
      writing = write(written)
        .catch(onFailure)
        .finally(() => {
          writing = null
        })
    },
    async stop() {
      stopped = true
      await writing
    },
  }
}
