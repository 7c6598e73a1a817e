// Making a feature view: by name, or on first use.

import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { longestName } from '../catalog/database/violations.ts'
import type { EtlRecord } from '../catalog/etls.ts'
import type { FeatureNote, FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import { AppError } from '../errors.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { checkAsOfView } from './as-of-views.ts'
import { findKeepers, freshnessOf, unkeptTables, unkeptTtlSeconds } from './freshness.ts'
import type { KeyTypeOf } from './key-columns.ts'
import { mergeNotes } from './notes.ts'
import { choosePolicy, type RefreshAsked } from './policy.ts'
import { nextDue, parseLateness, usualLateness } from './refresh-every.ts'
import { checkSeconds, checkTimes } from './times.ts'
import { readWords, type ViewWords } from './view-changes.ts'

export interface NewView extends ViewWords {
  name: string
  queryId: string
  etlId: string | null
  indexKeys: readonly string[]
  /** Null leaves it to the gateway: none where all its tables' changes are known. */
  ttlSeconds: number | null
  refresh: RefreshAsked
  /** An interval (`5m`) or five cron fields in UTC; null for no schedule. */
  refreshEvery?: string | null
  /** When a row became true: the view serves the newest row whose time has come. */
  timestampColumn?: string | null
  /** How old that row may be. */
  eventTtlSeconds?: number | null
  /** When a row was written: by it a schedule finds what has changed, and of rows of one time the last is chosen. */
  createdColumn?: string | null
  /** How late a row may come whose created time is earlier; an hour unless said. */
  lateness?: string | null
}

export function createViewMakers(options: {
  catalog: Catalog
  warehouse: Warehouse
  freshQuery: (reference: string) => Promise<SavedQueryRecord>
  etlById: (id: string) => Promise<EtlRecord>
  keyTypeOf: KeyTypeOf
  /** How many there may be that were made on first use. */
  maxOnFirstUse: number
  log: Logger
}) {
  const { catalog, warehouse, freshQuery, etlById, keyTypeOf, maxOnFirstUse } = options

  /** One rule for all: where nothing tells when one of its tables changes, its answers grow stale with time. */
  async function store(
    view: Parameters<Catalog['featureViews']['create']>[0],
    retire?: (id: string) => Promise<void>,
  ): Promise<FeatureViewRecord> {
    const keeperOf = await findKeepers({ warehouse, tableNotices: catalog.tableNotices })
    const isKept =
      view.refresh === 'MANUAL' ||
      view.refreshEvery != null ||
      unkeptTables(view.tables, keeperOf).length === 0
    const asked = { ...view, ttlSeconds: view.ttlSeconds ?? (isKept ? null : unkeptTtlSeconds) }
    const made = await catalog.featureViews.create(asked, retire)
    const { id, name, queryId, etlId, refresh, ttlSeconds, implicit } = made
    const { keptBy, note } = freshnessOf(made, keeperOf, Date.now())
    const facts = { view: id, name, queryId, etlId, refresh, ttlSeconds, keptBy }
    const what = implicit ? 'A lookup has made a feature view' : 'A feature view was made'
    if (note === null) options.log.info(facts, what)
    else options.log.warn(facts, `${what}. ${note}`)
    return made
  }

  async function onFirstUse(
    query: SavedQueryRecord,
    etlId: string | null,
    indexKeys: readonly string[],
  ): Promise<FeatureViewRecord> {
    const target = { queryId: query.id, etlId, indexKeys }
    const existing = await catalog.featureViews.find(target)
    if (existing !== null) return existing
    if ((await catalog.featureViews.countImplicit()) >= maxOnFirstUse) throw tooManyOnFirstUse(maxOnFirstUse)
    const key = await keyTypeOf(query, indexKeys)
    const policy = await choosePolicy({ warehouse, sql: query.sql, key, asked: 'AUTO' })
    const etl = etlId === null ? null : await etlById(etlId)
    const through = etl === null ? '' : ` + ${etl.name} v${etl.version}`
    const name = `${query.name} v${query.version}${through} by ${key.label}`
    const wanted = { ...target, ...policy, implicit: true }
    const ids = [query.id, etlId].filter((id) => id !== null).join(', ')
    try {
      return await store({ ...wanted, name: nameOfView(name, ids) })
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'CONFLICT') throw error
      // Somebody gave another view this very name.
      return store({ ...wanted, name: nameWithIds(name, ids) })
    }
  }

  /**
   * A view made on first use gives way to the named one: `retire` is called with its id, before it is gone. One that is
   * there already, the same in all, is answered.
   */
  async function named(
    view: NewView,
    retire: (id: string) => Promise<void>,
  ): Promise<{ record: FeatureViewRecord; isNew: boolean }> {
    checkNewView(view)
    const { name, etlId, indexKeys, ttlSeconds, refresh: asked, refreshEvery = null } = view
    const { createdColumn = null, timestampColumn = null, eventTtlSeconds = null, lateness } = view
    if (refreshEvery !== null) nextDue(refreshEvery, new Date(), catalog.queue.nextByCron)
    const query = await freshQuery(view.queryId)
    checkAsOfView(query, view)
    if (lateness != null) parseLateness(lateness)
    const key = await keyTypeOf(query, indexKeys)
    const etl = etlId === null ? null : await etlById(etlId)
    const queryId = query.id
    const columnsOf = async () => (etl === null ? query.columns : catalog.etls.outputColumns(etl.id, queryId))
    const given = etl === null ? null : { name: etl.name, columns: await columnsOf() }
    checkTimes(view, { query: `the query ${query.name}`, columns: query.columns, etl: given })
    const times = { timestampColumn, createdColumn, eventTtlSeconds }
    const noted = { indexKeys, ...times, featureNotes: [] }
    const words = await readWords(view, { key, query, etl, record: noted }, columnsOf)
    const known = await findSame({ ...view, queryId })
    if (known !== null) return { record: known, isNew: false }
    const policy = await choosePolicy({ warehouse, sql: query.sql, key, asked })
    const followed = { refreshEvery, ...times, ...words, lateness: lateness ?? usualLateness }
    const made = { name, queryId, etlId, indexKeys, ttlSeconds, ...followed, ...policy, implicit: false }
    try {
      return { record: await store(made, retire), isNew: true }
    } catch (error) {
      // Another gateway may have made it meanwhile.
      const there = await findSame({ ...view, queryId })
      if (there === null) throw error
      return { record: there, isNew: false }
    }
  }

  /** Null for one that is not there, or under another name. */
  async function findSame(view: NewView): Promise<FeatureViewRecord | null> {
    const there = await catalog.featureViews.find(view)
    if (there === null || there.implicit || there.name !== view.name) return null
    const differences = differencesOf(there, view)
    if (differences.length === 0) return there
    throw new AppError(
      'CONFLICT',
      `There is a feature view ${JSON.stringify(there.name)} already (${there.id}), and it differs: ${differences.join('; ')}. Delete it first, or ask for what it is.`,
      { details: { featureViewId: there.id } },
    )
  }

  return { onFirstUse, named }
}

function tooManyOnFirstUse(most: number): AppError {
  const message = `Lookups have made ${most} feature views, as many as they may (VIEWS_ON_FIRST_USE_MAX); make this one by createFeatureView, or delete some that nobody needs. Those that nobody asks for go after a week.`
  return new AppError('TOO_LARGE', message, { details: { most } })
}

/** What a caller gets who asks for a view that is not there and that it may not have made. */
export function viewNotMade({
  query,
  indexKey,
  etlPath,
}: {
  query: string
  indexKey: string
  etlPath: string | null
}) {
  const through = etlPath === null ? '' : ' with this ETL'
  const message = `No feature view serves the query ${query}${through} by ${indexKey} yet. Have it made by createFeatureView, or by a lookup of a caller with the scope catalog:write (VIEWS_ON_FIRST_USE).`
  return new AppError('FORBIDDEN', message, { details: { needs: ['catalog:write'] } })
}

/** A query's and an ETL's name and a column's together may be longer than a view's, and a column's may be of several lines. */
function nameOfView(name: string, ids: string): string {
  return name.length <= longestName && !/\p{Cc}/u.test(name) ? name : nameWithIds(name, ids)
}

/** What is cut off, the key's name perhaps, is told by the hash. */
function nameWithIds(name: string, ids: string): string {
  const end = ` (${ids}, ${createHash('sha256').update(name).digest('hex').slice(0, 12)})`
  const oneLine = name.replace(/\p{Cc}/gu, ' ')
  const most = longestName - end.length
  const short = oneLine.length <= most ? oneLine : `${oneLine.slice(0, most - 1).toWellFormed()}…`
  return `${short}${end}`
}

function differencesOf(there: FeatureViewRecord, view: NewView): string[] {
  const { ttlSeconds, refresh, refreshEvery = null, createdColumn = null } = view
  const { timestampColumn = null, eventTtlSeconds = null, description, owner, tags } = view
  const given = (value: unknown) => (value == null || value === '' ? 'none' : String(value))
  const compared = [
    ['refresh', there.refresh, refresh, refresh === 'AUTO' && there.refresh !== 'MANUAL'],
    [
      'ttlSeconds',
      there.ttlSeconds,
      ttlSeconds,
      ttlSeconds === null && there.ttlSeconds === unkeptTtlSeconds,
    ],
    ['refreshEvery', there.refreshEvery, refreshEvery, false],
    ['createdColumn', there.createdColumn, createdColumn, false],
    ['timestampColumn', there.timestampColumn, timestampColumn, false],
    ['eventTtlSeconds', there.eventTtlSeconds, eventTtlSeconds, false],
    ['description', there.description, description, description == null],
    ['owner', there.owner, owner, owner == null],
    ['tags', there.tags.join(', '), [...new Set(tags)].join(', '), tags == null],
    ['features', notesText(there.featureNotes), notesText(view.features ?? []), view.features == null],
    ['lateness', there.lateness, view.lateness ?? usualLateness, false],
  ] as const
  return compared
    .filter(([, is, asked, isFit]) => is !== asked && !isFit)
    .map(([what, is, asked]) => `its ${what} is ${given(is)}, ${given(asked)} was asked for`)
}

/** What is said of features, whatever order it came in. */
function notesText(notes: readonly FeatureNote[]): string {
  const said = mergeNotes([], notes).map(({ feature, description, deprecated }) =>
    [`${feature}:`, description, deprecated === null ? null : `(deprecated: ${deprecated})`]
      .filter((part) => part !== null)
      .join(' '),
  )
  return said.sort().join(', ')
}

function checkNewView({ name, ttlSeconds }: NewView): void {
  if (name.trim() === '') {
    throw new AppError('BAD_USER_INPUT', 'A feature view needs a name that is not empty.')
  }
  checkSeconds('ttlSeconds', ttlSeconds)
}
