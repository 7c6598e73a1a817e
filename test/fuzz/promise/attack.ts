// Attacks the promise on one place, kind of key by kind of key, until the time is over.

import { createDice } from './dice.ts'
import { attackPromise, createReport, type PromiseReport } from './promise.ts'
import type { Place } from './stacks.ts'
import { keyKinds } from './tables.ts'

export async function attackPlace(
  place: Place,
  {
    seed,
    seconds,
    fewestRuns,
    statements,
  }: { seed: number; seconds: number; fewestRuns: number; statements: number },
): Promise<PromiseReport> {
  const kinds = keyKinds[place.engine]
  const dice = createDice(seed)
  const total = createReport()
  const untilMs = Date.now() + seconds * 1000
  for (let run = 0; run < fewestRuns || Date.now() < untilMs; run++) {
    // Texts, the first kind, always: not every kind can be refreshed by key, and the two ways are both to be attacked.
    const kind = kinds[run === 0 ? 0 : (seed + run) % kinds.length]
    if (kind === undefined) continue
    const stack = await place.open(kind, dice)
    try {
      const where = `seed ${seed} run ${run}`
      const report = await attackPromise(stack, { kind, statements, dice, where })
      add(total, report)
      for (const finding of report.findings) console.error(`${finding}\n`)
    } finally {
      await stack.remove()
    }
  }
  return total
}

function add(total: PromiseReport, report: PromiseReport) {
  for (const name of ['statements', 'refused', 'byKey', 'comparisons', 'undetermined'] as const)
    total[name] += report[name]
  for (const [level, count] of Object.entries(report.determinism))
    total.determinism[level] = (total.determinism[level] ?? 0) + count
  total.findings.push(...report.findings)
}
