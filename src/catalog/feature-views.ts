// Feature views: a saved query, and perhaps an ETL, served online by an index key of one or more columns.

import { createHash } from 'node:crypto'
import { AppError } from '../errors.ts'
import { keyLabel } from '../values/entity-key.ts'
import { suggestNames } from '../values/near-names.ts'
import {
  checkName,
  checkText,
  isMissingReference,
  isUniqueViolation,
  retryOnUniqueViolation,
} from './database/violations.ts'
import { type Entry, listUses, nameService, servicesUsing } from './entries.ts'
import type { FeatureView, PrismaClient } from './generated/client.ts'
import { createId } from './ids.ts'

export interface FeatureViewRecord
  extends Omit<FeatureView, 'refresh' | 'refreshedVersion' | 'watermark' | 'target' | 'featureNotes'> {
  featureNotes: readonly FeatureNote[]
  refresh: RefreshBy
  /** The warehouse's version that the view is wholly at, when refreshed in full. */
  refreshedVersion: number | null
  /** Rows of an older version are behind, whatever the online store says; null where it was always told itself. */
  watermark: number | null
}

/** What an owner says of one feature. */
export interface FeatureNote {
  feature: string
  description: string | null
  deprecated: string | null
}

export type RefreshBy = 'BY_KEY' | 'FULL' | 'MANUAL'

export interface NewFeatureView {
  name: string
  queryId: string
  etlId: string | null
  indexKeys: readonly string[]
  ttlSeconds?: number | null
  refreshEvery?: string | null
  createdColumn?: string | null
  lateness?: string
  timestampColumn?: string | null
  eventTtlSeconds?: number | null
  description?: string | null
  owner?: string | null
  tags?: string[]
  featureNotes?: readonly FeatureNote[]
  refresh: RefreshBy
  refreshNote?: string | null
  tables: readonly string[]
  /** Made on first use rather than by createFeatureView. */
  implicit?: boolean
}

export type FeatureViewChanges = { featureNotes?: readonly FeatureNote[] } & Partial<
  Pick<
    FeatureViewRecord,
    | 'ttlSeconds'
    | 'eventTtlSeconds'
    | 'description'
    | 'owner'
    | 'tags'
    | 'refresh'
    | 'refreshNote'
    | 'tables'
    | 'implicit'
    | 'refreshedAt'
    | 'refreshedVersion'
    | 'refreshEvery'
    | 'createdUntil'
    | 'driftNote'
    | 'determinism'
    | 'determinismNote'
  >
>

export interface ViewTarget {
  queryId: string
  etlId: string | null
  indexKeys: readonly string[]
}

export interface FeatureViews {
  /**
   * A target has one view. An implicit one is answered with the view that its target has already. A named one takes the
   * place of an implicit one, whose rows are to be removed then; `retire` is awaited with that one's id before it is
   * gone. Throws CONFLICT when the name is taken or the target is served by a named view, NOT_FOUND when the query or the
   * ETL is gone.
   */
  create(view: NewFeatureView, retire?: (id: string) => Promise<void>): Promise<FeatureViewRecord>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<FeatureViewRecord>
  /** Throws NOT_FOUND. */
  byName(name: string): Promise<FeatureViewRecord>
  find(target: ViewTarget): Promise<FeatureViewRecord | null>
  /** Oldest first. */
  all(): Promise<FeatureViewRecord[]>
  /** Another text once a view has come, has gone, or is served, refreshed or used otherwise: cheaper to ask for than all. */
  stamp(): Promise<string>
  /** Of those made on first use. */
  countImplicit(): Promise<number>
  /** Those made on first use that nobody has asked for since. */
  unused(since: Date): Promise<string[]>
  noteUse(id: string, at: Date): Promise<void>
  /** Gives it the name unless it has one, or another has this one; answers with what it is called then. */
  nameForGraphQL(id: string, name: string): Promise<string | null>
  /** Throws NOT_FOUND. */
  update(id: string, changes: FeatureViewChanges): Promise<FeatureViewRecord>
  /** Lifts the view's watermark, never lowers it; of a view that is gone nothing is kept. */
  raiseWatermark(id: string, version: number): Promise<void>
  /** Throws CONFLICT with the names of the feature services that use it. */
  assertUnused(id: string): Promise<void>
  /** Throws NOT_FOUND, and CONFLICT where a feature service uses it. */
  remove(id: string): Promise<void>
  /** The ids of those that were removed, until what is left of them is gone too. */
  removed(): Promise<string[]>
  forgetRemoved(id: string): Promise<void>
}

/** The other store is told in the middle of a replacement, and may be slow. */
const replacing = { maxWait: 10_000, timeout: 60_000 }

export function createFeatureViews(prisma: PrismaClient): FeatureViews {
  const findByTarget = (target: string) => prisma.featureView.findUnique({ where: { target } })

  async function create(view: NewFeatureView, retire: (id: string) => Promise<void>): Promise<FeatureView> {
    const { tables, indexKeys, implicit = false, featureNotes = [], ...rest } = view
    const target = targetOf(view)
    const holder = await findByTarget(target)
    if (holder !== null && implicit) return holder
    if (holder !== null && !holder.implicit) throw alreadyServed(holder, view)
    const namesake = await prisma.featureView.findUnique({ where: { name: view.name } })
    if (namesake !== null && namesake.target !== target) throw nameTaken(namesake, view)
    const key = { indexKeys: [...indexKeys], indexKey: keyLabel(indexKeys) }
    const data = {
      id: createId('fv'),
      ...rest,
      ...key,
      ...notesJson(featureNotes),
      target,
      tables: [...tables],
      implicit,
    }
    if (holder === null) return prisma.featureView.create({ data })
    return prisma.$transaction(async (within) => {
      // Another may be at it: who finds nothing to remove meets the other's view below, and looks again.
      const { count } = await within.featureView.deleteMany({ where: { id: holder.id, implicit: true } })
      const made = await within.featureView.create({ data })
      if (count === 0) return made
      await within.removedView.create({ data: { id: holder.id } })
      await retire(holder.id)
      return made
    }, replacing)
  }

  async function assertUnused(id: string): Promise<void> {
    const services = await servicesUsing(prisma, { views: { some: { viewId: id } } })
    if (services.length > 0) throw usedByServices(id, services)
  }

  return {
    async create(view, retire = async () => {}) {
      checkName('a feature view', view.name)
      for (const name of view.indexKeys) checkText('An index key', name)
      try {
        return toRecord(await retryOnUniqueViolation(() => create(view, retire)))
      } catch (error) {
        throw isMissingReference(error) ? missingReference(view, error) : error
      }
    },

    async byId(id) {
      const view = await prisma.featureView.findUnique({ where: { id } })
      if (view === null) throw notFound(id)
      return toRecord(view)
    },

    async byName(name) {
      const view = await prisma.featureView.findUnique({ where: { name } })
      if (view !== null) return toRecord(view)
      const others = await prisma.featureView.findMany({ where: { implicit: false }, select: { name: true } })
      throw notFound(
        name,
        others.map((other) => other.name),
      )
    },

    async find(target) {
      const view = await findByTarget(targetOf(target))
      return view === null ? null : toRecord(view)
    },

    async all() {
      const views = await prisma.featureView.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })
      return views.map(toRecord)
    },

    async stamp() {
      const [row] = await prisma.$queryRaw<{ stamp: string }[]>`
        SELECT count(*) || ' ' || coalesce(sum(hashtextextended(concat_ws(' ', id, refresh, "refreshNote", "driftNote", "ttlSeconds", "eventTtlSeconds", "refreshEvery", "createdUntil", implicit,
          extract(epoch FROM "lastUsedAt"), array_to_string(tables, ' '), "graphqlName", description, owner, array_to_string(tags, ' '), "featureNotes"), 0)), 0) AS stamp FROM "FeatureView"`
      return row?.stamp ?? ''
    },

    countImplicit: () => prisma.featureView.count({ where: { implicit: true } }),

    async unused(since) {
      const idle = {
        implicit: true,
        createdAt: { lt: since },
        services: { none: {} },
        OR: notUsedSince(since),
      }
      return (await prisma.featureView.findMany({ where: idle, select: { id: true } })).map(({ id }) => id)
    },

    async noteUse(id, at) {
      await prisma.featureView.updateMany({ where: { id, OR: notUsedSince(at) }, data: { lastUsedAt: at } })
    },

    async nameForGraphQL(id, name) {
      try {
        await prisma.featureView.updateMany({ where: { id, graphqlName: null }, data: { graphqlName: name } })
      } catch (error) {
        if (!isUniqueViolation(error)) throw error
      }
      const view = await prisma.featureView.findUnique({ where: { id }, select: { graphqlName: true } })
      return view?.graphqlName ?? null
    },

    async update(id, changes) {
      const { featureNotes, ...rest } = changes
      const data = { ...rest, ...(featureNotes !== undefined && notesJson(featureNotes)) }
      const [view] = await prisma.featureView.updateManyAndReturn({ where: { id }, data })
      if (view === undefined) throw notFound(id)
      return toRecord(view)
    },

    async raiseWatermark(id, version) {
      await prisma.featureView.updateMany({
        where: { id, OR: [{ watermark: null }, { watermark: { lt: version } }] },
        data: { watermark: version },
      })
    },

    assertUnused,

    async remove(id) {
      const removing = prisma.$executeRaw`WITH removed AS (DELETE FROM "FeatureView" WHERE id = ${id} RETURNING id)
        INSERT INTO "RemovedView" (id) SELECT id FROM removed ON CONFLICT DO NOTHING`
      const removed = await removing.catch(async (error: unknown) => {
        // A service may have come since somebody asked.
        await assertUnused(id)
        throw error
      })
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

function notesJson(notes: readonly FeatureNote[]) {
  return { featureNotes: notes.map((note) => ({ ...note })) }
}

function notUsedSince(at: Date) {
  return [{ lastUsedAt: null }, { lastUsedAt: { lt: at } }]
}

/** Of one column as the migration that added it wrote it for the views that were there; a query's id begins with no bracket. */
function targetOf({ queryId, etlId, indexKeys }: ViewTarget): string {
  const [only] = indexKeys
  const text =
    indexKeys.length === 1
      ? `${queryId}\n${etlId ?? ''}\n${only}`
      : JSON.stringify([queryId, etlId, ...indexKeys])
  return createHash('sha256').update(text).digest('hex')
}

function alreadyServed(holder: FeatureView, { name }: NewFeatureView): AppError {
  const message =
    holder.name === name
      ? `A feature view is named ${name} already; choose another name, or delete it first.`
      : `The feature view ${holder.name} serves this query, ETL and index key already; delete it first to make another.`
  return new AppError('CONFLICT', message, { details: { featureViewId: holder.id } })
}

function nameTaken(there: FeatureView, asked: NewFeatureView): AppError {
  const compared = [
    ['query', there.queryId, asked.queryId],
    ['ETL', there.etlId ?? 'none', asked.etlId ?? 'none'],
    ['index key', there.indexKey, keyLabel(asked.indexKeys)],
  ] as const
  const differing = compared
    .filter(([, is, wanted]) => is !== wanted)
    .map(([what, is, wanted]) => `its ${what} is ${is}, not ${wanted}`)
  const message = `There is a feature view ${JSON.stringify(there.name)} already (${there.id}), and ${differing.join(', ')}; give this one another name, or delete that one first`
  return new AppError('CONFLICT', message, { details: { featureViewId: there.id } })
}

function toRecord(view: FeatureView): FeatureViewRecord {
  const { refresh, refreshedVersion, watermark, target: _, ...rest } = view
  if (refresh === 'AUTO')
    throw new Error(`The feature view ${view.id} is kept as AUTO, which is only ever asked for`)
  return {
    ...rest,
    featureNotes: rest.featureNotes as unknown as readonly FeatureNote[],
    refresh,
    refreshedVersion: refreshedVersion === null ? null : Number(refreshedVersion),
    watermark: watermark === null ? null : Number(watermark),
  }
}

function usedByServices(id: string, services: readonly Entry[]): AppError {
  const uses = listUses(services.map(nameService))
  return new AppError(
    'CONFLICT',
    `The feature view ${id} is used by ${uses}. To delete it, delete the feature services first.`,
    {
      details: { featureServiceIds: services.map((service) => service.id) },
    },
  )
}

function notFound(reference: string, names: readonly string[] = []): AppError {
  return new AppError(
    'NOT_FOUND',
    `There is no feature view ${JSON.stringify(reference)} in the catalog${suggestNames(reference, names)}`,
  )
}

function missingReference({ queryId, etlId }: NewFeatureView, cause: unknown): AppError {
  const etl = etlId === null ? '' : `, or no ETL ${JSON.stringify(etlId)}`
  return new AppError('NOT_FOUND', `The catalog has no saved query ${JSON.stringify(queryId)}${etl}`, {
    cause,
  })
}
