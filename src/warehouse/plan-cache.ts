// Statements that were judged and planned a moment ago, by their text; none is run beyond the schema that it was planned for.

import { AppError } from '../errors.ts'

/** What a statement may read at all is judged anew after so long. */
const keptMs = 60_000
const mostKept = 500
const mostTries = 4

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

export interface PlanCache<Plan> {
  keep(sql: string, plan: Plan): Plan
  /** Work by the statement's plan; by a new one, with all the work done again, where it rejects with PlanOutdated. */
  withPlan<T>(sql: string, make: () => Promise<Plan>, work: (plan: Plan) => Promise<T>): Promise<T>
}

export function createPlanCache<Plan>(): PlanCache<Plan> {
  const kept = new Map<string, { plan: Plan; madeMs: number }>()

  function find(sql: string): Plan | undefined {
    const entry = kept.get(sql)
    return entry !== undefined && Date.now() - entry.madeMs < keptMs ? entry.plan : undefined
  }

  function keep(sql: string, plan: Plan): Plan {
    kept.delete(sql)
    if (kept.size >= mostKept) kept.delete(kept.keys().next().value ?? '')
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
          if (tries === mostTries) throw error.cause ?? error
        }
      }
    },
  }
}
