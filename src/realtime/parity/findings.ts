// What a comparison of training with serving has found: a report for people, and the value that a view may be changed for.

import { AppError } from '../../errors.ts'
import type { Comparison } from './row-comparison.ts'

const maxExamples = 10

export interface ParityReport {
  sampled: number
  /** Values whose rows differ. */
  mismatched: number
  /** Values that training has rows for and realtime has none. */
  missing: number
  /** Values that realtime has rows for and training has none. */
  extra: number
  /** Values that differ only where the statement leaves it open. */
  undetermined: number
  /** At most ten of the values at fault, then of those that are undetermined, with the rows of both sides. */
  examples: unknown[]
}

export interface ParityFindings {
  report: ParityReport
  /** A value whose rows differ in what the statement determines: what a view may be changed for. */
  atFault: string | null
}

export interface Difference {
  /** A moment of the past; left out for now. */
  asOf?: string
  kind: Exclude<Comparison, 'SAME'>
  training: readonly string[]
  served: readonly string[] | AppError
}

/** By value; of a value at several moments there may be several. */
export type Differences = readonly (readonly [value: string, difference: Difference])[]

/** With what moments of the past have shown. */
export function withPast({ report: now, atFault }: ParityFindings, differences: Differences): ParityFindings {
  const { report: before } = toFindings(0, differences)
  const report = {
    sampled: now.sampled,
    mismatched: now.mismatched + before.mismatched,
    missing: now.missing + before.missing,
    extra: now.extra + before.extra,
    undetermined: now.undetermined + before.undetermined,
    examples: [...now.examples, ...before.examples].slice(0, maxExamples),
  }
  return { report, atFault }
}

export function toFindings(sampled: number, differences: Differences): ParityFindings {
  const report = { sampled, mismatched: 0, missing: 0, extra: 0, undetermined: 0 }
  const [examples, open]: [unknown[], unknown[]] = [[], []]
  let atFault: string | null = null
  for (const [value, { kind, training, served, asOf }] of differences) {
    const isFailed = served instanceof AppError
    if (kind === 'UNDETERMINED') report.undetermined++
    else if (!isFailed && served.length === 0) report.missing++
    else if (!isFailed && training.length === 0) report.extra++
    else report.mismatched++
    if (kind === 'DIFFERENT' && asOf === undefined) atFault ??= value
    const example = {
      value,
      ...(asOf !== undefined && { asOf }),
      training: training.map((row) => JSON.parse(row) as unknown),
      online: isFailed
        ? { code: served.code, message: served.message }
        : served.map((row) => JSON.parse(row) as unknown),
    }
    if (kind === 'UNDETERMINED') open.push({ ...example, undetermined: true })
    else examples.push(example)
  }
  return { report: { ...report, examples: [...examples, ...open].slice(0, maxExamples) }, atFault }
}
