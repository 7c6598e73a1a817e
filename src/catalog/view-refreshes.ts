// Refreshes in full that wait, run or were cut short: one process at a time has a view's, and another can go on with it.

import { randomUUID } from 'node:crypto'
import { AppError } from '../errors.ts'
import { isGone } from './database/presence.ts'
import type { PrismaClient, ViewRefresh } from './generated/client.ts'

/** How far a refresh has come. */
export interface RefreshProgress {
  /** The warehouse's version that is read. */
  version: number
  /** The last index value, as canonical text, that is online with all before it; null before the first. */
  position: string | null
  /** Rows of the warehouse that are online by now. */
  rows: number
  startedAt: Date
}

export interface ViewRefreshes {
  /** Whether there can be other processes at the same time. */
  isShared: boolean
  /**
   * Makes the view's refresh this process's own, until it is released or this process is gone; null while another
   * living process has it. `progress` is what was done before it was cut short. Throws NOT_FOUND when the view is gone.
   */
  claim(viewId: string): Promise<{ progress: RefreshProgress | null } | null>
  /** False when the refresh is another process's by now. */
  advance(viewId: string, progress: RefreshProgress): Promise<boolean>
  /** Ends this process's claim; what was done is forgotten with it. */
  release(viewId: string): Promise<void>
  /** The views whose refresh is claimed by a process that is gone. */
  abandoned(): Promise<string[]>
}

/** `presence` is what this process signs with; null where there can be no other process at the same time. */
export function createViewRefreshes(prisma: PrismaClient, presence: string | null): ViewRefreshes {
  const owner = presence ?? randomUUID()
  const gone = presence === null ? 'true' : isGone('"ViewRefresh".owner')

  async function insertOrTake(viewId: string): Promise<boolean> {
    const taken = await prisma.$executeRawUnsafe(
      `INSERT INTO "ViewRefresh" ("viewId", owner) SELECT id, $2 FROM "FeatureView" WHERE id = $1
        ON CONFLICT ("viewId") DO UPDATE SET owner = $2 WHERE "ViewRefresh".owner = $2 OR ${gone}`,
      viewId,
      owner,
    )
    return taken > 0
  }

  return {
    isShared: presence !== null,

    async claim(viewId) {
      const isTaken = await insertOrTake(viewId)
      const refresh = await prisma.viewRefresh.findUnique({ where: { viewId } })
      if (isTaken && refresh !== null) return { progress: progressOf(refresh) }
      const view = await prisma.featureView.findUnique({ where: { id: viewId }, select: { id: true } })
      if (view === null) throw new AppError('NOT_FOUND', `There is no feature view ${JSON.stringify(viewId)}`)
      return null
    },

    async advance(viewId, { version, position, rows, startedAt }) {
      const { count } = await prisma.viewRefresh.updateMany({
        where: { viewId, owner },
        // As JSON, since an index value may hold what PostgreSQL's text cannot.
        data: {
          version,
          position: position === null ? null : JSON.stringify(position),
          rows,
          startedAt,
          updatedAt: new Date(),
        },
      })
      return count > 0
    },

    async release(viewId) {
      await prisma.viewRefresh.deleteMany({ where: { viewId, owner } })
    },

    async abandoned() {
      const refreshes = await prisma.$queryRawUnsafe<{ viewId: string }[]>(
        `SELECT "viewId" FROM "ViewRefresh" WHERE CASE WHEN owner = $1 THEN false ELSE ${gone} END`,
        owner,
      )
      return refreshes.map(({ viewId }) => viewId)
    },
  }
}

function progressOf({ version, position, rows, startedAt }: ViewRefresh): RefreshProgress | null {
  if (version === null || startedAt === null) return null
  return {
    version: Number(version),
    position: position === null ? null : String(JSON.parse(position)),
    rows: Number(rows),
    startedAt,
  }
}
