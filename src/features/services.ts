// Feature services as the catalog keeps them, put together: their views, the columns that find entities, and their ETL.

import type { EtlRecord } from '../catalog/etls.ts'
import type {
  FeatureServiceNotes,
  FeatureServiceRecord,
  PinnedReference,
} from '../catalog/feature-services.ts'
import type { Catalog } from '../catalog/open.ts'
import { AppError } from '../errors.ts'
import type { EtlEngine } from '../etl/engine.ts'
import type { EtlService } from '../etl/service.ts'
import type { Column, Row } from '../values/columns.ts'
import { sameName } from './followed.ts'
import { type Feature, withNotes } from './notes.ts'
import {
  type FeatureReference,
  type ResolvedReference,
  type ResolvingOptions,
  resolveReferences,
} from './references.ts'
import { type RequestColumn, toRequestColumns } from './request-columns.ts'
import { type JoinedInput, joinedColumns, tooManyRows } from './service-etl.ts'
import type { View, Views } from './views.ts'

export interface FeatureService extends JoinedInput {
  record: FeatureServiceRecord
  etl: EtlRecord | null
}

/** A feature of a view, as a service names it. */
export interface ServiceFeature {
  name: string
  view: View
  feature: Feature
  prefix: string | null
}

export interface NewService extends FeatureServiceNotes {
  name: string
  features: readonly FeatureReference[]
  /** Where the ETL lives, or its id; null for none. */
  etlPath: string | null
  requestColumns: readonly RequestColumn[]
}

type Naming = Pick<ResolvingOptions, 'fullNames' | 'taken'>

export interface FeatureServices {
  /**
   * The same content under the same name is the same entry, other content its next version. An ETL is tried on rows first,
   * which its columns are taken from: rejects with what it rejects with for all of them.
   */
  create(service: NewService): Promise<FeatureServiceRecord>
  /** By name (the newest version), name@version or id. Rejects with NOT_FOUND. */
  resolve(reference: string, naming?: Naming): Promise<FeatureService>
  /** Features of views as they are now. */
  resolveFeatures(
    references: readonly FeatureReference[],
    naming?: Naming,
  ): Promise<readonly ResolvedReference[]>
}

export function createFeatureServices(options: {
  catalog: Pick<Catalog, 'featureServices' | 'etls'>
  views: Pick<Views, 'byId' | 'byName' | 'change' | 'outputColumns'>
  etlService: Pick<EtlService, 'resolve'>
  etlEngine: Pick<EtlEngine, 'sample'>
  /** Rows that are like those of the service's entities. */
  sampleOf: (input: JoinedInput) => Promise<readonly Row[]>
}): FeatureServices {
  const { catalog, views, etlService, etlEngine, sampleOf } = options

  async function columnsOf(view: View): Promise<readonly Column[]> {
    if (view.etl === null) return view.query.columns
    const columns = await views.outputColumns(view)
    if (columns !== null) return columns
    throw new AppError(
      'BAD_USER_INPUT',
      `What the ETL ${view.etl.name} of the feature view ${view.record.name} gives is not known before its first training run: run extractTrain(queryId: "${view.query.id}", etlPath: "${view.etl.id}") once.`,
    )
  }

  const resolveFeatures = (references: readonly FeatureReference[], naming: Naming = {}) =>
    resolveReferences(references, { viewByName: views.byName, columnsOf, ...naming })

  async function resolvePinned(pinned: readonly PinnedReference[], naming: Naming) {
    const references = pinned.map(({ viewId, ...reference }) => ({ ...reference, view: viewId }))
    return resolveReferences(references, { viewByName: views.byId, columnsOf, ...naming })
  }

  async function etlOf(etlPath: string | null): Promise<EtlRecord | null> {
    if (etlPath === null) return null
    const { id } = await etlService.resolve(etlPath)
    if (id === null) throw new Error(`The ETL ${etlPath} was not saved`)
    return catalog.etls.byId(id)
  }

  async function tryEtl(etl: EtlRecord, input: JoinedInput): Promise<readonly Column[]> {
    const groups = (await sampleOf(input)).map((row) => [row])
    try {
      const { columns, mostRows } = await etlEngine.sample({
        etl,
        inputColumns: joinedColumns(input),
        groups,
      })
      if (mostRows > 1) throw tooManyRows(etl, mostRows)
      return columns
    } catch (error) {
      // What does not run is not kept, unless something else has come of it.
      await catalog.etls.removeUnused(etl.id)
      throw error
    }
  }

  return {
    resolveFeatures,
    async create({ name, features, etlPath, requestColumns: asked, ...notes }) {
      const requestColumns = toRequestColumns(asked)
      if (requestColumns.length > 0 && etlPath === null) throw withoutEtl(requestColumns)
      const references = await resolveFeatures(features, { taken: namesOf(requestColumns) })
      const input = { references, requestColumns, indexKeys: indexKeysOf(references) }
      refuseKeysAmong(requestColumns, input.indexKeys)
      const etl = await etlOf(etlPath)
      const columns = etl === null ? [] : await tryEtl(etl, input)
      const saved = await catalog.featureServices.save({
        name,
        references: references.map(pin),
        requestColumns,
        etlId: etl?.id ?? null,
        columns,
        ...notes,
      })
      // What a service uses does not go because nobody has looked it up in a week.
      for (const { view } of references)
        if (view.record.implicit) await views.change(view.id, { implicit: false })
      return saved
    },
    async resolve(reference, naming = {}) {
      const record = await catalog.featureServices.byReference(reference)
      const { requestColumns } = record
      const etl = record.etlId === null ? null : await catalog.etls.byId(record.etlId)
      // The ETL reads features by the names that it was made for.
      const named = etl === null ? naming : { taken: namesOf(requestColumns) }
      const references = await resolvePinned(record.references, named)
      return { record, references, requestColumns, indexKeys: indexKeysOf(references), etl }
    },
  }
}

export function featuresOfService({ references }: FeatureService): ServiceFeature[] {
  return references.flatMap(({ view, prefix, features }) =>
    features.map(({ column, name }) => {
      const [feature] = withNotes(view, [column])
      if (feature === undefined) throw new Error('A feature has no notes')
      return { name, view, feature, prefix }
    }),
  )
}

function pin({ view, features, prefix, keys }: ResolvedReference): PinnedReference {
  return {
    viewId: view.id,
    features: features.map(({ column }) => column.name),
    prefix,
    keys: keys
      .filter(({ key, column }) => key.name !== column)
      .map(({ key, column }) => ({ key: key.name, column })),
  }
}

/** What entities are found by, each column once. Throws BAD_USER_INPUT where one would have to be of two types. */
export function indexKeysOf(references: readonly ResolvedReference[]): Column[] {
  const found = new Map<string, { column: Column; view: View }>()
  for (const { view, keys } of references) {
    for (const { key, column: name } of keys) {
      const known = found.get(name)
      if (known === undefined) found.set(name, { column: { ...key, name, nullable: false }, view })
      else if (!fits(known.column, key)) throw misfit(known, { column: key, view })
      else if (key.type === 'INT64') known.column = { ...key, name, nullable: false }
    }
  }
  return [...found.values()].map(({ column }) => column)
}

const integers: ReadonlySet<string> = new Set(['INT32', 'INT64'])

function fits(a: Column, b: Column): boolean {
  return a.type === b.type || (integers.has(a.type) && integers.has(b.type))
}

function misfit(a: { column: Column; view: View }, b: { column: Column; view: View }): AppError {
  const { name } = a.column
  return new AppError(
    'BAD_USER_INPUT',
    `The column ${JSON.stringify(name)} would have to be of type ${a.column.type} for the feature view ${a.view.record.name}, and of type ${b.column.type} for ${b.view.record.name}. Map one of them to another column by keys, or cast it in its query.`,
  )
}

function namesOf(requestColumns: readonly Column[]): ReadonlyMap<string, string> {
  return new Map(requestColumns.map(({ name }) => [name, 'a request column']))
}

function refuseKeysAmong(requestColumns: readonly Column[], indexKeys: readonly Column[]): void {
  const both = requestColumns.find(({ name }) => indexKeys.some((key) => sameName(key.name, name)))
  if (both === undefined) return
  throw new AppError(
    'BAD_USER_INPUT',
    `The request column ${JSON.stringify(both.name)} is a column that entities are found by; the ETL reads it without its being declared.`,
  )
}

function withoutEtl(requestColumns: readonly Column[]): AppError {
  const names = requestColumns.map(({ name }) => name).join(', ')
  return new AppError(
    'BAD_USER_INPUT',
    `The request columns ${names} are read by nothing: give the service an ETL by etlPath, or leave them out.`,
  )
}
