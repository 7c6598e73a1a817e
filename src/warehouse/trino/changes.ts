// What gives a statement another result at each run, by the functions that the engine lists as such and its words for the time.

import type { Analysis } from './analysis.ts'
import { clockFunctions } from './functions.ts'
import type { TrinoSession } from './session.ts'

export type ChangeFinder = (analysis: Analysis) => Promise<string | null>

export function createChangeFinder(session: TrinoSession): ChangeFinder {
  let listed: Promise<Set<string>> | null = null

  async function list(): Promise<Set<string>> {
    const { rows } = await session.query('quick', 'SHOW FUNCTIONS')
    return new Set(rows.filter((row) => row[4] === false).map(([name]) => String(name).toLowerCase()))
  }

  return async ({ routines, clock, hasSample }) => {
    if (clock !== null) return clock
    if (hasSample) return 'a sample'
    if (routines.length === 0) return null
    listed ??= list().catch((error: unknown) => {
      listed = null
      throw error
    })
    const changing = await listed
    const called = routines.find((name) => clockFunctions.has(name) || changing.has(name))
    return called === undefined ? null : `${called}()`
  }
}
