// Training sets: what is asked for becomes a recipe, checked as a whole before anything runs; a dataset is made by it, and made again.

import { randomUUID } from 'node:crypto'
import { access, copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatasetRecord } from '../../catalog/datasets.ts'
import type { EtlRecord } from '../../catalog/etls.ts'
import type { Catalog } from '../../catalog/open.ts'
import { AppError } from '../../errors.ts'
import type { EtlEngine } from '../../etl/engine.ts'
import type { ResolvedReference } from '../../features/references.ts'
import type { View } from '../../features/views.ts'
import type { ParquetEngine } from '../../parquet/engine.ts'
import { formatMicros } from '../../values/calendar.ts'
import type { Column, Frame } from '../../values/columns.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import { assertReadable } from '../download.ts'
import { datasetPath } from '../making.ts'
import type { RunContext, RunResult } from '../run.ts'
import { isInTime, parseRecipe, type RecipeReference, type SetRecipe } from './recipe.ts'
import { createSetRun } from './run.ts'
import { assertFits, readSpine, type SpineRequest } from './spine.ts'

/** Features of views, by a service or as they were named. */
export interface AskedFeatures {
  references: readonly ResolvedReference[]
  service: AskedService | null
}

export interface AskedService {
  id: string
  name: string
  version: number
  etl: EtlRecord | null
  indexKeys: readonly Column[]
  requestColumns: readonly Column[]
  /** What its ETL gave when it was made. */
  columns: readonly Column[]
}

export interface TrainingSetRequest {
  spine: SpineRequest
  /** The features that are asked for; rejects where two have one name, or that of a column that is taken. */
  resolve(naming: { taken: ReadonlyMap<string, string> }): Promise<AskedFeatures>
  timestampColumn: string
  knownAsOf: boolean
  name: string | null
}

export interface PlannedSet {
  recipe: SetRecipe
  sql: string
  /** The file of a spine's rows, which becomes the set's own. */
  spinePath: string | null
}

export interface FeaturesRequest {
  references: readonly ResolvedReference[]
  /** Entities: columns of the index keys, and perhaps others. */
  entities: Frame
  /** In microseconds UTC. */
  moment: bigint
  signal: AbortSignal
}

export interface TrainingSetsOptions {
  catalog: Catalog
  warehouse: Warehouse
  parquet: ParquetEngine
  etlEngine: EtlEngine
  datasetsFolder: string
  temporaryFolder: string
}

/** A name that no caller's column has. */
const momentColumn = 'gateway moment'

export function createTrainingSets(options: TrainingSetsOptions) {
  const { catalog, parquet, datasetsFolder, temporaryFolder } = options
  const runs = createSetRun(options)
  const spinePathOf = (datasetId: string) => join(datasetsFolder, `${datasetId}.spine.parquet`)

  async function recipeReference(reference: ResolvedReference): Promise<RecipeReference> {
    const { view, keys, features, prefix } = reference
    const { record, query, etl } = view
    const output = etl === null ? query.columns : ((await catalog.etls.outputColumns(etl.id, query.id)) ?? [])
    const own = (key: Column) => output.find(({ name }) => name === key.name) ?? lacksKey(view, key)
    return {
      view: record.name,
      viewId: view.id,
      queryId: query.id,
      query: `${query.name}@${query.version}`,
      sql: query.sql,
      columns: [...query.columns],
      isExact: query.determinism === 'EXACT',
      asksForMoment: query.asksForMoment,
      etl: etl && describeEtl(etl, output),
      keys: keys.map(({ key, column }) => ({ key: etl === null ? key : own(key), column })),
      timestampColumn: record.timestampColumn,
      createdColumn: record.createdColumn,
      eventTtlSeconds: record.eventTtlSeconds,
      prefix,
      features: features.map(({ column, name }) => ({ column: column.name, name })),
    }
  }

  async function plan(request: TrainingSetRequest): Promise<PlannedSet> {
    const { resolve, timestampColumn, knownAsOf, name } = request
    const path = join(temporaryFolder, `spine-${randomUUID()}.parquet`)
    const first = await resolve({ taken: new Map() })
    const requestColumns = first.service?.requestColumns ?? []
    const needed = { references: first.references, requestColumns, timestampColumn, path }
    const spine = await readSpine(options, request.spine, needed)
    try {
      const { columns } = spine.made
      const taken = new Map(columns.map((column) => [column.name, 'a column of the spine']))
      const { references, service } = await resolve({ taken })
      const made = await Promise.all(references.map(recipeReference))
      const time = made.some(isInTime) ? timestampColumn : null
      assertFits(columns, { references, requestColumns, timestampColumn: time })
      const recipe: SetRecipe = {
        name,
        spine: spine.made,
        timestampColumn: time,
        knownAsOf,
        service: service && describeService(service),
        references: made,
      }
      return { recipe, sql: await sqlOf(recipe), spinePath: spine.path }
    } catch (error) {
      if (spine.path !== null) await rm(spine.path, { force: true })
      throw error
    }
  }

  /** What the warehouse runs, or that it is made of files. */
  async function sqlOf(recipe: SetRecipe): Promise<string> {
    const sql = await runs.statementOf(recipe)
    return sql ?? (recipe.spine.kind === 'statement' ? recipe.spine.sql : '')
  }

  async function keptSpine(datasetId: string): Promise<string> {
    const path = spinePathOf(datasetId)
    try {
      await access(path)
      return path
    } catch (cause) {
      const message = `The rows of the spine of training set ${datasetId} are not in this gateway's folder of datasets: another gateway was asked for it. Give all gateways one shared folder (DATASETS_DIR), and ask for the set again.`
      throw new AppError('NOT_FOUND', message, { cause })
    }
  }

  async function spineFileOf({ spine }: SetRecipe, datasetId: string): Promise<string | null> {
    if (spine.kind === 'statement') return null
    if (spine.kind === 'rows') return keptSpine(datasetId)
    const dataset = await catalog.datasets.byId(spine.datasetId)
    const path = datasetPath(datasetsFolder, dataset.id)
    await assertReadable(dataset, path)
    return path
  }

  return {
    plan,

    /** Rows of the spine wait beside the dataset until it has ended. */
    async keepSpine(datasetId: string, { spinePath }: PlannedSet): Promise<void> {
      if (spinePath === null) return
      await copyFile(spinePath, spinePathOf(datasetId))
      await rm(spinePath, { force: true })
    },

    async dropSpine(datasetId: string): Promise<void> {
      await rm(spinePathOf(datasetId), { force: true })
    },

    async run(dataset: DatasetRecord, context: RunContext): Promise<RunResult> {
      const recipe = parseRecipe(dataset.trainingSet)
      return runs.run({ ...context, recipe, spinePath: await spineFileOf(recipe, dataset.id) })
    },

    /** The same set anew, of the tables' rows as they are now; rows that came with the request are taken from the dataset. */
    remake(dataset: DatasetRecord): PlannedSet {
      if (dataset.trainingSet === null)
        throw new AppError(
          'BAD_USER_INPUT',
          `The dataset ${dataset.id} is no training set; run its query or its ETL again by queryTrain or extractTrain.`,
        )
      const made = parseRecipe(dataset.trainingSet)
      if (made.spine.kind !== 'rows') return { recipe: made, sql: dataset.sql, spinePath: null }
      const { columns } = made.spine
      const recipe: SetRecipe = { ...made, spine: { kind: 'dataset', datasetId: dataset.id, columns } }
      return { recipe, sql: dataset.sql, spinePath: null }
    },

    /** The features of entities as of one moment, a row for each: what a training set holds for them. */
    async features({ references, entities, moment, signal }: FeaturesRequest): Promise<Frame> {
      const folder = join(temporaryFolder, `features-${randomUUID()}`)
      const spinePath = join(folder, 'spine.parquet')
      const path = join(folder, 'set.parquet')
      const time: Column = { name: momentColumn, type: 'TIMESTAMP', nullable: false, storage: 'TIMESTAMP' }
      const columns = [...entities.columns, time]
      const rows = entities.rows.map((row) => [...row, formatMicros(moment)])
      try {
        const made = await Promise.all(references.map(recipeReference))
        assertFits(columns, { references, requestColumns: [], timestampColumn: momentColumn })
        await mkdir(folder)
        await parquet.writeFrames({ path: spinePath, columns, batches: [rows], signal })
        const recipe: SetRecipe = {
          name: null,
          spine: { kind: 'rows', rowCount: rows.length, columns },
          timestampColumn: momentColumn,
          knownAsOf: false,
          service: null,
          references: made,
        }
        const result = await runs.run({
          recipe,
          spinePath,
          path,
          temporaryPath: path,
          signal,
          onProgress() {},
        })
        const features = result.columns.slice(columns.length)
        return await parquet.read(path, { columns: features, signal })
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}

function describeService({ id, name, version, etl, indexKeys, requestColumns, columns }: AskedService) {
  const entity = [...indexKeys, ...requestColumns]
  return { id, name, version, etl: etl && { id: etl.id, entity, columns: [...columns] } }
}

function describeEtl({ id, name, version, commit, contentSha256 }: EtlRecord, columns: readonly Column[]) {
  return { id, name, version, commit, contentSha256, columns: [...columns] }
}

function lacksKey({ record, etl }: View, { name }: Column): never {
  throw new AppError(
    'BAD_USER_INPUT',
    `The feature view ${record.name} cannot be joined: the output of its ETL ${etl?.name} lacks the index key ${name}. Let the ETL give that column too.`,
  )
}
