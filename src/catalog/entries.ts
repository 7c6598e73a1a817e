// What saved queries, ETLs and feature services have in common: names with versions, which nothing gets twice, and users that keep them from being deleted.

import { AppError } from '../errors.ts'
import type { EntryNoun, Prisma, PrismaClient } from './generated/client.ts'

type Within = Prisma.TransactionClient

export interface Entry {
  id: string
  name: string
  version: number
}

const nouns = {
  SAVED_QUERY: { called: 'saved query', table: 'SavedQuery', reference: 'queryId' },
  ETL: { called: 'ETL', table: 'Etl', reference: 'etlId' },
  FEATURE_SERVICE: { called: 'feature service', table: 'FeatureService', reference: null },
} as const satisfies Record<EntryNoun, object>

/** Of a name: `quotes@2`. */
export const versionedName = /^(.+)@(\d{1,9})$/s

/** Names in a message; the details have them all. */
const maxNamed = 10

/** Ask after the highest version that is there: one that is deleted meanwhile is in the one or the other. */
export async function deletedVersion(prisma: PrismaClient, noun: EntryNoun, name: string): Promise<number> {
  const deleted = await prisma.deletedVersion.findUnique({ where: { noun_name: { noun, name } } })
  return deleted?.version ?? 0
}

/**
 * Throws NOT_FOUND, and CONFLICT with the names of the feature views, services and unfinished datasets that use it: whoever
 * begins to use it meanwhile is seen here, or finds it gone.
 */
export async function deleteEntry(prisma: PrismaClient, noun: EntryNoun, id: string): Promise<void> {
  const { table, called } = nouns[noun]
  await prisma.$transaction(async (within) => {
    const [entry] = await within.$queryRawUnsafe<Entry[]>(
      `SELECT id, name, version FROM "${table}" WHERE id = $1 FOR UPDATE`,
      id,
    )
    if (entry === undefined)
      throw new AppError('NOT_FOUND', `There is no ${called} ${JSON.stringify(id)} in the catalog`)
    await assertUnused(within, noun, entry)
    await within.$executeRaw`INSERT INTO "DeletedVersion" (noun, name, version) VALUES (${noun}::"EntryNoun", ${entry.name}, ${entry.version})
      ON CONFLICT (noun, name) DO UPDATE SET version = greatest("DeletedVersion".version, excluded.version)`
    await within.$executeRawUnsafe(`DELETE FROM "${table}" WHERE id = $1`, id)
  })
}

async function assertUnused(within: Within, noun: EntryNoun, entry: Entry): Promise<void> {
  const { reference } = nouns[noun]
  if (reference === null) return
  const where = { [reference]: entry.id }
  const views = await within.featureView.findMany({
    where,
    orderBy: { name: 'asc' },
    select: { id: true, name: true, implicit: true },
  })
  const services = await servicesUsing(within, {
    OR: [{ views: { some: { view: where } } }, ...(noun === 'ETL' ? [{ etlId: entry.id }] : [])],
  })
  const datasets = await within.dataset.findMany({
    where: { ...where, status: { in: ['QUEUED', 'RUNNING'] } },
    orderBy: { id: 'asc' },
    select: { id: true, status: true },
  })
  const uses = [
    ...views.map(
      ({ id, name, implicit }) => `the feature view ${name} (${id}${implicit ? ', made on first use' : ''})`,
    ),
    ...services.map(nameService),
    ...datasets.map(({ id, status }) => `the dataset ${id}, which is ${status}`),
  ]
  if (uses.length === 0) return
  const first = [...(services.length > 0 ? ['services'] : []), ...(views.length > 0 ? ['views'] : [])]
  const cures = [
    ...(first.length > 0 ? [`delete the feature ${first.join(', then the feature ')} first`] : []),
    ...(datasets.length > 0 ? ['cancel the datasets or wait for their end'] : []),
  ]
  throw inUse(noun, entry, uses, cures.join(', and '), {
    featureViewIds: views.map(({ id }) => id),
    featureServiceIds: services.map(({ id }) => id),
    datasetIds: datasets.map(({ id }) => id),
  })
}

/** In the order of their names and versions. */
export function servicesUsing(
  prisma: Pick<PrismaClient, 'featureService'>,
  where: Prisma.FeatureServiceWhereInput,
): Promise<Entry[]> {
  return prisma.featureService.findMany({
    where,
    orderBy: [{ name: 'asc' }, { version: 'asc' }],
    select: { id: true, name: true, version: true },
  })
}

export function nameService({ id, name, version }: Entry): string {
  return `the feature service ${name}, version ${version} (${id})`
}

/** CONFLICT: who uses the entry, and what to do about it. */
export function inUse(
  noun: EntryNoun,
  { id, name, version }: Entry,
  uses: readonly string[],
  cure: string,
  details: Record<string, unknown>,
): AppError {
  const message = `The ${nouns[noun].called} ${name}, version ${version} (${id}), is used by ${listUses(uses)}. To delete it, ${cure}.`
  return new AppError('CONFLICT', message, { details })
}

export function listUses(uses: readonly string[]): string {
  const more = uses.length > maxNamed ? ` and ${uses.length - maxNamed} more` : ''
  return uses.slice(0, maxNamed).join('; ') + more
}
