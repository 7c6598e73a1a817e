// Training: queries and extractions that become datasets, and the datasets' rows, progress and downloads.

import { join } from 'node:path'
import { longestName } from '../catalog/database/violations.ts'
import type { DatasetRecord } from '../catalog/datasets.ts'
import type { EtlRecord } from '../catalog/etls.ts'
import type { Idempotency } from '../catalog/idempotency-keys.ts'
import { createId } from '../catalog/ids.ts'
import { isEnded } from '../catalog/job-states.ts'
import type { Catalog } from '../catalog/open.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import type { Repetition } from '../concurrency/repeat.ts'
import { within } from '../concurrency/within.ts'
import { AppError, unavailable } from '../errors.ts'
import type { EtlEngine } from '../etl/engine.ts'
import type { EtlService } from '../etl/service.ts'
import type { ParquetEngine } from '../parquet/engine.ts'
import { momentOf } from '../sql/as-of.ts'
import { overall } from '../sql/determinism.ts'
import type { Frame } from '../values/columns.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { createDeletion } from './deletion.ts'
import { assertReadable, createDownloads, type Download, type DownloadFormat } from './download.ts'
import { createExtraction } from './extraction.ts'
import { packUnsavedEtl, takeHandedBack, unpackUnsavedEtl } from './handed-back.ts'
import { datasetsHolding } from './holding.ts'
import { integerWithin, nameWithin } from './input.ts'
import { maxPage, maxWaitMs } from './limits.ts'
import { datasetPath } from './making.ts'
import { watchOrphans } from './orphans.ts'
import { type ColumnProfile, profileDataset } from './profile.ts'
import { watchDataset } from './progress.ts'
import { createQueryColumns } from './query-columns.ts'
import { idempotencyOf, whenMade } from './repeated.ts'
import type {
  CreateTrainingSetRequest,
  ExtractTrainRequest,
  MadeTrainingSet,
  QueryTrainRequest,
} from './requests.ts'
import { keepRetention, type Retention } from './retention.ts'
import { createRunner, type RunEnd, type RunnerOptions, type RunWork } from './run.ts'
import { notPointInTime, parseRecipe } from './sets/recipe.ts'
import { createTrainingSets, type FeaturesRequest, type PlannedSet } from './sets/sets.ts'
import { whileCatalogIsAway } from './stored-end.ts'
import { sweep } from './sweep.ts'

const catalogPatienceMs = 60_000

/**
 * A call that starts a dataset answers when it has ended, or after `waitMs` with the dataset as it then stands; the
 * work goes on. A dataset that fails while the caller waits rejects the call with its error, and stays in the catalog as FAILED.
 */
export interface Training {
  queryTrain(request: QueryTrainRequest): Promise<{ query: SavedQueryRecord | null; dataset: DatasetRecord }>
  extractTrain(request: ExtractTrainRequest): Promise<{ etl: EtlRecord | null; dataset: DatasetRecord }>
  /** Refuses at once what cannot be made: names, keys and types that do not fit. */
  createTrainingSet(request: CreateTrainingSetRequest): Promise<MadeTrainingSet>
  /** A training set anew, by the same statements and ETLs; BAD_USER_INPUT for another dataset. */
  remake(datasetId: string, options: { waitMs: number }): Promise<MadeTrainingSet>
  /** What a training set holds for entities at one moment: their features alone, a row for each. */
  features(request: FeaturesRequest): Promise<Frame>
  /** Stops the engine, not only the waiting. Rejects with CONFLICT when the dataset has ended. */
  cancel(datasetId: string): Promise<DatasetRecord>
  /** Takes away the dataset and its files. Rejects with CONFLICT while it is made. */
  delete(datasetId: string): Promise<void>
  /** The ids of datasets that hold an entity, given by its columns and its values' texts. */
  holding(
    entity: { columns: readonly string[]; texts: readonly string[] },
    signal: AbortSignal,
  ): Promise<readonly string[]>
  rows(datasetId: string, page: { offset: number; limit: number }): Promise<Frame>
  progress(datasetId: string): AsyncIterable<DatasetRecord>
  download(datasetId: string, format: DownloadFormat, signal: AbortSignal): Promise<Download>
  profile(datasetId: string, options?: { signal?: AbortSignal | undefined }): Promise<ColumnProfile[]>
  /** Resolves once what an earlier process left is cleared away; every other call waits for it. */
  start(): Promise<void>
  /**
   * Stops what runs and waits: it is QUEUED again, for another gateway or the next start. Calls that wait for a dataset
   * are answered with it as it stands then, and following one ends.
   */
  handBack(): Promise<void>
  /** Hands back what is not done. */
  close(): Promise<void>
}

export interface TrainingOptions extends Omit<RunnerOptions, 'datasets' | 'catalogPatienceMs'> {
  catalog: Catalog
  warehouse: Warehouse
  parquet: ParquetEngine
  etlService: EtlService
  etlEngine: EtlEngine
  retention: Retention
  /** Datasets that may wait for room. */
  maxQueued: number
}

export function createTraining(options: TrainingOptions): Training {
  const { catalog, warehouse, parquet, events, datasetsFolder, temporaryFolder, log } = options
  const { datasets, savedQueries } = catalog
  const runner = createRunner({ ...options, datasets, catalogPatienceMs })
  const queryColumns = createQueryColumns(catalog)
  const extraction = createExtraction({ ...options, queryColumns })
  const sets = createTrainingSets(options)
  const downloads = createDownloads({
    parquet,
    folder: join(temporaryFolder, 'downloads'),
    concurrency: 4,
  })
  const deletion = createDeletion({
    datasets,
    events,
    datasetsFolder,
    forgetDownloads: downloads.forget,
    log,
  })
  const started = sweep(options).catch((error: unknown) => {
    log.error({ err: error }, 'What an earlier process left of its datasets could not be cleared away')
  })
  const orphanage = watchOrphans({ datasets, events, log })
  // Both are of the time after the sweep.
  let handedBack: Repetition | undefined
  let retention: Repetition | undefined
  started.then(() => {
    if (stopping.signal.aborted) return
    handedBack = takeHandedBack({ ...runner, datasets, resume, log })
    retention = keepRetention({ ...options, ...options.retention, ...deletion })
  })
  const stopping = new AbortController()

  function assertRoom() {
    if (runner.waiting() < options.maxQueued) return
    throw unavailable(
      'OVERLOADED',
      `${options.maxQueued} datasets wait to be made already (TRAIN_QUEUE); ask again once some have ended`,
      { retryAfterSeconds: 10 },
    )
  }

  function queryWork(dataset: DatasetRecord): RunWork {
    return async ({ signal, path, onProgress }) => {
      const saved = await savedColumns(dataset, signal)
      const result = await warehouse.exportParquet({
        sql: dataset.sql,
        saved,
        path,
        asOf: dataset.asOf ?? undefined,
        signal,
        onProgress: ({ fraction }) => onProgress(fraction),
      })
      const observed = queryColumns.observed(result)
      const { id: datasetId, queryId } = dataset
      if (queryId !== null) {
        await whileCatalogIsAway({ what: 'Noting what a query has shown', signal, log }, () =>
          queryColumns.settle({ queryId, datasetId, observed }),
        )
      }
      return observed
    }
  }

  async function savedColumns({ queryId }: DatasetRecord, signal: AbortSignal) {
    if (queryId === null) return undefined
    const reading = { what: 'Reading the columns of a saved query', signal, log }
    return (await whileCatalogIsAway(reading, () => savedQueries.byId(queryId))).columns
  }

  /** The spine's rows stay for whoever takes it up. */
  async function runSet(dataset: DatasetRecord): Promise<RunEnd> {
    const end = await runner.start(dataset, async (context) =>
      queryColumns.observed(await sets.run(dataset, context)),
    )
    if (isEnded(end.dataset.status)) await sets.dropSpine(dataset.id)
    return end
  }

  async function startSet(
    planned: PlannedSet,
    { waitMs, idempotency }: { waitMs: number; idempotency?: Idempotency | undefined },
  ): Promise<MadeTrainingSet> {
    const { recipe, sql } = planned
    const id = createId('dst')
    await sets.keepSpine(id, planned)
    const made = { id, queryId: null, etlId: null, sql, trainingSet: recipe, idempotency }
    const dataset = await datasets.create(made)
    if (dataset.id !== id) {
      await sets.dropSpine(id)
      return madeBefore(dataset, waitMs)
    }
    const ended = await settled(dataset.id, runSet(dataset), waitMs)
    return { dataset: ended, notPointInTime: notPointInTime(recipe) }
  }

  async function madeBefore(dataset: DatasetRecord, waitMs: number): Promise<MadeTrainingSet> {
    const { signal } = stopping
    return {
      dataset: await whenMade({ datasets, events, signal }, dataset, waitMs),
      notPointInTime: notPointInTime(parseRecipe(dataset.trainingSet)),
    }
  }

  async function queriedBefore({ queryId, ...rest }: DatasetRecord, waitMs: number) {
    const { signal } = stopping
    const dataset = await whenMade({ datasets, events, signal }, { ...rest, queryId }, waitMs)
    return { query: queryId === null ? null : await savedQueries.byId(queryId), dataset }
  }

  /** Whoever asked for it asked another gateway, or this one before it was started again. */
  function resume(dataset: DatasetRecord): void {
    if (dataset.trainingSet !== null) return void runSet(dataset)
    void runner.start(dataset, async (context) => {
      const reading = { what: 'Reading what a dataset is made of', signal: context.signal, log }
      const parts = await whileCatalogIsAway(reading, () => partsOf(dataset))
      return parts === null ? queryWork(dataset)(context) : extraction.run(context, { ...parts, dataset })
    })
  }

  /** Null where no ETL is part of it. */
  async function partsOf({ etlId, unsavedEtl, queryId }: DatasetRecord) {
    const etl = etlId === null ? null : await catalog.etls.byId(etlId)
    const source = etl ?? (unsavedEtl === null ? null : unpackUnsavedEtl(unsavedEtl))
    return source === null || queryId === null
      ? null
      : { query: await savedQueries.byId(queryId), source, etl }
  }

  async function settled(datasetId: string, run: Promise<RunEnd>, waitMs: number): Promise<DatasetRecord> {
    const startedMs = performance.now()
    const end = await within(waitMs, run, () => null)
    if (end === null) return datasets.byId(datasetId)
    if (end.error !== null) throw end.error
    if (isEnded(end.dataset.status)) return end.dataset
    // Another gateway makes it by now.
    const { signal } = stopping
    const leftMs = Math.max(0, Math.round(waitMs - (performance.now() - startedMs)))
    return whenMade({ datasets, events, signal }, end.dataset, leftMs)
  }

  async function readable(datasetId: string): Promise<{ dataset: DatasetRecord; path: string }> {
    await started
    const dataset = await datasets.byId(datasetId)
    const path = datasetPath(datasetsFolder, dataset.id)
    await assertReadable(dataset, path)
    return { dataset, path }
  }

  /** Has the gateway that makes the dataset stop, and waits for its end; false when it has ended already. */
  async function askMaker(datasetId: string): Promise<boolean> {
    if (!(await datasets.requestCancel(datasetId))) return false
    events.publish('datasetCancel', datasetId, { datasetId })
    for await (const _ of watchDataset({ datasets, events }, datasetId));
    return true
  }

  async function handBack() {
    stopping.abort()
    await handedBack?.close()
    await runner.handBack()
  }

  return {
    async queryTrain({ idempotencyKey, waitMs, ...request }) {
      const { sql, name, save, asOf, ...notes } = request
      const checkedName = nameWithin('queryName', name, longestName)
      integerWithin('waitMs', waitMs, 0, maxWaitMs)
      await started
      const idempotency =
        typeof idempotencyKey === 'string'
          ? await idempotencyOf('queryTrain', { key: idempotencyKey, asked: request })
          : undefined
      const known = idempotency && (await datasets.byKey(idempotency))
      if (known) return queriedBefore(known, waitMs)
      assertRoom()
      const { columns, determinism, asksForMoment } = await warehouse.describe(sql)
      const moment = momentOf({ asksForMoment }, asOf)
      const promise = determinism && overall(determinism)
      const entry = { ...notes, name: checkedName, sql, columns, promise, asksForMoment }
      const query = save ? await savedQueries.save(entry) : null
      const id = createId('dst')
      const made = { id, queryId: query?.id ?? null, etlId: null, sql, asOf: moment, idempotency }
      const dataset = await datasets.create(made)
      if (dataset.id !== id) return queriedBefore(dataset, waitMs)
      const run = runner.start(dataset, queryWork(dataset))
      const settledDataset = await settled(dataset.id, run, waitMs)
      return { query: query === null ? null : await savedQueries.byId(query.id), dataset: settledDataset }
    },

    async extractTrain({ queryId, etlPath, etlName, save, waitMs, asOf }) {
      const name = etlName == null ? undefined : nameWithin('etlName', etlName, longestName)
      integerWithin('waitMs', waitMs, 0, maxWaitMs)
      assertRoom()
      await started
      const query = await savedQueries.byReference(queryId)
      const moment = momentOf(query, asOf)
      const { source, etl } = await extraction.resolve({ etlPath, name, save })
      const dataset = await datasets.create({
        queryId: query.id,
        etlId: etl?.id ?? null,
        sql: query.sql,
        asOf: moment,
        ...(etl === null && { unsavedEtl: packUnsavedEtl(source) }),
      })
      const run = runner
        .start(dataset, (context) => extraction.run(context, { query, source, etl, dataset }))
        .then(async (end) => {
          // Code that has never run is not kept: mended at its place, it is loaded anew by the next call.
          if (etl !== null && end.error?.code === 'ETL_FAILED') await catalog.etls.removeUnused(etl.id)
          return end
        })
      return { etl, dataset: await settled(dataset.id, run, waitMs) }
    },

    async createTrainingSet({ waitMs, repeat, ...request }) {
      integerWithin('waitMs', waitMs, 0, maxWaitMs)
      if (request.name !== null) nameWithin('name', request.name, longestName)
      await started
      const idempotency = repeat && (await idempotencyOf('createTrainingSet', repeat))
      const known = idempotency && (await datasets.byKey(idempotency))
      if (known) return madeBefore(known, waitMs)
      assertRoom()
      return startSet(await sets.plan(request), { waitMs, idempotency })
    },

    async remake(datasetId, { waitMs }) {
      integerWithin('waitMs', waitMs, 0, maxWaitMs)
      assertRoom()
      await started
      return startSet(sets.remake(await datasets.byId(datasetId)), { waitMs })
    },

    features: sets.features,

    async cancel(datasetId) {
      await started
      const end = await runner.cancel(datasetId)
      const isMadeElsewhere = end === null || !isEnded(end.dataset.status)
      const asked = isMadeElsewhere && (await askMaker(datasetId))
      const dataset = isMadeElsewhere ? await datasets.byId(datasetId) : end.dataset
      if (dataset.status === 'CANCELLED' && (end !== null || asked)) return dataset
      const message = `Dataset ${datasetId} has ended already: it is ${dataset.status}. Only a queued or running one can be cancelled.`
      throw new AppError('CONFLICT', message, { details: { status: dataset.status } })
    },

    async delete(datasetId) {
      await started
      await deletion.delete(datasetId)
    },

    async holding(entity, signal) {
      await started
      return datasetsHolding(options, entity, signal)
    },

    async rows(datasetId, { offset, limit }) {
      integerWithin('offset', offset, 0, Number.MAX_SAFE_INTEGER)
      integerWithin('limit', limit, 1, maxPage)
      const { dataset, path } = await readable(datasetId)
      return parquet.read(path, { columns: dataset.columns, offset, limit })
    },

    progress: (datasetId) => watchDataset({ datasets, events, signal: stopping.signal }, datasetId),

    async download(datasetId, format, signal) {
      const { dataset, path } = await readable(datasetId)
      return downloads.open({ dataset, path, format, signal })
    },

    async profile(datasetId, { signal } = {}) {
      const { dataset, path } = await readable(datasetId)
      const limit = AbortSignal.timeout(options.timeoutMs)
      const either = signal === undefined ? limit : AbortSignal.any([signal, limit])
      return profileDataset(parquet, { dataset, path, temporaryFolder, signal: either })
    },

    start: () => started,

    handBack,

    async close() {
      await started
      await Promise.all([orphanage.close(), retention?.close(), deletion.close()])
      await downloads.close()
      await handBack()
    },
  }
}
