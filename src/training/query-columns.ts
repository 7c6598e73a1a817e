// What runs of a saved query have shown of its columns: which of them hold nulls.

import type { Catalog } from '../catalog/open.ts'
import { createTurns } from '../concurrency/turns.ts'
import type { Column } from '../values/columns.ts'
import type { RunResult } from './run.ts'

export interface QueryColumns {
  /** A result without rows has shown nothing: its columns stay nullable. */
  observed(result: RunResult): { columns: Column[]; rowCount: bigint }
  /**
   * Writes what a run showed to the saved query. The first run with rows decides what is nullable; a column that a
   * later one sees null becomes so and stays so.
   */
  settle(run: { queryId: string; datasetId: string; observed: RunResult; widenOnly?: boolean }): Promise<void>
}

export function createQueryColumns({
  savedQueries,
  prisma,
}: Pick<Catalog, 'savedQueries' | 'prisma'>): QueryColumns {
  /** One at a time, so that two runs that end together do not undo each other's findings. */
  const turns = createTurns()
  const settledHere = new Set<string>()

  async function settle({ queryId, datasetId, observed, widenOnly }: Parameters<QueryColumns['settle']>[0]) {
    const { columns: known } = await savedQueries.byId(queryId)
    const earlier = await prisma.dataset.findFirst({
      where: { queryId, id: { not: datasetId }, status: 'SUCCEEDED', rowCount: { gt: 0 } },
      select: { id: true },
    })
    const isFirst = earlier === null && !settledHere.has(queryId) && !widenOnly && observed.rowCount > 0n
    const columns = isFirst ? [...observed.columns] : widen(known, observed.columns)
    if (JSON.stringify(columns) !== JSON.stringify(known)) await savedQueries.setColumns(queryId, columns)
    if (isFirst) settledHere.add(queryId)
  }

  return {
    observed({ columns, rowCount }) {
      if (rowCount > 0n) return { columns: [...columns], rowCount }
      return { columns: columns.map((column) => ({ ...column, nullable: true })), rowCount }
    },
    settle: (run) => turns.alone(() => settle(run)),
  }
}

/** The columns as they were saved, nullable where they are or were. */
function widen(known: readonly Column[], now: readonly Column[]): Column[] {
  const nullableNow = new Set(now.filter(({ nullable }) => nullable).map(({ name }) => name))
  return known.map((column) => ({ ...column, nullable: column.nullable || nullableNow.has(column.name) }))
}
