// Views as lookups and refreshes use them, made of the catalog's records; all of them from memory, as long as the catalog's stamp stands.

import type { EtlRecord } from '../catalog/etls.ts'
import type { FeatureViewRecord } from '../catalog/feature-views.ts'
import type { Catalog } from '../catalog/open.ts'
import type { SavedQueryRecord } from '../catalog/saved-queries.ts'
import { AppError } from '../errors.ts'
import type { KeyType } from '../values/entity-key.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { createKeyTypes, type KeyTypeOf } from './key-columns.ts'

export interface View {
  id: string
  record: FeatureViewRecord
  query: SavedQueryRecord
  etl: EtlRecord | null
  key: KeyType
}

export interface ViewRecords {
  keyTypeOf: KeyTypeOf
  toView(record: FeatureViewRecord): Promise<View>
  etlById(id: string): Promise<EtlRecord>
  /** By id or by name, as the catalog has it now; NOT_FOUND. */
  freshQuery(reference: string): Promise<SavedQueryRecord>
  /** All views as they are now: of the catalog one line is asked for, and everything only once that has changed. */
  all(): Promise<readonly View[]>
}

export function createViewRecords(options: {
  catalog: Pick<Catalog, 'featureViews' | 'savedQueries' | 'etls'>
  warehouse: Warehouse
}): ViewRecords {
  const { catalog, warehouse } = options
  const queries = new Map<string, SavedQueryRecord>()
  const etls = new Map<string, EtlRecord>()
  const keyTypeOf = createKeyTypes({ savedQueries: catalog.savedQueries, warehouse })
  let known: { stamp: string; views: readonly View[] } | null = null

  async function remembered<T>(found: Map<string, T>, id: string, load: (id: string) => Promise<T>) {
    const one = found.get(id) ?? (await load(id))
    found.set(id, one)
    return one
  }

  const queryById = (id: string) => remembered(queries, id, (queryId) => catalog.savedQueries.byId(queryId))
  const etlById = (id: string) => remembered(etls, id, (etlId) => catalog.etls.byId(etlId))

  async function toView(record: FeatureViewRecord): Promise<View> {
    const query = await queryById(record.queryId)
    const etl = record.etlId === null ? null : await etlById(record.etlId)
    return { id: record.id, record, query, etl, key: await keyTypeOf(query, record.indexKeys) }
  }

  /** Null for a view that no lookup can reach any more: its query or its key is gone. */
  async function toViewIfUsable(record: FeatureViewRecord): Promise<View | null> {
    try {
      return await toView(record)
    } catch (error) {
      if (isRefusal(error)) return null
      throw error
    }
  }

  return {
    keyTypeOf,
    toView,
    etlById,
    async freshQuery(reference) {
      const query = await catalog.savedQueries.byReference(reference)
      queries.set(query.id, query)
      return query
    },
    async all() {
      // Before the views: should one change in between, the next call finds another stamp.
      const stamp = await catalog.featureViews.stamp()
      if (known?.stamp === stamp) return known.views
      const found = await Promise.all((await catalog.featureViews.all()).map(toViewIfUsable))
      known = { stamp, views: found.filter((view) => view !== null) }
      return known.views
    },
  }
}

/** The catalog has answered, and the target or its view is no more, or not for this caller. */
export function isRefusal(error: unknown): boolean {
  return error instanceof AppError && /^(NOT_FOUND|BAD_USER_INPUT|FORBIDDEN)$/.test(error.code)
}
