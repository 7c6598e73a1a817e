// Statements that were judged and planned before, by their text; none is run beyond the schema that it was planned for.

import { createTextCache } from '../concurrency/text-cache.ts'
import { AppError } from '../errors.ts'

/** What a statement may read at all is judged anew after so long, where others may say otherwise meanwhile. */
const keptMs = 60_000
const limits = { longest: 1_000_000, most: 5000, maxCharacters: 16_000_000 }
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

/** `isJudgedOnce`: nobody but the gateway says what a statement may read. */
export function createPlanCache<Planned>({ isJudgedOnce = false } = {}): PlanCache<Planned> {
  const kept = createTextCache<{ plan: Planned; madeMs: number }>(limits)

  function find(sql: string): Planned | undefined {
    const entry = kept.get(sql)
    return entry !== undefined && (isJudgedOnce || Date.now() - entry.madeMs < keptMs)
      ? entry.plan
      : undefined
  }

  function keep(sql: string, plan: Planned): Planned {
    kept.set(sql, { plan, madeMs: Date.now() })
    return plan
  }

  return {
    keep,
    async withPlan(sql, make, work) {
      let known = find(sql)
      for (let tries = 1; ; tries++) {
        try {
          return await work(known ?? keep(sql, await make()))
        } catch (error) {
          if (!(error instanceof PlanOutdated)) throw error
          known = undefined
          if (tries === maxTries) throw error.cause ?? error
        }
      }
    },
  }
}
