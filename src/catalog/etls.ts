// ETLs: a source pinned by commit and content hash, and the columns it gave for each query.

import { AppError } from '../errors.ts'
import type { Column } from '../values/columns.ts'
import { parseColumns, toColumnsJson } from './columns-json.ts'
import {
  checkName,
  checkPath,
  checkText,
  isMissingReference,
  retryOnUniqueViolation,
} from './database/violations.ts'
import { deletedVersion, deleteEntry } from './entries.ts'
import type { Etl, PrismaClient } from './generated/client.ts'
import { createId } from './ids.ts'

export type EtlRecord = Etl
export type EtlLanguage = Etl['language']

export interface NewEtl {
  name: string
  path: string
  language: EtlLanguage
  /** Null when it did not come from git. */
  commit: string | null
  contentSha256: string
  source: string
}

export interface Etls {
  /**
   * The newest entry of this name and path when it holds this content, else the next version of the name: content that
   * comes back after another is a new version, so that the newest is always what was loaded last. Any number may save at once;
   * the version of a deleted entry is not given again.
   */
  save(etl: NewEtl): Promise<EtlRecord>
  /** Throws NOT_FOUND. */
  byId(id: string): Promise<EtlRecord>
  newestByPath(path: string, name?: string): Promise<EtlRecord | null>
  /** Removes an entry that nothing has come of: no columns, no feature view or service, no dataset that is made or was. Else it stays. */
  removeUnused(id: string): Promise<void>
  /** The columns that the ETL gave for this query on its first training run; null before that. */
  outputColumns(etlId: string, queryId: string): Promise<Column[] | null>
  /** Throws NOT_FOUND when the ETL or the query is not in the catalog. */
  saveOutputColumns(etlId: string, queryId: string, columns: readonly Column[]): Promise<void>
  /** These columns may hold nulls from now on. */
  widenOutputColumns(etlId: string, queryId: string, names: readonly string[]): Promise<void>
  /** Throws NOT_FOUND, and CONFLICT while a feature view or an unfinished dataset uses it. */
  remove(id: string): Promise<void>
  /** The columns of its first training run with any query; none before that. */
  firstOutputColumns(etlId: string): Promise<Column[]>
}

const newestFirst = [{ createdAt: 'desc' as const }, { version: 'desc' as const }]

export function createEtls(prisma: PrismaClient): Etls {
  async function create(etl: NewEtl): Promise<EtlRecord> {
    const { name, path, language, commit, contentSha256, source } = etl
    // The highest version is read first: an entry that another makes after that takes its number, and this one starts over.
    const highest = await prisma.etl.aggregate({ where: { name }, _max: { version: true } })
    const newest = await prisma.etl.findFirst({ where: { name, path }, orderBy: { version: 'desc' } })
    if (newest?.contentSha256 === contentSha256 && newest.language === language) return newest
    const deleted = await deletedVersion(prisma, 'ETL', name)
    const version = Math.max(highest._max.version ?? 0, deleted) + 1
    const id = createId('etl')
    return prisma.etl.create({ data: { id, name, version, path, language, commit, contentSha256, source } })
  }

  async function outputColumns(etlId: string, queryId: string) {
    const output = await prisma.etlOutput.findUnique({ where: { etlId_queryId: { etlId, queryId } } })
    return output === null ? null : parseColumns(output.columns)
  }

  return {
    outputColumns,

    async widenOutputColumns(etlId, queryId, names) {
      const known = await outputColumns(etlId, queryId)
      const columns = known?.map((column) =>
        names.includes(column.name) ? { ...column, nullable: true } : column,
      )
      if (columns === undefined) return
      const where = { etlId_queryId: { etlId, queryId } }
      await prisma.etlOutput.update({ where, data: { columns: toColumnsJson(columns) } })
    },

    async save(etl) {
      checkName('an ETL', etl.name)
      checkPath(etl.path)
      checkText("The ETL's source", etl.source)
      return retryOnUniqueViolation(() => create(etl))
    },

    async byId(id) {
      const entry = await prisma.etl.findUnique({ where: { id } })
      if (entry === null)
        throw new AppError('NOT_FOUND', `There is no ETL ${JSON.stringify(id)} in the catalog`)
      return entry
    },

    newestByPath(path, name) {
      const where = name === undefined ? { path } : { path, name }
      return prisma.etl.findFirst({ where, orderBy: newestFirst })
    },

    async removeUnused(id) {
      await prisma.etl.deleteMany({
        where: {
          id,
          outputs: { none: {} },
          featureViews: { none: {} },
          services: { none: {} },
          datasets: { none: { status: { in: ['QUEUED', 'RUNNING', 'SUCCEEDED'] } } },
        },
      })
    },

    remove: (id) => deleteEntry(prisma, 'ETL', id),

    async saveOutputColumns(etlId, queryId, columns) {
      const json = toColumnsJson(columns)
      try {
        await prisma.etlOutput.upsert({
          where: { etlId_queryId: { etlId, queryId } },
          create: { etlId, queryId, columns: json },
          update: { columns: json },
        })
      } catch (error) {
        if (!isMissingReference(error)) throw error
        const message = `The catalog has no ETL ${JSON.stringify(etlId)}, or no saved query ${JSON.stringify(queryId)}`
        throw new AppError('NOT_FOUND', message, { cause: error })
      }
    },

    async firstOutputColumns(etlId) {
      const first = await prisma.etlOutput.findFirst({
        where: { etlId },
        orderBy: [{ createdAt: 'asc' }, { queryId: 'asc' }],
      })
      return first === null ? [] : parseColumns(first.columns)
    },
  }
}
