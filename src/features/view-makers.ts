// Making a feature view: by name, or on first use.

import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { longestName } from '../catalog/database/violations.ts'
import type { EtlRecord } from '../catalog/etls.ts'
import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import { AppError } from '../errors.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { isFollowed } from './followed.ts'
import type { KeyTypeOf } from './key-columns.ts'
import { choosePolicy, type RefreshAsked } from './policy.ts'

/** A view made on first use that reads tables the gateway is not told of (files) counts as stale after this. */
const unfollowedTtlSeconds = 300

export interface NewView {
  name: string
  queryId: string
  etlId: string | null
  indexKeys: readonly string[]
  ttlSeconds: number | null
  refresh: RefreshAsked
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

  async function store(...made: Parameters<Catalog['featureViews']['create']>): Promise<FeatureViewRecord> {
    const view = await catalog.featureViews.create(...made)
    const { id, name, queryId, etlId, refresh, ttlSeconds, implicit } = view
    options.log.info(
      { view: id, name, queryId, etlId, refresh, ttlSeconds },
      implicit ? 'A lookup has made a feature view' : 'A feature view was made',
    )
    return view
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
    const ttlSeconds = policy.tables.every(isFollowed) ? null : unfollowedTtlSeconds
    const etl = etlId === null ? null : await etlById(etlId)
    const through = etl === null ? '' : ` + ${etl.name} v${etl.version}`
    const name = `${query.name} v${query.version}${through} by ${key.label}`
    const wanted = { ...target, ...policy, ttlSeconds, implicit: true }
    const ids = [query.id, etlId].filter((id) => id !== null).join(', ')
    try {
      return await store({ ...wanted, name: nameOfView(name, ids) })
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'CONFLICT') throw error
      // Somebody gave another view this very name.
      return store({ ...wanted, name: nameWithIds(name, ids) })
    }
  }

  /** A view made on first use gives way to the named one: `retire` is called with its id, before it is gone. */
  async function named(view: NewView, retire: (id: string) => Promise<void>): Promise<FeatureViewRecord> {
    checkNewView(view)
    const { name, queryId, etlId, indexKeys, ttlSeconds, refresh: asked } = view
    const query = await freshQuery(queryId)
    const key = await keyTypeOf(query, indexKeys)
    if (etlId !== null) await etlById(etlId)
    const policy = await choosePolicy({ warehouse, sql: query.sql, key, asked })
    const made = { name, queryId: query.id, etlId, indexKeys, ttlSeconds, ...policy, implicit: false }
    return store(made, retire)
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

function checkNewView({ name, ttlSeconds }: NewView): void {
  if (name.trim() === '') {
    throw new AppError('BAD_USER_INPUT', 'A feature view needs a name that is not empty.')
  }
  if (ttlSeconds !== null && (!Number.isInteger(ttlSeconds) || ttlSeconds < 1)) {
    throw new AppError(
      'BAD_USER_INPUT',
      `ttlSeconds is ${ttlSeconds}; it must be a whole number of at least 1, or null.`,
    )
  }
}
