// Statements that were judged and planned a moment ago, by their text.

/** Someone else may change the tables meanwhile. */
const keptMs = 60_000
const mostKept = 500

export interface PlanCache<Plan> {
  find(sql: string): Plan | undefined
  keep(sql: string, plan: Plan): Plan
}

export function createPlanCache<Plan>(): PlanCache<Plan> {
  const kept = new Map<string, { plan: Plan; madeMs: number }>()
  return {
    find(sql) {
      const entry = kept.get(sql)
      return entry !== undefined && Date.now() - entry.madeMs < keptMs ? entry.plan : undefined
    },
    keep(sql, plan) {
      kept.delete(sql)
      if (kept.size >= mostKept) kept.delete(kept.keys().next().value ?? '')
      kept.set(sql, { plan, madeMs: Date.now() })
      return plan
    },
  }
}
