// Feature views: a saved query, and perhaps an ETL, served online by an index key.

import { AppError } from '../errors.ts'
import type { FeatureView, PrismaClient } from './generated/client.ts'
import { createId } from './ids.ts'
import { checkName, isMissingReference, isUniqueViolation } from './violations.ts'

export interface FeatureViewRecord extends Omit<FeatureView, 'refresh' | 'refreshedVersion' | 'floor'> {
  refresh: RefreshBy
  /** The warehouse's version that the view is wholly at, when refreshed in full. */
  refreshedVersion: number | null
  /** Rows of an older version are behind, whatever the online store says; null where it was always told itself. */
  floor: number | null
}

export type RefreshBy = 'BY_KEY' | 'FULL' | 'MANUAL'

export interface NewFeatureView {
  name: string
  queryId: string
  etlId: string | null
  indexKey: string
  ttlSeconds?: number | null
  refresh: RefreshBy
  refreshNote?: string | null
  tables: readonly string[]
  /** Made on first use rather than by createFeatureView. */
  implicit?: boolean
}

export type FeatureViewChanges = Partial<
  Pick<
    FeatureViewRecord,
    | 'ttlSeconds'
    | 'refresh'
    | 'refreshNote'
    | 'tables'
    | 'implicit'
    | 'refreshedAt'
    | 'refreshedVersion'
    | 'determinism'
    | 'determinismNote'
  >
>

export interface FeatureViews {
  /**
   * Throws CONFLICT when the name is taken. An implicit view whose name is taken by the same query, ETL and key is
   * answered with that one: of two first uses at once, both get the same view. Throws NOT_FOUND when the query or the ETL is gone.
   */
  create(view: NewFeatureView): Promise<FeatureViewRecord>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<FeatureViewRecord>
  /** One made by createFeatureView comes before an implicit one, an older before a newer. */
  find(target: { queryId: string; etlId: string | null; indexKey: string }): Promise<FeatureViewRecord | null>
  /** Oldest first. */
  all(): Promise<FeatureViewRecord[]>
  /** Throws NOT_FOUND. */
  update(id: string, changes: FeatureViewChanges): Promise<FeatureViewRecord>
  /** Lifts the view's floor, never lowers it; of a view that is gone nothing is kept. */
  raiseFloor(id: string, version: number): Promise<void>
  /** Throws NOT_FOUND. */
  remove(id: string): Promise<void>
  /** The ids of those that were removed, until what is left of them is gone too. */
  removed(): Promise<string[]>
  forgetRemoved(id: string): Promise<void>
}

export function createFeatureViews(prisma: PrismaClient): FeatureViews {
  async function create(view: NewFeatureView): Promise<FeatureView> {
    const { tables, implicit = false, ...rest } = view
    try {
      return await prisma.featureView.create({
        data: { id: createId('fv'), ...rest, tables: [...tables], implicit },
      })
    } catch (error) {
      if (isMissingReference(error)) throw missingReference(view, error)
      if (!isUniqueViolation(error)) throw error
      const holder = await prisma.featureView.findUnique({ where: { name: view.name } })
      if (holder === null) return create(view)
      if (implicit && isSameTarget(holder, view)) return holder
      const message = `There is a feature view ${JSON.stringify(view.name)} already (${holder.id}); give this one another name, or delete that one first`
      throw new AppError('CONFLICT', message, { cause: error, details: { featureViewId: holder.id } })
    }
  }

  return {
    async create(view) {
      checkName('a feature view', view.name)
      checkName('an index key', view.indexKey)
      return toRecord(await create(view))
    },

    async byId(id) {
      const view = await prisma.featureView.findUnique({ where: { id } })
      if (view === null) throw notFound(id)
      return toRecord(view)
    },

    async find(target) {
      const { queryId, etlId, indexKey } = target
      const view = await prisma.featureView.findFirst({
        where: { queryId, etlId, indexKey },
        orderBy: [{ implicit: 'asc' }, { createdAt: 'asc' }, { id: 'asc' }],
      })
      return view === null ? null : toRecord(view)
    },

    async all() {
      const views = await prisma.featureView.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })
      return views.map(toRecord)
    },

    async update(id, changes) {
      const [view] = await prisma.featureView.updateManyAndReturn({ where: { id }, data: changes })
      if (view === undefined) throw notFound(id)
      return toRecord(view)
    },

    async raiseFloor(id, version) {
      await prisma.featureView.updateMany({
        where: { id, OR: [{ floor: null }, { floor: { lt: version } }] },
        data: { floor: version },
      })
    },

    async remove(id) {
      const removed =
        await prisma.$executeRaw`WITH removed AS (DELETE FROM "FeatureView" WHERE id = ${id} RETURNING id)
        INSERT INTO "RemovedView" (id) SELECT id FROM removed ON CONFLICT DO NOTHING`
      if (removed === 0) throw notFound(id)
    },

    async removed() {
      return (await prisma.removedView.findMany({ orderBy: { removedAt: 'asc' } })).map(({ id }) => id)
    },

    async forgetRemoved(id) {
      await prisma.removedView.deleteMany({ where: { id } })
    },
  }
}

function isSameTarget(a: FeatureView, b: NewFeatureView): boolean {
  return a.queryId === b.queryId && a.etlId === b.etlId && a.indexKey === b.indexKey
}

function toRecord(view: FeatureView): FeatureViewRecord {
  const { refresh, refreshedVersion, floor, ...rest } = view
  if (refresh === 'AUTO')
    throw new Error(`The feature view ${view.id} is kept as AUTO, which is only ever asked for`)
  return {
    ...rest,
    refresh,
    refreshedVersion: refreshedVersion === null ? null : Number(refreshedVersion),
    floor: floor === null ? null : Number(floor),
  }
}

function notFound(id: string): AppError {
  return new AppError('NOT_FOUND', `There is no feature view ${JSON.stringify(id)} in the catalog`)
}

function missingReference({ queryId, etlId }: NewFeatureView, cause: unknown): AppError {
  const etl = etlId === null ? '' : `, or no ETL ${JSON.stringify(etlId)}`
  return new AppError('NOT_FOUND', `The catalog has no saved query ${JSON.stringify(queryId)}${etl}`, {
    cause,
  })
}
