// What a statement promises of a value: exactly the same each time, but for its last digits, or not at all.

/** EXACT; ROUNDING: equal to a relative 1e-12; OPEN: the statement leaves it to the engine. */
export type Level = 'EXACT' | 'ROUNDING' | 'OPEN'

export interface Finding {
  level: Level
  /** What makes it so and how to make it exact; null where it is exact. */
  note: string | null
}

const levels: readonly Level[] = ['EXACT', 'ROUNDING', 'OPEN']

export const exact: Finding = { level: 'EXACT', note: null }

export function rounding(name: string, cure = 'cast what it takes to DECIMAL'): Finding {
  return {
    level: 'ROUNDING',
    note: `${name} of floats rounds by the order of the rows; ${cure} to have it exact`,
  }
}

export function open(what: string, cure?: string): Finding {
  return { level: 'OPEN', note: cure === undefined ? what : `${what}; ${cure} to have it exact` }
}

/** The least certain; of equal ones the first. */
export function worst(findings: readonly Finding[]): Finding {
  return findings.reduce(
    (found, next) => (levels.indexOf(next.level) > levels.indexOf(found.level) ? next : found),
    exact,
  )
}
