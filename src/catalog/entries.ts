// What saved queries and ETLs have in common: names with versions, which nothing gets twice, and users that keep them from being deleted.

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
} as const satisfies Record<EntryNoun, object>

/** Names in a message; the details have them all. */
const maxNamed = 10

/** Ask after the highest version that is there: one that is deleted meanwhile is in the one or the other. */
export async function deletedVersion(prisma: PrismaClient, noun: EntryNoun, name: string): Promise<number> {
  const deleted = await prisma.deletedVersion.findUnique({ where: { noun_name: { noun, name } } })
  return deleted?.version ?? 0
}

/**
 * Throws NOT_FOUND, and CONFLICT with the names of the feature views and the unfinished datasets that use it: whoever
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
  const where = { [nouns[noun].reference]: entry.id }
  const views = await within.featureView.findMany({
    where,
    orderBy: { name: 'asc' },
    select: { id: true, name: true, implicit: true },
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
    ...datasets.map(({ id, status }) => `the dataset ${id}, which is ${status}`),
  ]
  if (uses.length === 0) return
  const cures = [
    ...(views.length > 0 ? ['delete the feature views first'] : []),
    ...(datasets.length > 0 ? ['cancel the datasets or wait for their end'] : []),
  ]
  throw inUse(noun, entry, uses, cures.join(', and '), {
    featureViewIds: views.map(({ id }) => id),
    datasetIds: datasets.map(({ id }) => id),
  })
}

/** CONFLICT: who uses the entry, and what to do about it. */
export function inUse(
  noun: EntryNoun,
  { id, name, version }: Entry,
  uses: readonly string[],
  cure: string,
  details: Record<string, unknown>,
): AppError {
  const more = uses.length > maxNamed ? ` and ${uses.length - maxNamed} more` : ''
  const named = uses.slice(0, maxNamed).join('; ') + more
  const message = `The ${nouns[noun].called} ${name}, version ${version} (${id}), is used by ${named}. To delete it, ${cure}.`
  return new AppError('CONFLICT', message, { details })
}
