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
  withPlan<T>(sql: string, by: PlanUse<Planned, T>): Promise<T>
}

export interface PlanUse<Planned, T> {
  make(): Promise<Planned>
  work(plan: Planned): Promise<T>
  /** Whether the statement, judged anew, would be found to be what it was; left out where only judging it tells. */
  stands?(plan: Planned): Promise<boolean>
}

/** `isJudgedOnce`: nobody but the gateway says what a statement may read. */
export function createPlanCache<Planned>({ isJudgedOnce = false } = {}): PlanCache<Planned> {
  const kept = createTextCache<{ plan: Planned; madeMs: number }>(limits)

  async function find(
    sql: string,
    stands: (plan: Planned) => Promise<boolean>,
  ): Promise<Planned | undefined> {
    const entry = kept.get(sql)
    if (entry === undefined || isJudgedOnce || Date.now() - entry.madeMs < keptMs) return entry?.plan
    const askedMs = Date.now()
    if (!(await stands(entry.plan))) return undefined
    entry.madeMs = askedMs
    return entry.plan
  }

  function keep(sql: string, plan: Planned): Planned {
    kept.set(sql, { plan, madeMs: Date.now() })
    return plan
  }

  return {
    keep,
    async withPlan(sql, { make, work, stands = async () => false }) {
      let known = await find(sql, stands)
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
