// Statements that were judged and planned a moment ago, by their text; none is run beyond the schema that it was planned for.

import { AppError } from '../errors.ts'

/** What a statement may read at all is judged anew after so long. */
const keptMs = 60_000
const maxKept = 500
const maxTries = 4

/** The statement no longer gives what its plan says; with a cause, which it failed with, it may not have given it then. */
export class PlanOutdated extends AppError {
  constructor(cause?: unknown) {
    super(
      'WAREHOUSE_FAILED',
      'The tables that the statement reads change while it runs; ask again in a moment.',
      {
        cause,
      },
    )
  }
}

export interface PlanCache<Planned> {
  keep(sql: string, plan: Planned): Planned
  /** Work by the statement's plan; by a new one, with all the work done again, where it rejects with PlanOutdated. */
  withPlan<T>(sql: string, make: () => Promise<Planned>, work: (plan: Planned) => Promise<T>): Promise<T>
}

export function createPlanCache<Planned>(): PlanCache<Planned> {
  const kept = new Map<string, { plan: Planned; madeMs: number }>()

  function find(sql: string): Planned | undefined {
    const entry = kept.get(sql)
    return entry !== undefined && Date.now() - entry.madeMs < keptMs ? entry.plan : undefined
  }

  function keep(sql: string, plan: Planned): Planned {
    kept.delete(sql)
    if (kept.size >= maxKept) kept.delete(kept.keys().next().value ?? '')
    kept.set(sql, { plan, madeMs: Date.now() })
    return plan
  }

  return {
    keep,
    async withPlan(sql, make, work) {
      for (let tries = 1; ; tries++) {
        try {
          return await work(find(sql) ?? keep(sql, await make()))
        } catch (error) {
          if (!(error instanceof PlanOutdated)) throw error
          kept.delete(sql)
          if (tries === maxTries) throw error.cause ?? error
        }
      }
    },
  }
}
