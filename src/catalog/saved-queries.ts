// SQL under a name and version. The same SQL under the same name is the same entry.

import { createHash } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Finding } from '../sql/finding.ts'
import type { Column } from '../values/columns.ts'
import { suggestNames } from '../values/near-names.ts'
import { parseColumns, toColumnsJson } from './columns-json.ts'
import { checkName, checkText, retryOnUniqueViolation } from './database/violations.ts'
import { deletedVersion, deleteEntry, versionedName } from './entries.ts'
import type { PrismaClient, SavedQuery } from './generated/client.ts'
import { createId } from './ids.ts'

export interface SavedQueryRecord extends Omit<SavedQuery, 'columns'> {
  columns: Column[]
}

/** What people say of an entry. Where a field is left out, the entry keeps what it has. */
export interface SavedQueryNotes {
  description?: string | null | undefined
  tags?: readonly string[] | undefined
}

export interface NewSavedQuery extends SavedQueryNotes {
  name: string
  sql: string
  columns: readonly Column[]
  /** What the SQL promises of itself; left out where nobody has judged it. */
  promise?: Finding | undefined
  /** Whether the SQL calls as_of(). */
  asksForMoment?: boolean
}

export interface SavedQueries {
  /**
   * The entry of this SQL under this name, made where there is none; other SQL becomes the next version of the name.
   * An entry that exists keeps its columns. Any number may save at once: versions have no gaps and no doubles, and that of
   * a deleted entry is not given again.
   */
  save(query: NewSavedQuery): Promise<SavedQueryRecord>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<SavedQueryRecord>
  /** By its id, by its name (the newest version), or by name@version. Throws NOT_FOUND. */
  byReference(reference: string): Promise<SavedQueryRecord>
  newestByName(name: string): Promise<SavedQueryRecord | null>
  /** Throws NOT_FOUND. */
  describe(id: string, notes: SavedQueryNotes): Promise<SavedQueryRecord>
  /** Throws NOT_FOUND. */
  setColumns(id: string, columns: readonly Column[]): Promise<void>
  /** Of an entry that was saved before its SQL was judged. */
  setPromise(id: string, promise: Finding): Promise<void>
  /** Throws NOT_FOUND, and CONFLICT while a feature view or an unfinished dataset uses it. */
  remove(id: string): Promise<void>
}

export function createSavedQueries(prisma: PrismaClient, events: Pick<Events, 'publish'>): SavedQueries {
  async function create(query: NewSavedQuery, sqlSha256: string): Promise<SavedQuery> {
    const { name, sql, columns, promise, description = null, tags = [], asksForMoment = false } = query
    const key = { name_sqlSha256: { name, sqlSha256 } }
    const existing = await prisma.savedQuery.findUnique({ where: key })
    if (existing !== null) return existing
    const newest = await prisma.savedQuery.aggregate({ where: { name }, _max: { version: true } })
    const deleted = await deletedVersion(prisma, 'SAVED_QUERY', name)
    const made = await prisma.savedQuery.create({
      data: {
        id: createId('qry'),
        name,
        version: Math.max(newest._max.version ?? 0, deleted) + 1,
        sql,
        sqlSha256,
        description,
        tags: [...tags],
        columns: toColumnsJson(columns),
        determinism: promise?.level ?? null,
        determinismNote: promise?.note ?? null,
        asksForMoment,
      },
    })
    // Whoever is served by the name, or by what looked like a version of another, is served by this entry from here on.
    if (made.version > 1 || versionedName.test(name)) events.publish('views', 'all', { changed: true })
    return made
  }

  async function newestNamed(name: string): Promise<SavedQuery | null> {
    return prisma.savedQuery.findFirst({ where: { name }, orderBy: { version: 'desc' } })
  }

  /** A name may look like another's version: it goes first. */
  async function named(reference: string): Promise<SavedQuery | null> {
    const entry = await newestNamed(reference)
    const [, name, number] = versionedName.exec(reference) ?? []
    if (entry !== null || name === undefined) return entry
    return prisma.savedQuery.findUnique({ where: { name_version: { name, version: Number(number) } } })
  }

  /** Only what is given, and only where it differs. */
  async function note(entry: SavedQuery, { description, tags }: SavedQueryNotes): Promise<SavedQuery> {
    const data = {
      ...(description !== undefined && description !== entry.description && { description }),
      ...(tags !== undefined && tags.join('\0') !== entry.tags.join('\0') && { tags: [...tags] }),
    }
    if (Object.keys(data).length === 0) return entry
    return prisma.savedQuery.update({ where: { id: entry.id }, data })
  }

  async function find(id: string): Promise<SavedQuery> {
    const entry = await prisma.savedQuery.findUnique({ where: { id } })
    if (entry === null) throw notFound(id)
    return entry
  }

  return {
    async save(query) {
      checkName('a saved query', query.name)
      checkText('The SQL', query.sql)
      checkNotes(query)
      const sqlSha256 = createHash('sha256').update(query.sql).digest('hex')
      const entry = await retryOnUniqueViolation(() => create(query, sqlSha256))
      return toRecord(await note(entry, query))
    },

    async byId(id) {
      return toRecord(await find(id))
    },

    async byReference(reference) {
      const entry = await prisma.savedQuery.findUnique({ where: { id: reference } })
      const found = entry ?? (await named(reference))
      if (found !== null) return toRecord(found)
      const others = await prisma.savedQuery.findMany({ distinct: ['name'], select: { name: true } })
      throw notFound(
        reference,
        others.map(({ name }) => name),
      )
    },

    async describe(id, notes) {
      checkNotes(notes)
      return toRecord(await note(await find(id), notes))
    },

    async newestByName(name) {
      const entry = await newestNamed(name)
      return entry === null ? null : toRecord(entry)
    },

    async setPromise(id, { level, note }) {
      await prisma.savedQuery.updateMany({
        where: { id },
        data: { determinism: level, determinismNote: note },
      })
    },

    async setColumns(id, columns) {
      const data = { columns: toColumnsJson(columns) }
      const { count } = await prisma.savedQuery.updateMany({ where: { id }, data })
      if (count === 0) throw notFound(id)
    },

    remove: (id) => deleteEntry(prisma, 'SAVED_QUERY', id),
  }
}

function checkNotes({ description, tags }: SavedQueryNotes) {
  checkText('The description', description ?? '')
  for (const tag of tags ?? []) checkName('a tag', tag)
}

function toRecord(entry: SavedQuery): SavedQueryRecord {
  return { ...entry, columns: parseColumns(entry.columns) }
}

function notFound(reference: string, names: readonly string[] = []): AppError {
  const [, name = reference] = versionedName.exec(reference) ?? []
  return new AppError(
    'NOT_FOUND',
    `There is no saved query ${JSON.stringify(reference)} in the catalog${suggestNames(name, names)}`,
  )
}
