// Feature services: features of several views under a name and version. The same content under the same name is the same entry.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Column } from '../values/columns.ts'
import { suggestNames } from '../values/near-names.ts'
import { parseColumns, toColumnsJson } from './columns-json.ts'
import { checkName, checkText, isMissingReference, retryOnUniqueViolation } from './database/violations.ts'
import { deletedVersion, deleteEntry, versionedName } from './entries.ts'
import type { FeatureService, PrismaClient } from './generated/client.ts'
import { createId } from './ids.ts'

/** A reference of a service: whatever becomes of names, and of what a view has, it stays what it was. */
export interface PinnedReference {
  viewId: string
  features: readonly string[]
  prefix: string | null
  keys: readonly { key: string; column: string }[]
}

export interface FeatureServiceRecord
  extends Omit<FeatureService, 'references' | 'requestColumns' | 'columns'> {
  references: readonly PinnedReference[]
  requestColumns: readonly Column[]
  columns: readonly Column[]
}

/** What people say of an entry. Where a field is left out, the entry keeps what it has. */
export interface FeatureServiceNotes {
  description?: string | null | undefined
  owner?: string | null | undefined
  tags?: readonly string[] | undefined
}

export interface NewFeatureService extends FeatureServiceNotes {
  name: string
  references: readonly PinnedReference[]
  requestColumns: readonly Column[]
  etlId: string | null
  /** What its ETL gave when it was tried; of a service without one none. */
  columns: readonly Column[]
}

export interface FeatureServices {
  /**
   * The entry of this content under this name, made where there is none; other content becomes the next version of the
   * name. What the ETL gave counts for nothing in that. Throws NOT_FOUND when a view or the ETL is gone.
   */
  save(service: NewFeatureService): Promise<FeatureServiceRecord>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<FeatureServiceRecord>
  /** By its id, by its name (the newest version), or by name@version. Throws NOT_FOUND. */
  byReference(reference: string): Promise<FeatureServiceRecord>
  /** The newest version of each name, in the order in which the names came; each by the name that the schema knows it by; as if one of them, by its id, were gone. */
  newest(options?: { without: string }): Promise<FeatureServiceRecord[]>
  /** Names all versions, unless they have a name; answers with what they are called then. */
  nameForGraphQL(name: string, graphqlName: string): Promise<string>
  /** Throws NOT_FOUND. */
  remove(id: string): Promise<void>
}

const pinned: z.ZodType<PinnedReference[]> = z.array(
  z.object({
    viewId: z.string(),
    features: z.array(z.string()),
    prefix: z.string().nullable(),
    keys: z.array(z.object({ key: z.string(), column: z.string() })),
  }),
)

export function createFeatureServices(
  prisma: PrismaClient,
  events: Pick<Events, 'publish'>,
): FeatureServices {
  /** Of any version that has it. */
  async function graphqlNameOf(name: string): Promise<string | null> {
    const named = await prisma.featureService.findFirst({ where: { name, graphqlName: { not: null } } })
    return named?.graphqlName ?? null
  }

  async function create(service: NewFeatureService, contentSha256: string): Promise<FeatureService> {
    const { name, references, requestColumns, columns, etlId } = service
    const { description = null, owner = null, tags = [] } = service
    const existing = await prisma.featureService.findUnique({
      where: { name_contentSha256: { name, contentSha256 } },
    })
    if (existing !== null) return existing
    const newest = await prisma.featureService.aggregate({ where: { name }, _max: { version: true } })
    const deleted = await deletedVersion(prisma, 'FEATURE_SERVICE', name)
    const viewIds = [...new Set(references.map(({ viewId }) => viewId))]
    const graphqlName = await graphqlNameOf(name)
    const made = await prisma.featureService.create({
      data: {
        id: createId('svc'),
        name,
        version: Math.max(newest._max.version ?? 0, deleted) + 1,
        references: toReferencesJson(references),
        requestColumns: toColumnsJson(requestColumns),
        columns: toColumnsJson(columns),
        etlId,
        contentSha256,
        description,
        owner,
        tags: [...tags],
        graphqlName,
        views: { create: viewIds.map((viewId) => ({ viewId })) },
      },
    })
    // Whoever is served by the name is served by this entry from here on.
    events.publish('views', 'all', { changed: true })
    return made
  }

  /** Only what is given, and only where it differs. */
  async function note(entry: FeatureService, { description, owner, tags }: FeatureServiceNotes) {
    const data = {
      ...(description !== undefined && description !== entry.description && { description }),
      ...(owner !== undefined && owner !== entry.owner && { owner }),
      ...(tags !== undefined && tags.join('\0') !== entry.tags.join('\0') && { tags: [...tags] }),
    }
    if (Object.keys(data).length === 0) return entry
    return prisma.featureService.update({ where: { id: entry.id }, data })
  }

  /** A name may look like another's version: it goes first. */
  async function named(reference: string): Promise<FeatureService | null> {
    const newest = { where: { name: reference }, orderBy: { version: 'desc' as const } }
    const entry = await prisma.featureService.findFirst(newest)
    const [, name, number] = versionedName.exec(reference) ?? []
    if (entry !== null || name === undefined) return entry
    return prisma.featureService.findUnique({
      where: { name_version: { name, version: Number(number) } },
    })
  }

  async function byReference(reference: string) {
    const entry = await prisma.featureService.findUnique({ where: { id: reference } })
    const found = entry ?? (await named(reference))
    if (found !== null) return toRecord(found)
    const others = await prisma.featureService.findMany({ distinct: ['name'], select: { name: true } })
    throw notFound(
      reference,
      others.map(({ name }) => name),
    )
  }

  return {
    async save(service) {
      checkName('a feature service', service.name)
      if (service.name.includes('@'))
        throw new AppError(
          'BAD_USER_INPUT',
          `The name ${JSON.stringify(service.name)} of a feature service holds @, which stands before a version: name@1.`,
        )
      checkText('The description', service.description ?? '')
      checkText('The owner', service.owner ?? '')
      for (const tag of service.tags ?? []) checkName('a tag', tag)
      const sha256 = contentOf(service)
      try {
        return toRecord(await note(await retryOnUniqueViolation(() => create(service, sha256)), service))
      } catch (error) {
        if (!isMissingReference(error)) throw error
        const message = `A feature view or the ETL of the feature service ${service.name} was deleted meanwhile`
        throw new AppError('NOT_FOUND', message, { cause: error })
      }
    },
    async byId(id) {
      const entry = await prisma.featureService.findUnique({ where: { id } })
      if (entry === null) throw notFound(id)
      return toRecord(entry)
    },
    byReference,
    async newest({ without } = { without: '' }) {
      const all = await prisma.featureService.findMany({
        where: { id: { not: without } },
        orderBy: [{ createdAt: 'asc' }, { version: 'asc' }],
      })
      const newest = new Map<string, FeatureService>()
      for (const entry of all) {
        const graphqlName = newest.get(entry.name)?.graphqlName ?? entry.graphqlName
        newest.set(entry.name, { ...entry, graphqlName })
      }
      return [...newest.values()].map(toRecord)
    },
    async nameForGraphQL(name, graphqlName) {
      const chosen = (await graphqlNameOf(name)) ?? graphqlName
      await prisma.featureService.updateMany({
        where: { name, graphqlName: null },
        data: { graphqlName: chosen },
      })
      return chosen
    },
    remove: (id) => deleteEntry(prisma, 'FEATURE_SERVICE', id),
  }
}

function toReferencesJson(references: readonly PinnedReference[]) {
  return references.map(({ viewId, features, prefix, keys }) => ({
    viewId,
    features: [...features],
    prefix,
    keys: keys.map(({ key, column }) => ({ key, column })),
  }))
}

function contentOf({ references, requestColumns, etlId }: NewFeatureService): string {
  const content = [
    toReferencesJson(references),
    requestColumns.map(({ name, type, nullable, storage }) => [name, type, nullable, storage]),
    etlId,
  ]
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}

function toRecord(entry: FeatureService): FeatureServiceRecord {
  return {
    ...entry,
    references: pinned.parse(entry.references),
    requestColumns: parseColumns(entry.requestColumns),
    columns: parseColumns(entry.columns),
  }
}

function notFound(reference: string, names: readonly string[] = []): AppError {
  const [, name = reference] = versionedName.exec(reference) ?? []
  const near = suggestNames(name, names)
  return new AppError(
    'NOT_FOUND',
    `There is no feature service ${JSON.stringify(reference)} in the catalog${near || '; it is named by its name, name@version or its id'}`,
  )
}
