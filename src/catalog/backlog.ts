// How much work waits and runs, and for how long, of all gateways together.

import type { PrismaClient } from './generated/client.ts'

const kinds = ['publish', 'dataset'] as const
const statuses = ['QUEUED', 'RUNNING'] as const

export interface Backlog {
  kind: (typeof kinds)[number]
  status: (typeof statuses)[number]
  count: number
  /** When the oldest of them was asked for; null when there is none. */
  oldestAtMs: number | null
}

/** One for each kind and status, of none too. */
export async function readBacklog(prisma: PrismaClient): Promise<Backlog[]> {
  const grouped = {
    by: ['status' as const],
    where: { status: { in: [...statuses] } },
    _count: true as const,
    _min: { createdAt: true as const },
  }
  const [publish, dataset] = await Promise.all([
    prisma.publishJob.groupBy(grouped),
    prisma.dataset.groupBy(grouped),
  ])
  const found = { publish, dataset }
  return kinds.flatMap((kind) =>
    statuses.map((status) => {
      const group = found[kind].find((each) => each.status === status)
      const oldestAtMs = group?._min.createdAt?.getTime() ?? null
      return { kind, status, count: group?._count ?? 0, oldestAtMs }
    }),
  )
}
